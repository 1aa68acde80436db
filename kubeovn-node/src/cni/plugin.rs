//! The plugin's verbs, from environment and standard input to what it prints.

use kubeovn_core::cni::{CniError, Environment, PluginCode, Printed, check_version, need_version};
use serde::Serialize;
use serde_json::Value;

use super::client;
use super::conf::NetConf;
use super::protocol::{
    GcRequest, PATH_ADD, PATH_CHECK, PATH_DEL, PATH_GC, PATH_STATUS, PodRequest, PodResponse,
};
use super::result::result_of;

/// Does what the runtime asks for.
pub fn run(env: &Environment, input: &[u8]) -> Printed {
    if env.command == "VERSION" {
        return Printed::versions();
    }
    let conf = NetConf::parse(input);
    let version = conf.as_ref().map(|conf| conf.cni_version.clone()).unwrap_or_default();
    Printed::new(conf.and_then(|conf| verb(env, conf)), &version)
}

fn verb(env: &Environment, conf: NetConf) -> Result<Option<Value>, CniError> {
    let (version, socket) = (conf.cni_version.clone(), conf.server_socket.clone());
    check_version(&version)?;
    match env.command.as_str() {
        "ADD" => {
            let request = conf.request(env)?;
            let body = post(&socket, PATH_ADD, &request)?;
            let mut response: PodResponse = serde_json::from_slice(&body).map_err(|error| {
                CniError::new(PluginCode::Decode, "failed to parse the daemon's answer", error.to_string())
            })?;
            if response.dns.is_empty() {
                response.dns = request.dns;
            }
            Ok(Some(result_of(response, &request.net_ns)?.render(&version)))
        }
        "DEL" => {
            let request = conf.request(env)?;
            // What DEL needs and Kube-OVN's daemon reads there.
            let request = PodRequest {
                routes: Vec::new(),
                dns: <_>::default(),
                vf_driver: String::new(),
                vhost_user_socket_name: String::new(),
                ..request
            };
            post(&socket, PATH_DEL, &request).map(|_| None)
        }
        "CHECK" => {
            need_version("0.4.0", &version)?;
            if conf.prev_result.is_none() {
                return Err(CniError::new(PluginCode::InvalidConfig, "CHECK needs prevResult", ""));
            }
            post(&socket, PATH_CHECK, &conf.request(env)?).map(|_| None)
        }
        "GC" => {
            need_version("1.1.0", &version)?;
            let Some(valid) = conf.valid_attachments else {
                return Err(CniError::new(
                    PluginCode::InvalidConfig,
                    "GC needs cni.dev/valid-attachments",
                    "",
                ));
            };
            post(&socket, PATH_GC, &GcRequest { provider: conf.provider, valid }).map(|_| None)
        }
        "STATUS" => {
            need_version("1.1.0", &version)?;
            call(&socket, "GET", PATH_STATUS, &[])
                .map(|_| None)
                .map_err(|error| CniError { code: PluginCode::NotAvailable as u32, ..error })
        }
        other => Err(CniError::new(
            PluginCode::InvalidEnvironment,
            format!("CNI_COMMAND is {other:?}"),
            "it must be ADD, DEL, CHECK, GC, STATUS or VERSION",
        )),
    }
}

fn post(socket: &str, path: &str, body: &impl Serialize) -> Result<Vec<u8>, CniError> {
    let body = serde_json::to_vec(body).map_err(|error| {
        CniError::new(PluginCode::Decode, "failed to write the request", error.to_string())
    })?;
    call(socket, "POST", path, &body)
}

/// Calls the daemon; whatever fails may work later, since the runtime tries again.
fn call(socket: &str, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, CniError> {
    let later = |details: String| CniError::new(PluginCode::TryAgainLater, "RPC failed", details);
    let (status, answer) = client::call(socket, method, path, body).map_err(|error| {
        later(format!("{error} at {socket}; is the daemon (pod kube-ovn-cni of this node) running?"))
    })?;
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let told =
        serde_json::from_slice::<PodResponse>(&answer).map(|response| response.error).unwrap_or_default();
    let plain = || format!("the daemon answered {status}: {}", String::from_utf8_lossy(&answer));
    Err(later(if told.is_empty() { plain() } else { told }))
}
