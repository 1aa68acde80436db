//! What a watcher was told of one kind, and what it is to be told next.

use std::collections::HashMap;

use kubeovn_core::{
    contract::cluster::Event,
    index::objects::{Kind, Meta, Name, Object, ObjectKey},
};

/// The objects of a kind that the server has.
#[derive(Debug)]
pub(super) struct Seen {
    kind: Kind,
    objects: HashMap<(Name, Name), Known>,
    /// Counts lists.
    round: u64,
}

#[derive(Debug)]
struct Known {
    uid: Name,
    /// Of what was last read, also where it could not be.
    revision: Name,
    /// The list in which it was last.
    round: u64,
    /// The watcher knows of it.
    told: bool,
}

impl Seen {
    pub(super) fn new(kind: Kind) -> Self {
        Seen { kind, objects: HashMap::new(), round: 0 }
    }

    /// A list begins.
    pub(super) fn begin(&mut self) {
        self.round += 1;
    }

    /// An object is there. What was told already in this revision is not told again.
    pub(super) fn there(&mut self, object: Object, out: &mut Vec<Event>) {
        if self.take(object.meta(), out) {
            self.tell(object, out);
        }
    }

    /// An object is there but can't be read; `stand_in` is told in its place where nothing was told before. Answers
    /// whether that is new.
    pub(super) fn broken(&mut self, meta: &Meta, stand_in: Option<Object>, out: &mut Vec<Event>) -> bool {
        let new = self.take(meta, out);
        let told = self.objects.get(&name(meta)).is_some_and(|known| known.told);
        if let Some(object) = stand_in.filter(|_| new && !told) {
            self.tell(object, out);
        }
        new
    }

    /// An object is gone. One that has a successor already is gone already.
    pub(super) fn gone(&mut self, meta: &Meta, out: &mut Vec<Event>) {
        let name = name(meta);
        if self.objects.get(&name).is_some_and(|known| known.uid == meta.uid)
            && let Some(known) = self.objects.remove(&name)
        {
            self.delete(&name, known, out);
        }
    }

    /// The list is whole: what was not in it has vanished.
    pub(super) fn end(&mut self, out: &mut Vec<Event>) {
        let round = self.round;
        let mut vanished: Vec<_> = self.objects.extract_if(|_, known| known.round != round).collect();
        vanished.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (name, known) in vanished {
            self.delete(&name, known, out);
        }
    }

    /// Notes that it is there, after the deletion of one that had its name. Answers whether it is new in this revision.
    fn take(&mut self, meta: &Meta, out: &mut Vec<Event>) -> bool {
        let name = name(meta);
        let before = self.objects.get_mut(&name);
        if let Some(known) = before
            && known.uid == meta.uid
        {
            known.round = self.round;
            let new = known.revision != meta.revision;
            known.revision = meta.revision.clone();
            return new;
        }
        let known =
            Known { uid: meta.uid.clone(), revision: meta.revision.clone(), round: self.round, told: false };
        if let Some(before) = self.objects.insert(name.clone(), known) {
            self.delete(&name, before, out);
        }
        true
    }

    fn tell(&mut self, object: Object, out: &mut Vec<Event>) {
        if let Some(known) = self.objects.get_mut(&name(object.meta())) {
            known.told = true;
        }
        out.push(Event::Applied(object));
    }

    fn delete(&self, (namespace, name): &(Name, Name), known: Known, out: &mut Vec<Event>) {
        if known.told {
            let key = ObjectKey { kind: self.kind, namespace: namespace.clone(), name: name.clone() };
            out.push(Event::Deleted { key, uid: known.uid });
        }
    }
}

fn name(meta: &Meta) -> (Name, Name) {
    (meta.namespace.clone(), meta.name.clone())
}

#[cfg(test)]
mod tests {
    use kubeovn_core::index::objects::Pod;

    use super::*;

    fn meta(name: &str, uid: &str, revision: &str) -> Meta {
        Meta { namespace: "d".into(), uid: uid.into(), revision: revision.into(), ..Meta::named(name) }
    }

    fn pod(name: &str, uid: &str, revision: &str) -> Object {
        Object::Pod(Pod { meta: meta(name, uid, revision), ..Pod::default() })
    }

    /// `+name/uid@revision`, `-name/uid`.
    fn told(act: impl FnOnce(&mut Vec<Event>)) -> Vec<String> {
        let mut events = Vec::new();
        act(&mut events);
        let short = |event: Event| match event {
            Event::Applied(object) => {
                let meta = object.meta();
                format!("+{}/{}@{}", meta.name, meta.uid, meta.revision)
            }
            Event::Deleted { key, uid } => format!("-{}/{uid}", key.name),
            Event::Listed(_) => "=".to_owned(),
            Event::Absent(_) => "?".to_owned(),
        };
        events.into_iter().map(short).collect()
    }

    #[test]
    fn what_vanished_between_two_lists_is_told_with_the_identity_that_it_had() {
        let mut seen = Seen::new(Kind::Pod);
        let first = told(|out| {
            seen.begin();
            for (name, uid) in [("a", "1"), ("b", "2"), ("c", "3")] {
                seen.there(pod(name, uid, "5"), out);
            }
            seen.end(out);
        });
        assert_eq!(first, ["+a/1@5", "+b/2@5", "+c/3@5"]);
        let second = told(|out| {
            seen.begin();
            seen.there(pod("a", "1", "5"), out);
            seen.there(pod("b", "9", "8"), out);
            seen.end(out);
        });
        assert_eq!(second, ["-b/2", "+b/9@8", "-c/3"], "a is as it was, b is another one");
    }

    #[test]
    fn a_list_that_was_broken_off_deletes_nothing() {
        let mut seen = Seen::new(Kind::Pod);
        let events = told(|out| {
            seen.begin();
            seen.there(pod("a", "1", "5"), out);
            seen.there(pod("b", "2", "5"), out);
            seen.end(out);
            seen.begin();
            seen.there(pod("a", "1", "5"), out);
            seen.begin();
            seen.there(pod("b", "2", "5"), out);
            seen.there(pod("a", "1", "6"), out);
            seen.end(out);
        });
        assert_eq!(events, ["+a/1@5", "+b/2@5", "+a/1@6"]);
    }

    #[test]
    fn an_object_is_gone_once_and_a_successor_stays() {
        let mut seen = Seen::new(Kind::Pod);
        let events = told(|out| {
            seen.there(pod("a", "1", "5"), out);
            seen.gone(&meta("a", "1", "6"), out);
            seen.gone(&meta("a", "1", "6"), out);
            seen.there(pod("a", "2", "7"), out);
            seen.gone(&meta("a", "1", "6"), out);
            seen.there(pod("a", "3", "9"), out);
        });
        assert_eq!(events, ["+a/1@5", "-a/1", "+a/2@7", "-a/2", "+a/3@9"]);
    }

    #[test]
    fn a_broken_object_holds_what_was_told_of_it() {
        let mut seen = Seen::new(Kind::Pod);
        let mut news = Vec::new();
        let events = told(|out| {
            seen.there(pod("a", "1", "5"), out);
            news.push(seen.broken(&meta("a", "1", "6"), Some(pod("a", "1", "6")), out));
            news.push(seen.broken(&meta("a", "1", "6"), None, out));
            news.push(seen.broken(&meta("b", "2", "6"), None, out));
            news.push(seen.broken(&meta("c", "3", "7"), Some(pod("c", "3", "7")), out));
            seen.begin();
            news.push(seen.broken(&meta("a", "1", "6"), None, out));
            seen.end(out);
        });
        assert_eq!(events, ["+a/1@5", "+c/3@7", "-c/3"], "what nobody was told of does not vanish");
        assert_eq!(news, [true, false, true, true, false]);
        assert_eq!(told(|out| seen.there(pod("a", "1", "8"), out)), ["+a/1@8"]);
        let successor = told(|out| assert!(seen.broken(&meta("a", "4", "9"), None, out)));
        assert_eq!(successor, ["-a/1"]);
    }
}
