//! Who of those that are asked does not answer: what many rounds of questions say together.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::addr::{DualStack, Family};

/// Rounds that an address which was silent must answer in a row until it counts again: one that comes and goes is not
/// followed each time.
const TRUSTED_AFTER: u32 = 3;
/// Rounds in a row without any answer until what was known is forgotten.
const BLIND_AFTER: u32 = 3;

/// Puts rounds of questions together, each family by itself.
///
/// An address that does not answer in a round, in which each was asked several times, is silent; it counts again after
/// three rounds with an answer. A round in which nobody answers says more about who asks than about the others, so nothing
/// changes; after three of them nobody is held to be silent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hearing {
    /// Of silent addresses, how many rounds in a row they have answered since.
    answered: BTreeMap<IpAddr, u32>,
    /// Rounds in a row in which nobody answered.
    deaf: DualStack<u32>,
}

impl Hearing {
    /// Takes a round in: who was asked, and whether he answered. `silent` is who was silent before; answers who is now.
    pub fn round(&mut self, answers: &BTreeMap<IpAddr, bool>, silent: &BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
        let known = |ip: &IpAddr| answers.contains_key(ip);
        let mut now: BTreeSet<IpAddr> = silent.iter().copied().filter(known).collect();
        self.answered.retain(|ip, _| now.contains(ip));
        for family in Family::BOTH {
            let asked = answers.iter().filter(|(ip, _)| Family::of(**ip) == family);
            let deaf = asked.clone().next().is_some() && asked.clone().all(|(_, answered)| !answered);
            let rounds = self.deaf.slot(family).get_or_insert(0);
            *rounds = if deaf { rounds.saturating_add(1) } else { 0 };
            if *rounds >= BLIND_AFTER {
                now.retain(|ip| Family::of(*ip) != family);
            } else if *rounds == 0 {
                asked.for_each(|(ip, answered)| self.one(*ip, *answered, &mut now));
            }
        }
        now
    }

    fn one(&mut self, ip: IpAddr, answered: bool, silent: &mut BTreeSet<IpAddr>) {
        if !answered {
            silent.insert(ip);
            self.answered.remove(&ip);
        } else if silent.contains(&ip) {
            let rounds = self.answered.entry(ip).or_default();
            *rounds += 1;
            if *rounds >= TRUSTED_AFTER {
                silent.remove(&ip);
                self.answered.remove(&ip);
            }
        }
    }

    /// The families in which nobody has answered for so long that nothing is known.
    pub fn blind(&self) -> impl Iterator<Item = Family> + '_ {
        Family::BOTH
            .into_iter()
            .filter(|family| self.deaf.get(*family).is_some_and(|rounds| *rounds >= BLIND_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Rounds in which each letter is an address: a capital one answers.
    fn play(hearing: &mut Hearing, silent: &mut BTreeSet<IpAddr>, rounds: &[&str]) -> Vec<String> {
        let of =
            |letter: char| IpAddr::from([100, 64, 0, u8::try_from(letter.to_ascii_lowercase()).unwrap()]);
        let mut told = Vec::new();
        for round in rounds {
            let answers = round.chars().map(|letter| (of(letter), letter.is_uppercase())).collect();
            *silent = hearing.round(&answers, silent);
            let letters = ('a'..='z').filter(|letter| silent.contains(&of(*letter)));
            told.push(letters.collect());
        }
        told
    }

    fn after(rounds: &[&str]) -> Vec<String> {
        play(&mut Hearing::default(), &mut BTreeSet::new(), rounds)
    }

    #[test]
    fn who_does_not_answer_is_silent_until_he_has_answered_three_times_in_a_row() {
        assert_eq!(after(&["AB", "Ab", "AB", "AB", "AB", "AB"]), ["", "b", "b", "b", "", ""]);
        assert_eq!(after(&["Ab", "AB", "AB", "Ab", "AB", "AB", "AB"]), ["b", "b", "b", "b", "b", "b", ""]);
        assert_eq!(after(&["Abc", "aBC", "ABC", "ABC", "ABC"]), ["bc", "abc", "abc", "a", ""]);
    }

    #[test]
    fn a_round_without_any_answer_changes_nothing_and_three_are_forgotten_over() {
        assert_eq!(after(&["ab", "ab", "ab", "ab"]), ["", "", "", ""]);
        let (mut hearing, mut silent) = (Hearing::default(), BTreeSet::new());
        assert_eq!(play(&mut hearing, &mut silent, &["Ab", "ab", "ab", "AB"]), ["b", "b", "b", "b"]);
        assert_eq!(hearing.blind().count(), 0);
        assert_eq!(play(&mut hearing, &mut silent, &["ab", "ab", "ab", "ab"]), ["b", "b", "", ""]);
        assert_eq!(hearing.blind().collect::<Vec<_>>(), [Family::V4]);
        assert_eq!(play(&mut hearing, &mut silent, &["Ab"]), ["b"]);
        assert_eq!(hearing.blind().count(), 0);
    }

    #[test]
    fn who_is_asked_no_more_is_forgotten() {
        assert_eq!(after(&["Abc", "Ab", "AbC"]), ["bc", "b", "b"]);
        assert_eq!(after(&["Ab", ""]), ["b", ""]);
    }

    #[test]
    fn families_are_judged_apart() {
        let mut hearing = Hearing::default();
        let answers = [("100.64.0.2", true), ("100.64.0.3", false), ("fd64::2", false), ("fd64::3", false)];
        let answers = answers.map(|(text, answered)| (ip(text), answered)).into();
        for _ in 0..5 {
            assert_eq!(hearing.round(&answers, &BTreeSet::new()), [ip("100.64.0.3")].into());
        }
        assert_eq!(hearing.blind().collect::<Vec<_>>(), [Family::V6]);
    }

    /// After a start: silent by what the rows say.
    #[test]
    fn who_is_silent_from_elsewhere_is_trusted_as_late_as_others() {
        let mut silent = BTreeSet::from([IpAddr::from([100, 64, 0, b'b'])]);
        assert_eq!(play(&mut Hearing::default(), &mut silent, &["AB", "AB", "AB"]), ["b", "b", ""]);
    }
}
