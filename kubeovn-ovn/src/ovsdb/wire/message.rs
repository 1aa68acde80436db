//! JSON-RPC 1.0 as OVSDB speaks it: the envelope around requests, replies and notifications.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ServerError;

/// A message from a server. Contents stay text until the receiver knows their type.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// The server asks; it wants a reply with the same `id`.
    Request {
        /// Any JSON, to be repeated in the reply.
        id: &'a RawValue,
        /// What it asks for; in practice `echo`.
        method: &'a str,
        /// The parameters, an array.
        params: &'a RawValue,
    },
    /// The server tells, and wants no reply.
    Notification {
        /// What it tells: `update`, `update2`, `update3`, `locked`, ….
        method: &'a str,
        /// The parameters, an array.
        params: &'a RawValue,
    },
    /// The answer to one of our requests.
    Reply {
        /// The `id` of our request, if it is one that we could have given.
        id: Option<u64>,
        /// The result; JSON `null` when `error` is set.
        result: &'a RawValue,
        /// The error, if the request as a whole failed.
        error: Option<&'a RawValue>,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a str>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Opens the envelope of one frame.
    ///
    /// # Errors
    /// Text that is no JSON object, or an object that is no JSON-RPC message.
    pub fn decode(frame: &'a [u8]) -> Result<Self, serde_json::Error> {
        let envelope: Envelope<'a> = serde_json::from_slice(frame)?;
        let present = |value: Option<&'a RawValue>| value.filter(|value| value.get() != "null");
        let id = present(envelope.id);
        Ok(match (envelope.method, id) {
            (Some(method), id) => {
                let params = envelope.params.ok_or_else(|| serde::de::Error::missing_field("params"))?;
                match id {
                    Some(id) => Self::Request { id, method, params },
                    None => Self::Notification { method, params },
                }
            }
            (None, Some(id)) => Self::Reply {
                id: id.get().parse().ok(),
                result: envelope.result.unwrap_or(RawValue::NULL),
                error: present(envelope.error),
            },
            (None, None) => return Err(serde::de::Error::custom("neither a method nor an id")),
        })
    }
}

impl ServerError {
    /// Decodes the error member of a reply.
    pub fn decode(error: &RawValue) -> Self {
        // whatever it is, it is an error: show it as it came rather than fail on it
        serde_json::from_str(error.get())
            .unwrap_or_else(|_| Self { error: error.get().to_owned(), details: String::new() })
    }
}

/// A request of ours, as bytes for the wire.
///
/// # Errors
/// Parameters that have no JSON form.
pub fn encode_request(
    id: u64,
    method: &str,
    params: &(impl Serialize + ?Sized),
) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Request<'a, P: ?Sized> {
        id: u64,
        method: &'a str,
        params: &'a P,
    }
    serde_json::to_vec(&Request { id, method, params })
}

/// The reply to a request of the server.
///
/// # Errors
/// A result that has no JSON form.
pub fn encode_reply(id: &RawValue, result: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Reply<'a, R: ?Sized> {
        id: &'a RawValue,
        result: &'a R,
        error: (),
    }
    serde_json::to_vec(&Reply { id, result, error: () })
}
