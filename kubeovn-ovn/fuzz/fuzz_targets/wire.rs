//! Whatever a server sends: it is cut into frames alike however it arrives, decoded or refused, and what a replica takes
//! of it leaves the replica whole.
#![no_main]

use std::sync::LazyLock;

use kubeovn_core::rows::Replica as _;
use kubeovn_ovn::{
    nb::{NORTHBOUND, server_schema},
    ovsdb::{
        replica::Replica,
        wire::{
            Atom, Datum, DbSchema, Message, MonitorReply, Notification, OpResult, ServerError, TableUpdates,
            codec::{FrameError, Splitter},
        },
    },
};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 10;

fn frames(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut splitter = Splitter::new(LIMIT);
    let mut frames = Vec::new();
    for piece in pieces {
        splitter.push(piece);
        loop {
            match splitter.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, stream)) = data.split_first() else { return };
    let (first, second) = stream.split_at(usize::from(*cut).min(stream.len()));
    let whole = frames(&[stream]);
    assert_eq!(frames(&[first, second]), whole, "cut at {cut}");
    let mut replica = None;
    for frame in &whole.0 {
        assert!(frame.len() <= LIMIT);
        message(frame, &mut replica);
    }
});

/// Made once it is needed: most inputs come to nothing before.
fn held(replica: &mut Option<Replica>) -> &mut Replica {
    static SERVER: LazyLock<DbSchema> = LazyLock::new(|| server_schema(&NORTHBOUND));
    replica.get_or_insert_with(|| Replica::new(&NORTHBOUND, &SERVER))
}

fn message(frame: &[u8], replica: &mut Option<Replica>) {
    let Ok(message) = Message::decode(frame) else { return };
    match message {
        Message::Request { .. } => {}
        Message::Notification { method, params } => {
            if let Ok(Some(update)) = Notification::decode(method, params.get()) {
                take(&update.updates, held(replica));
            }
        }
        Message::Reply { result, error, .. } => {
            if let Some(error) = error {
                let _ = ServerError::decode(error).to_string();
            }
            let text = result.get();
            for since in [true, false] {
                if let Ok(reply) = MonitorReply::decode(text, since) {
                    take(&reply.updates, held(replica));
                }
            }
            if let Ok(results) = serde_json::from_str::<Vec<OpResult>>(text) {
                let _ = OpResult::first_error(&results);
                for result in results {
                    if let OpResult::Uuids(uuids) = result {
                        held(replica).census("Logical_Switch", &uuids);
                    }
                }
            }
            if let Ok(schema) = DbSchema::decode(text) {
                let _ = Replica::new(&NORTHBOUND, &schema).columns();
            }
            if let Ok(datum) = serde_json::from_str::<Datum>(text) {
                datum_is_sound(&datum);
            }
        }
    }
}

fn datum_is_sound(datum: &Datum) {
    assert!(datum.elements().is_sorted_by(|a, b| a < b));
    assert!(datum.pairs().is_sorted_by(|a, b| a.0 < b.0));
    let finite = |atom: &Atom| !matches!(atom, Atom::Real(real) if !real.0.is_finite());
    assert!(datum.elements().iter().all(finite), "JSON has no such numbers");
    let written = serde_json::to_string(datum).unwrap();
    assert_eq!(serde_json::from_str::<Datum>(&written).ok().as_ref(), Some(datum), "{written}");
}

fn take(updates: &TableUpdates, replica: &mut Replica) {
    let before = replica.len();
    let Ok(changes) = replica.apply(updates) else {
        return assert_eq!(replica.len(), before, "a refused update changed something");
    };
    for change in changes {
        // what is told of as there can be found
        let there = !matches!(change.what, kubeovn_core::rows::Change::Deleted);
        assert!(!there || replica.has(&change.row), "{change:?}");
    }
    replica.ours(&mut |row, _| assert!(replica.has(row)));
    for uuid in replica.uuids("Logical_Switch") {
        assert!(replica.has_uuid("Logical_Switch", uuid));
    }
}
