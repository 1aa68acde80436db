//! The methods that a client may call.

use serde_json::{Value, json, value::RawValue};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    blocked::Blocked,
    monitor::{Monitor, Notation},
    reply::{Refusal, answer, raw},
    request::{self, Asked, is_id},
    schema::schema_text,
    service::Session,
};
use crate::{
    memory::{Server, hub::Hub, mutate::error},
    ovsdb::{
        connect::SERVER_DATABASE,
        wire::{Message, Operation},
    },
};

/// A frame that is no JSON-RPC message; with it the connection ends.
#[derive(Debug, thiserror::Error)]
#[error("a message can't be understood: {0}")]
pub(super) struct Unreadable(#[from] serde_json::Error);

/// A request as it came.
struct Request<'a> {
    session: u64,
    id: &'a RawValue,
    method: &'a str,
    /// The text of the parameters, to show what is to blame.
    text: &'a str,
    params: Vec<Value>,
}

/// The answer to a request; none yet if it has to wait.
type Answer = Result<Option<Box<RawValue>>, Refusal>;

impl Hub {
    /// Does what a frame of a client asks for.
    pub(super) fn receive(&mut self, session: u64, frame: &[u8], now: Instant) -> Result<(), Unreadable> {
        match Message::decode(frame)? {
            Message::Request { id, method, params } => {
                let answered = match serde_json::from_str(params.get()) {
                    Ok(values) => {
                        self.call(Request { session, id, method, text: params.get(), params: values }, now)
                    }
                    Err(_) => {
                        Err(Refusal::syntax(format!("{method}: params must be an array"), params.get()))
                    }
                };
                let frame = match &answered {
                    Ok(None) => return Ok(()),
                    Ok(Some(result)) => answer(id, Ok(result)),
                    Err(refusal) => answer(id, Err(refusal)),
                };
                if let Some(session) = self.service.sessions.get(&session) {
                    session.outbox.answer(frame);
                }
            }
            Message::Notification { method: "cancel", params } => {
                if let Ok([id]) = serde_json::from_str::<[&RawValue; 1]>(params.get()) {
                    self.cancel(session, id.get());
                }
            }
            // nobody wants an answer to these
            Message::Notification { .. } | Message::Reply { .. } => {}
        }
        Ok(())
    }

    fn call(&mut self, request: Request<'_>, now: Instant) -> Answer {
        match request.method {
            "list_dbs" => done(&[&*self.server.schema().name, SERVER_DATABASE]),
            "get_schema" => {
                let (server, _) = self.database(&request)?;
                Ok(Some(RawValue::from_string(schema_text(server)).map_err(|_| internal())?))
            }
            "transact" => self.transaction(request, now),
            "monitor" => self.monitor(request, Notation::Plain),
            "monitor_cond" => self.monitor(request, Notation::Cond),
            "monitor_cond_since" => self.monitor(request, Notation::CondSince),
            "monitor_cond_change" => self.monitor_cond_change(&request),
            "monitor_cancel" => self.monitor_cancel(&request),
            "lock" | "steal" | "unlock" => self.lock(&request),
            "get_server_id" => done(&self.service.process.hyphenated().to_string()),
            "set_db_change_aware" => match request.params.as_slice() {
                // databases never change here
                [Value::Bool(_)] => done(&json!({})),
                _ => Err(request.refused("set_db_change_aware: true or false parameter expected")),
            },
            "echo" => Ok(Some(RawValue::from_string(request.text.to_owned()).map_err(|_| internal())?)),
            _ => Err(Refusal::Word("unknown method")),
        }
    }

    /// The database that the first parameter names, and whether it is `_Server`.
    fn database(&self, request: &Request<'_>) -> Result<(&Server, bool), Refusal> {
        let Some(Value::String(name)) = request.params.first() else {
            let method = request.method;
            return Err(request.refused(&format!("{method} request params must begin with <db-name>")));
        };
        if *self.server.schema().name == **name {
            return Ok((&self.server, false));
        }
        match &self.service.about {
            Some(about) if name == SERVER_DATABASE => Ok((about, true)),
            _ => {
                let details = format!("{} request specifies unknown database {name}", request.method);
                Err(Refusal::of(error("unknown database", details), request.text))
            }
        }
    }

    fn transaction(&mut self, mut request: Request<'_>, now: Instant) -> Answer {
        let ops = request.params.get_mut(1..).unwrap_or_default().iter_mut().map(Value::take).collect();
        let (server, about) = self.database(&request)?;
        let mut ops = request::parse(ops, server.schema());
        let session = request.session;
        let mut waiting = self.service.blocked.iter().filter(|blocked| blocked.session == session);
        if waiting.any(|blocked| blocked.id.get() == request.id.get()) {
            return Err(request.refused("transact: duplicate request ID"));
        }
        let held = self.service.blocked.iter().filter(|blocked| blocked.session == session).count();
        if self.service.sessions.get(&session).is_some_and(|session| held >= session.max_held) {
            let details = format!("{held} transactions of this client wait already");
            return Err(error("resources exhausted", details).into());
        }
        if about {
            ops.iter_mut().for_each(read_only);
        }
        let id = request.id.to_owned();
        self.attempt(Blocked { session, id, ops, about, since: now, deadline: None }, now);
        self.retry(now);
        Ok(None)
    }

    fn monitor(&mut self, request: Request<'_>, notation: Notation) -> Answer {
        let (server, about) = self.database(&request)?;
        let (id, requests, last) = match (notation, request.params.as_slice()) {
            (Notation::CondSince, [_, id, requests, last]) => (id, requests, Some(last)),
            (Notation::Plain | Notation::Cond, [_, id, requests]) => (id, requests, None),
            _ => return Err(request.refused("invalid parameters")),
        };
        let last = last.map(|last| last.as_str().and_then(|text| Uuid::try_parse(text).ok()).ok_or(last));
        let last = last
            .transpose()
            .map_err(|last| Refusal::syntax("last-txn-id must be UUID format.", &last.to_string()))?;
        let session = self.session(request.session)?;
        if session.monitors.iter().any(|monitor| monitor.id == *id) {
            return Err(Refusal::syntax("duplicate monitor ID", &id.to_string()));
        }
        if session.monitors.len() >= session.max_held {
            return Err(error("resources exhausted", "too many monitors of this client").into());
        }
        let monitor = Monitor::parse(server, (id.clone(), about), requests, notation)?;
        let known = last.filter(|_| !about).and_then(|last| self.service.history.since(last));
        // of a database without history the state has no name
        let state = if about { Uuid::nil() } else { self.service.state() }.hyphenated().to_string();
        let reply = match (notation, &known) {
            (Notation::CondSince, Some(missed)) => raw(&(true, state, monitor.changes(server, missed)))?,
            (Notation::CondSince, None) => raw(&(false, state, monitor.dump(server)))?,
            _ => raw(&monitor.dump(server))?,
        };
        if let Some(session) = self.service.sessions.get_mut(&request.session) {
            session.monitors.push(monitor);
        }
        Ok(Some(reply))
    }

    fn monitor_cond_change(&mut self, request: &Request<'_>) -> Answer {
        let [old, new, requests] = request.params.as_slice() else {
            return Err(request.refused("invalid parameters"));
        };
        let state = self.service.state();
        let Hub { server, service, .. } = self;
        let session = service.sessions.get_mut(&request.session).ok_or_else(internal)?;
        if old != new && session.monitors.iter().any(|monitor| monitor.id == *new) {
            return Err(Refusal::syntax("duplicate monitor ID", &new.to_string()));
        }
        let monitor = session.monitors.iter_mut().find(|monitor| monitor.id == *old);
        let monitor = monitor.ok_or_else(|| Refusal::syntax("unknown monitor session", &old.to_string()))?;
        let about = service.about.as_ref().filter(|_| monitor.about);
        let server = about.unwrap_or(server);
        let (notation, id) = (monitor.notation, new.clone());
        let told = monitor.recondition(server, requests)?;
        let frame = notation.notify(&id, &told, state);
        drop(told);
        monitor.id = id;
        if let Some(frame) = frame {
            session.outbox.send(frame);
        }
        done(&json!({}))
    }

    fn monitor_cancel(&mut self, request: &Request<'_>) -> Answer {
        let [id] = request.params.as_slice() else { return Err(Refusal::Word("invalid parameters")) };
        let session = self.service.sessions.get_mut(&request.session).ok_or_else(internal)?;
        let count = session.monitors.len();
        session.monitors.retain(|monitor| monitor.id != *id);
        if session.monitors.len() == count {
            return Err(Refusal::Word("unknown monitor"));
        }
        done(&json!({}))
    }

    fn lock(&mut self, request: &Request<'_>) -> Answer {
        let (method, session) = (request.method, request.session);
        let name = match request.params.as_slice() {
            [Value::String(name)] if is_id(name) => name,
            _ => return Err(request.refused(&format!("{method} request params must be <id>"))),
        };
        let waits = self.service.locks.waits(session, name);
        if method == "unlock" {
            if !waits {
                return Err(request.refused("unlock: \"unlock\" without \"lock\" or \"steal\""));
            }
            if let Some(next) = self.service.locks.unlock(session, name) {
                self.service.notify(next, "locked", name);
            }
            return done(&json!({}));
        }
        if waits {
            return Err(request.refused(&format!("must issue \"unlock\" before new \"{method}\"")));
        }
        if self.service.locks.count(session) >= self.session(session)?.max_held {
            return Err(error("resources exhausted", "too many locks of this client").into());
        }
        if method == "lock" {
            self.service.locks.lock(session, name);
        } else if let Some(victim) = self.service.locks.steal(session, name) {
            self.service.notify(victim, "stolen", name);
        }
        done(&json!({ "locked": self.service.locks.owns(session, name) }))
    }

    fn session(&self, number: u64) -> Result<&Session, Refusal> {
        self.service.sessions.get(&number).ok_or_else(internal)
    }
}

impl Request<'_> {
    fn refused(&self, details: &str) -> Refusal {
        Refusal::syntax(details, self.text)
    }
}

fn done(result: &(impl serde::Serialize + ?Sized)) -> Answer {
    raw(result).map(Some)
}

/// A client that is not there while it asks, or JSON that is none: cannot happen, and must not panic if it does.
fn internal() -> Refusal {
    error("internal error", "the client is not known").into()
}

/// In `_Server` nothing may be changed.
fn read_only(asked: &mut Asked) {
    let word = match asked {
        Asked::Run(Operation::Insert { .. }) => "insert",
        Asked::Run(Operation::Update { .. }) => "update",
        Asked::Run(Operation::Mutate { .. }) => "mutate",
        Asked::Run(Operation::Delete { .. }) => "delete",
        _ => return,
    };
    let details = format!("{word} operation not allowed on table in reserved database {SERVER_DATABASE}");
    *asked = Asked::Wrong(error("not allowed", details));
}
