//! A store that fails when it is told to, and forgets what was not durable.

use std::sync::{Arc, Mutex};

use kubeovn_ipam::{
    Entry,
    store::{Memory, Store, StoreError, Ticket},
};

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused, and nothing came of it.
    Before,
    /// It is refused, though all was done.
    After,
}

/// Entries, of which some are durable. A clone is the same store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faulty(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    /// Entries that compactions took away, so that tickets go on rising.
    before: u64,
    durable: usize,
    calls: usize,
    fault: Option<(usize, Fault)>,
    failed: bool,
}

impl Faulty {
    /// Fails at the n-th call from now on.
    pub(crate) fn fail_at(&self, n: usize, fault: Fault) {
        let mut state = self.0.lock().unwrap();
        state.fault = Some((state.calls + n, fault));
    }

    /// The next process: of what is not durable only so many entries are left.
    pub(crate) fn reopen(&self, survivors: usize) -> Self {
        let mut state = self.0.lock().unwrap();
        let kept = (state.durable + survivors).min(state.entries.len());
        let entries = state.entries.drain(..kept).collect();
        Faulty(Arc::new(Mutex::new(State {
            entries,
            before: state.before,
            durable: kept,
            ..State::default()
        })))
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    fn step<T>(&self, work: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        let mut state = self.0.lock().unwrap();
        state.calls += 1;
        // Any error will do.
        let refused = || Memory::new().sync(Ticket(1)).unwrap_err();
        let fault = state.fault.filter(|(at, _)| *at == state.calls).map(|(_, fault)| fault);
        if state.failed || fault == Some(Fault::Before) {
            state.failed = true;
            return Err(refused());
        }
        let done = work(&mut state);
        if fault == Some(Fault::After) {
            state.failed = true;
            return Err(refused());
        }
        Ok(done)
    }
}

impl Store for Faulty {
    fn load(&self, each: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        let entries = self.0.lock().unwrap().entries.clone();
        entries.into_iter().for_each(each);
        Ok(())
    }

    fn append(&self, entry: &Entry) -> Result<Ticket, StoreError> {
        self.step(|state| {
            state.entries.push(entry.clone());
            Ticket(state.before + state.entries.len() as u64)
        })
    }

    fn sync(&self, ticket: Ticket) -> Result<(), StoreError> {
        self.step(|state| {
            let upto = usize::try_from(ticket.0.saturating_sub(state.before)).unwrap();
            state.durable = state.durable.max(upto);
        })
    }

    fn tip(&self) -> Ticket {
        let state = self.0.lock().unwrap();
        Ticket(state.before + state.entries.len() as u64)
    }

    fn is_wasteful(&self) -> bool {
        self.0.lock().unwrap().entries.len() > 12
    }

    fn compact(&self, snapshot: &mut dyn Iterator<Item = Entry>) -> Result<(), StoreError> {
        let snapshot: Vec<Entry> = snapshot.collect();
        self.step(|state| {
            state.before += state.entries.len() as u64;
            state.durable = snapshot.len();
            state.entries = snapshot;
        })
    }
}
