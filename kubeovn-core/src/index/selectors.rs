//! Which members each selector selects, kept up to date as labels and selectors come and go.
//!
//! Members are found by *postings*: for every label, and every key of one, who carries it. A selector is looked up
//! under one of its conditions that needs a label to be there, and asks only those who carry that; a member asks only
//! the selectors that are looked up under a label of its own. So what a change costs depends on who is concerned, not
//! on how many members or selectors there are, and not on which of them came first.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
};

use super::objects::{Labels, Name, Operator, Selector};

/// Members by their labels, and selectors with whom they select. `S` names a selector, `M` a member.
#[derive(Clone, Debug)]
pub struct Selectors<S, M> {
    selectors: HashMap<S, Entry<M>>,
    members: HashMap<M, Member<S>>,
    /// Who carries a label, by key and value.
    carriers: HashMap<Name, BTreeMap<Name, BTreeSet<M>>>,
    /// Selectors by the condition under which they are looked up.
    lookups: HashMap<Lookup, BTreeSet<S>>,
}

/// A condition that needs a label to be there; that of a selector without one is `Anything`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Lookup {
    Label(Name, Name),
    Key(Name),
    Anything,
}

#[derive(Clone, Debug)]
struct Entry<M> {
    selector: Selector,
    members: BTreeSet<M>,
}

#[derive(Clone, Debug)]
struct Member<S> {
    labels: Labels,
    selected_by: BTreeSet<S>,
}

/// Who came into a selection and who left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moves<T> {
    /// Newly selected.
    pub joined: Vec<T>,
    /// Not selected any more.
    pub left: Vec<T>,
}

impl<S, M> Default for Selectors<S, M> {
    fn default() -> Self {
        Selectors {
            selectors: HashMap::new(),
            members: HashMap::new(),
            carriers: HashMap::new(),
            lookups: HashMap::new(),
        }
    }
}

impl<S: Clone + Ord + Hash, M: Clone + Ord + Hash> Selectors<S, M> {
    /// A selector is there, new or changed. Answers the members whose selection by it changed, in their order.
    pub fn set_selector(&mut self, id: &S, selector: &Selector) -> Moves<M> {
        if self.selectors.get(id).is_some_and(|entry| entry.selector == *selector) {
            return Moves::default();
        }
        let before = self.take_out(id);
        let now = self.select(selector);
        let moves = Moves::between(&before, &now);
        for member in &moves.left {
            self.members.entry(member.clone()).and_modify(|m| _ = m.selected_by.remove(id));
        }
        for member in &moves.joined {
            self.members.entry(member.clone()).and_modify(|m| _ = m.selected_by.insert(id.clone()));
        }
        for lookup in lookups(selector) {
            self.lookups.entry(lookup).or_default().insert(id.clone());
        }
        self.selectors.insert(id.clone(), Entry { selector: selector.clone(), members: now });
        moves
    }

    /// A selector is gone. Answers the members that it selected.
    pub fn remove_selector(&mut self, id: &S) -> Vec<M> {
        let members = self.take_out(id);
        for member in &members {
            self.members.entry(member.clone()).and_modify(|m| _ = m.selected_by.remove(id));
        }
        members.into_iter().collect()
    }

    /// A member is there, with these labels. Answers the selectors of which it became a member or is none any more, in
    /// their order.
    pub fn set_member(&mut self, id: &M, labels: &Labels) -> Moves<S> {
        let old = self.members.get(id);
        if old.is_some_and(|old| old.labels == *labels) {
            return Moves::default();
        }
        let (was, before) = old.map(|old| (old.labels.clone(), old.selected_by.clone())).unwrap_or_default();
        let concerned: BTreeSet<S> = before.iter().cloned().chain(self.looked_up_by(labels)).collect();
        let selects = |id: &S| self.selectors.get(id).is_some_and(|entry| entry.selector.matches(labels));
        let now: BTreeSet<S> = concerned.into_iter().filter(selects).collect();
        let moves = Moves::between(&before, &now);
        self.file(id, &was, labels);
        self.enter(id, &moves);
        self.members.insert(id.clone(), Member { labels: labels.clone(), selected_by: now });
        moves
    }

    /// A member is gone. Answers the selectors that selected it.
    pub fn remove_member(&mut self, id: &M) -> Vec<S> {
        let Some(Member { labels, selected_by }) = self.members.remove(id) else { return Vec::new() };
        self.file(id, &labels, &Labels::default());
        let left: Vec<S> = selected_by.into_iter().collect();
        self.enter(id, &Moves { joined: Vec::new(), left: left.clone() });
        left
    }

    /// Whom a selector selects, in their order.
    pub fn members(&self, selector: &S) -> impl Iterator<Item = &M> {
        self.selectors.get(selector).into_iter().flat_map(|entry| &entry.members)
    }

    /// Which selectors select a member, in their order.
    pub fn selected_by<Q: Eq + Hash + ?Sized>(&self, member: &Q) -> impl Iterator<Item = &S>
    where
        M: Borrow<Q>,
    {
        self.members.get(member).into_iter().flat_map(|member| &member.selected_by)
    }

    /// Forgets a selector; answers whom it selected.
    fn take_out(&mut self, id: &S) -> BTreeSet<M> {
        let Some(Entry { selector, members }) = self.selectors.remove(id) else { return BTreeSet::new() };
        for lookup in lookups(&selector) {
            if let Some(ids) = self.lookups.get_mut(&lookup) {
                ids.remove(id);
                if ids.is_empty() {
                    self.lookups.remove(&lookup);
                }
            }
        }
        members
    }

    /// Asks those who may match.
    fn select(&self, selector: &Selector) -> BTreeSet<M> {
        let matches = |id: &&M| self.members.get(*id).is_some_and(|m| selector.matches(&m.labels));
        let mut found = BTreeSet::new();
        for lookup in lookups(selector) {
            match lookup {
                Lookup::Label(key, value) => {
                    let carriers = self.carriers.get(&key).and_then(|values| values.get(&value));
                    found.extend(carriers.into_iter().flatten().filter(matches).cloned());
                }
                Lookup::Key(key) => {
                    let carriers = self.carriers.get(&key).into_iter().flat_map(BTreeMap::values);
                    found.extend(carriers.flatten().filter(matches).cloned());
                }
                Lookup::Anything => found.extend(self.members.keys().filter(matches).cloned()),
            }
        }
        found
    }

    /// Selectors that are looked up under one of these labels, or under nothing.
    fn looked_up_by(&self, labels: &Labels) -> impl Iterator<Item = S> {
        let label = |(key, value): (&Name, &Name)| {
            [Lookup::Label(key.clone(), value.clone()), Lookup::Key(key.clone())]
        };
        let lookups = labels.iter().flat_map(label).chain([Lookup::Anything]);
        lookups.flat_map(|lookup| self.lookups.get(&lookup).into_iter().flatten().cloned())
    }

    /// Files a member under its labels.
    fn file(&mut self, id: &M, was: &Labels, now: &Labels) {
        for (key, value) in was.iter().filter(|(key, value)| now.get(*key) != Some(value)) {
            let Some(values) = self.carriers.get_mut(key) else { continue };
            if let Some(ids) = values.get_mut(value) {
                ids.remove(id);
                if ids.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.carriers.remove(key);
            }
        }
        for (key, value) in now.iter().filter(|(key, value)| was.get(*key) != Some(value)) {
            let values = self.carriers.entry(key.clone()).or_default();
            values.entry(value.clone()).or_default().insert(id.clone());
        }
    }

    /// Enters into the selections what a member's labels changed.
    fn enter(&mut self, id: &M, moves: &Moves<S>) {
        for selector in &moves.left {
            self.selectors.entry(selector.clone()).and_modify(|entry| _ = entry.members.remove(id));
        }
        for selector in &moves.joined {
            self.selectors.entry(selector.clone()).and_modify(|entry| _ = entry.members.insert(id.clone()));
        }
    }
}

impl<T> Default for Moves<T> {
    fn default() -> Self {
        Moves { joined: Vec::new(), left: Vec::new() }
    }
}

impl<T: Clone + Ord> Moves<T> {
    fn between(before: &BTreeSet<T>, now: &BTreeSet<T>) -> Self {
        Moves {
            joined: now.difference(before).cloned().collect(),
            left: before.difference(now).cloned().collect(),
        }
    }
}

/// Under what a selector is looked up: whoever it selects meets one of these.
fn lookups(selector: &Selector) -> Vec<Lookup> {
    if let Some((key, value)) = selector.match_labels.iter().next() {
        return vec![Lookup::Label(key.clone(), value.clone())];
    }
    let expressions = || selector.match_expressions.iter();
    if let Some(one_of) = expressions().find(|e| e.operator == Operator::In) {
        return one_of.values.iter().map(|value| Lookup::Label(one_of.key.clone(), value.clone())).collect();
    }
    match expressions().find(|e| e.operator == Operator::Exists) {
        Some(there) => vec![Lookup::Key(there.key.clone())],
        None => vec![Lookup::Anything],
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::index::objects::Expression;

    fn name() -> impl Strategy<Value = Name> {
        prop::sample::select(vec!["a", "b", "c"]).prop_map(Name::from)
    }

    fn labels() -> impl Strategy<Value = Labels> {
        vec((name(), name()), 0..3).prop_map(|pairs| pairs.into_iter().collect())
    }

    fn selector() -> impl Strategy<Value = Selector> {
        use Operator::{DoesNotExist, Exists, In, NotIn, Unknown};
        let operator = prop::sample::select(vec![In, NotIn, Exists, DoesNotExist, Unknown]);
        let expression = (name(), operator, vec(name(), 0..3))
            .prop_map(|(key, operator, values)| Expression { key, operator, values });
        (labels(), vec(expression, 0..3))
            .prop_map(|(match_labels, match_expressions)| Selector { match_labels, match_expressions })
    }

    #[derive(Clone, Debug)]
    enum Step {
        Selector(u8, Option<Selector>),
        Member(u8, Option<Labels>),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u8..4, prop::option::of(selector())).prop_map(|(id, s)| Step::Selector(id, s)),
            (0u8..6, prop::option::weighted(0.8, labels())).prop_map(|(id, l)| Step::Member(id, l)),
        ]
    }

    proptest! {
        /// Whatever the order: as if every selector asked every member.
        #[test]
        fn selections_are_those_of_asking_everybody(steps in vec(step(), 0..40)) {
            let mut index: Selectors<u8, u8> = Selectors::default();
            let (mut selectors, mut members) = (BTreeMap::new(), BTreeMap::new());
            let mut pairs: BTreeSet<(u8, u8)> = BTreeSet::new();
            for step in steps {
                // What is told of each step, summed up, is what there is.
                match step {
                    Step::Selector(id, Some(new)) => {
                        let Moves { joined, left } = index.set_selector(&id, &new);
                        left.iter().for_each(|m| assert!(pairs.remove(&(id, *m))));
                        joined.iter().for_each(|m| assert!(pairs.insert((id, *m))));
                        selectors.insert(id, new);
                    }
                    Step::Selector(id, None) => {
                        index.remove_selector(&id).iter().for_each(|m| assert!(pairs.remove(&(id, *m))));
                        selectors.remove(&id);
                    }
                    Step::Member(id, Some(new)) => {
                        let Moves { joined, left } = index.set_member(&id, &new);
                        left.iter().for_each(|s| assert!(pairs.remove(&(*s, id))));
                        joined.iter().for_each(|s| assert!(pairs.insert((*s, id))));
                        members.insert(id, new);
                    }
                    Step::Member(id, None) => {
                        index.remove_member(&id).iter().for_each(|s| assert!(pairs.remove(&(*s, id))));
                        members.remove(&id);
                    }
                }
                let asked: BTreeSet<(u8, u8)> = selectors
                    .iter()
                    .flat_map(|(s, selector)| {
                        members.iter().filter(|(_, l)| selector.matches(l)).map(|(m, _)| (*s, *m))
                    })
                    .collect();
                prop_assert_eq!(&pairs, &asked);
                for s in 0..4 {
                    let by_selector: Vec<u8> = index.members(&s).copied().collect();
                    let expected: Vec<u8> = asked.iter().filter(|(a, _)| *a == s).map(|(_, m)| *m).collect();
                    prop_assert_eq!(by_selector, expected);
                }
                for m in 0..6 {
                    let by_member: Vec<u8> = index.selected_by(&m).copied().collect();
                    let expected: Vec<u8> = asked.iter().filter(|(_, b)| *b == m).map(|(s, _)| *s).collect();
                    prop_assert_eq!(by_member, expected);
                }
            }
            for id in 0..6 { index.remove_member(&id); }
            for id in 0..4 { index.remove_selector(&id); }
            prop_assert!(index.carriers.is_empty() && index.lookups.is_empty(), "nothing is left");
        }
    }
}
