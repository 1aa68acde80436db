//! What should be plugged into the integration bridge.

use std::net::IpAddr;

use kubeovn_core::addr::DualStack;
use kubeovn_core::cni::AttachmentId;
use kubeovn_core::rows::{OwnerKey, OwnerKind};

use crate::cni::protocol::PROVIDER_OVN;

/// A port of the integration bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name of the link, the interface and the port.
    pub link: String,
    /// Who makes the link.
    pub kind: PortKind,
    /// The logical switch port that it realises; `None` once a newer port took that over.
    pub iface_id: Option<String>,
    /// Addresses behind it, for people and tools.
    pub ips: DualStack<IpAddr>,
    /// The pod behind it; `None` for the node's own port.
    pub pod: Option<Pod>,
}

/// Who makes the link of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortKind {
    /// It is there already: one end of a veth pair.
    Plugged,
    /// OVS makes it, with this MTU in bytes.
    Internal {
        /// In bytes.
        mtu: u32,
    },
}

/// The pod behind a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// File that names its network namespace.
    pub netns: String,
}

/// The owner of an attachment's rows.
pub fn owner_of(id: &AttachmentId) -> OwnerKey {
    OwnerKey::new(OwnerKind::Attachment, format!("{}/{}", id.container_id, id.if_name))
}

/// The attachment whose rows an owner has.
pub fn attachment_of(owner: &OwnerKey) -> Option<AttachmentId> {
    let (container_id, if_name) =
        owner.name.split_once('/').filter(|_| owner.kind == OwnerKind::Attachment)?;
    Some(AttachmentId { container_id: container_id.to_owned(), if_name: if_name.to_owned() })
}

/// The network that a port is in: its logical port is named `pod.namespace` in the default one, and
/// `pod.namespace.provider` in any other. `None` when its logical port was taken over, or it has no pod.
pub fn provider_of(port: &Port) -> Option<&str> {
    let pod = port.pod.as_ref()?;
    let rest =
        port.iface_id.as_deref()?.strip_prefix(&pod.name)?.strip_prefix('.')?.strip_prefix(&pod.namespace)?;
    if rest.is_empty() { Some(PROVIDER_OVN) } else { rest.strip_prefix('.') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_name_their_attachment() {
        let id = AttachmentId { container_id: "c0ffee".into(), if_name: "net1".into() };
        assert_eq!(owner_of(&id).to_string(), "attachment/c0ffee/net1");
        assert_eq!(attachment_of(&owner_of(&id)), Some(id));
        assert_eq!(attachment_of(&OwnerKey::pod("default", "web-0")), None);
    }

    #[test]
    fn the_provider_is_read_from_the_logical_port() {
        let port = |iface_id: Option<&str>| Port {
            link: "c0ffee_h".into(),
            kind: PortKind::Plugged,
            iface_id: iface_id.map(str::to_owned),
            ips: DualStack::default(),
            pod: Some(Pod { name: "web.0".into(), namespace: "default".into(), netns: String::new() }),
        };
        assert_eq!(provider_of(&port(Some("web.0.default"))), Some("ovn"));
        assert_eq!(provider_of(&port(Some("web.0.default.lan.default.ovn"))), Some("lan.default.ovn"));
        assert_eq!(provider_of(&port(Some("web.0.defaultish"))), None);
        assert_eq!(provider_of(&port(None)), None);
    }
}
