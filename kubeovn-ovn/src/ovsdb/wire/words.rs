//! Texts that a server repeats, allocated once: names of columns, keys, names of switches and nodes.
//!
//! What was read lately is remembered by its hash, one text per place: a text that comes again soon is found, and nothing
//! has to be cleaned up. Which texts are shared is of no consequence but for memory and time.

use std::sync::Arc;

use kubeovn_core::hash::hash;

/// Places at first, and at most.
const PLACES: [usize; 2] = [1 << 8, 1 << 15];

/// Texts that were met before. The default remembers nothing.
#[derive(Debug, Default)]
pub struct Words {
    places: Vec<Option<Arc<str>>>,
    /// How many texts were not found since the last growth.
    missed: usize,
}

impl Words {
    /// Texts that are remembered.
    pub fn new() -> Self {
        Self { places: vec![None; PLACES[0]], missed: 0 }
    }

    /// Remembers nothing: for a few values.
    pub(super) const fn none() -> Self {
        Self { places: Vec::new(), missed: 0 }
    }

    /// A text with this content.
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        let at = place(text, self.places.len());
        let Some(known) = self.places.get_mut(at) else { return text.into() };
        if let Some(known) = known.as_ref().filter(|known| ***known == *text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        *known = Some(new.clone());
        self.missed += 1;
        if self.missed > 2 * self.places.len() && self.places.len() < PLACES[1] {
            self.grow();
        }
        new
    }

    fn grow(&mut self) {
        self.missed = 0;
        let mut more = vec![None; self.places.len() * 2];
        for text in self.places.drain(..).flatten() {
            let at = place(&text, more.len());
            if let Some(place) = more.get_mut(at) {
                *place = Some(text);
            }
        }
        self.places = more;
    }
}

/// The number of places is a power of two, or none.
fn place(text: &str, places: usize) -> usize {
    let mask = u64::try_from(places).unwrap_or_default().saturating_sub(1);
    usize::try_from(hash(text) & mask).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_comes_again_is_the_same_one_however_many_come_between() {
        let mut words = Words::new();
        let first = words.share("vendor");
        assert!(Arc::ptr_eq(&first, &words.share("vendor")));
        let mut anew = 0;
        let mut last = first;
        for n in 0..100_000 {
            assert_eq!(*words.share(&n.to_string()), n.to_string());
            let again = words.share("vendor");
            anew += usize::from(!Arc::ptr_eq(&again, &last));
            last = again;
        }
        assert!(anew < 100, "{anew}");
        assert!(words.places.len() <= PLACES[1]);
        assert!(!Arc::ptr_eq(&Words::none().share("a"), &Words::none().share("a")));
    }
}
