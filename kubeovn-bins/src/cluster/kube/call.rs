//! One request and its answer.

use std::{error::Error, fmt, time::Duration};

use futures_util::AsyncBufRead;
use http::{Request, header::RETRY_AFTER};
use kube::{
    Client,
    client::Body,
    core::{Status, request},
};
use kubeovn_core::index::objects::Kind;
use tokio::time::timeout;

/// Why something was not answered as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What HTTP says; 0 without an answer. Then it may have been done all the same.
    pub(crate) code: u16,
    /// In one word of Kubernetes.
    pub(crate) reason: String,
    /// In a sentence.
    pub(crate) message: String,
    /// The server asks to leave it for so long.
    pub(crate) after: Option<Duration>,
    /// The version that was asked for is one that the server has not reached.
    pub(crate) ahead: bool,
}

impl Failure {
    pub(crate) fn silent(message: impl Into<String>) -> Self {
        Failure { message: message.into(), ..Failure::default() }
    }

    /// The server can't be reached, or has too much to do: nothing else will go through either.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self.code, 0 | 429 | 502 | 503 | 504)
    }

    /// A watch was refused for what it was to begin with, and not for something that passes.
    pub(super) fn is_stale(&self) -> bool {
        self.ahead || matches!(self.code, 400 | 404 | 410 | 422)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            0 => write!(f, "the API server does not answer: {}", self.message),
            code => write!(f, "the API server answered {code}: {}", self.message),
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Failure::from(*status),
            error => {
                // The innermost says what it is; the outer ones only that something was.
                let mut innermost: &dyn Error = &error;
                while let Some(source) = innermost.source() {
                    innermost = source;
                }
                Failure::silent(innermost.to_string())
            }
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let details = status.details.as_ref();
        let after = details.map(|d| d.retry_after_seconds).filter(|&seconds| seconds > 0);
        let ahead = details.is_some_and(|d| d.causes.iter().any(|c| c.reason == "ResourceVersionTooLarge"));
        Failure {
            code: status.code,
            reason: status.reason,
            message: status.message,
            after: after.map(|seconds| Duration::from_secs(seconds.into())),
            ahead,
        }
    }
}

impl From<request::Error> for Failure {
    fn from(error: request::Error) -> Self {
        // Nothing of it will change by itself, as with a request that the server finds bad.
        Failure { code: 400, message: error.to_string(), ..Failure::default() }
    }
}

/// The way to the API server.
pub(super) struct Calls {
    client: Client,
    limit: Duration,
}

type Asked = Result<Request<Vec<u8>>, request::Error>;

impl Calls {
    pub(super) fn new(client: Client, limit: Duration) -> Self {
        Calls { client, limit }
    }

    /// Asks, and answers the text of the answer.
    pub(super) async fn ask(&self, request: Asked) -> Result<impl AsRef<[u8]> + use<>, Failure> {
        let request = request?.map(Body::from);
        let answer = async {
            let response = self.client.send(request).await?;
            let status = response.status();
            let after =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let body = response.into_body().collect_bytes().await?;
            if status.is_success() {
                return Ok(body);
            }
            let mut failure = serde_json::from_slice::<Status>(&body).map_or_else(
                |_| Failure::silent(String::from_utf8_lossy(&body).trim().to_owned()),
                Failure::from,
            );
            failure.code = status.as_u16();
            failure.after = after.map(Duration::from_secs).or(failure.after);
            Err(failure)
        };
        match timeout(self.limit, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::silent(format!("nothing within {} s", self.limit.as_secs()))),
        }
    }

    /// Asks for lines that come as long as something happens.
    pub(super) async fn stream(&self, request: Asked) -> Result<impl AsyncBufRead + Send + use<>, Failure> {
        let request = request?;
        match timeout(self.limit, self.client.request_stream(request)).await {
            Ok(stream) => Ok(stream?),
            Err(_) => Err(Failure::silent(format!("nothing within {} s", self.limit.as_secs()))),
        }
    }
}

/// What is asked of the objects of a kind, in one namespace or, with an empty one, in all.
pub(super) fn of(kind: Kind, namespace: &str) -> request::Request {
    let group = match kind.group() {
        "" => "/api".to_owned(),
        group => format!("/apis/{group}"),
    };
    let namespaced = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
    request::Request::new(format!("{group}/v1{namespaced}/{}", kind.plural()))
}

#[cfg(test)]
mod tests {
    use kube::api::GetParams;

    use super::*;

    #[test]
    fn a_kind_has_its_place() {
        let path = |kind, namespace, name| {
            let request = of(kind, namespace).get(name, &GetParams::default()).unwrap();
            request.uri().path().to_owned()
        };
        assert_eq!(path(Kind::Pod, "shop", "web-0"), "/api/v1/namespaces/shop/pods/web-0");
        assert_eq!(path(Kind::Namespace, "", "shop"), "/api/v1/namespaces/shop");
        assert_eq!(path(Kind::StatefulSet, "shop", "web"), "/apis/apps/v1/namespaces/shop/statefulsets/web");
        assert_eq!(
            path(Kind::VirtualMachine, "shop", "db"),
            "/apis/kubevirt.io/v1/namespaces/shop/virtualmachines/db"
        );
        assert_eq!(path(Kind::Ip, "", "web-0.shop"), "/apis/kubeovn.io/v1/ips/web-0.shop");
    }
}
