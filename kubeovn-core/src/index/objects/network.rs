//! The networks that a pod asks for beside the cluster's own, as Multus reads them from its annotations.

use std::net::IpAddr;

use super::Name;
use crate::addr::{DualStack, Mac};

/// Where a pod names its further networks.
pub const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";
/// Where it names the one that it has instead of the cluster's own.
pub const DEFAULT_NETWORK: &str = "v1.multus-cni.io/default-network";

/// The networks that a pod asks for. Not there for nearly all pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// Instead of the cluster's own.
    pub instead: Option<Attachment>,
    /// Beside it.
    pub further: Vec<Attachment>,
    /// Why they can't be read, with the name of the annotation.
    pub unreadable: Option<Name>,
}

/// One network that a pod asks for: a NetworkAttachmentDefinition, and what the pod wishes to have in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Namespace of the definition.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// Name of the interface in the pod, if the pod says one.
    pub interface: Option<Name>,
    /// Addresses that it asks for.
    pub ips: DualStack<IpAddr>,
    /// Hardware address that it asks for.
    pub mac: Option<Mac>,
}

impl Networks {
    /// All of them, the one instead of the cluster's own first.
    pub fn all(&self) -> impl Iterator<Item = &Attachment> {
        self.instead.iter().chain(&self.further)
    }

    /// Does the pod name this definition more than once? Then its interfaces are told apart by their names.
    pub fn has_twice(&self, attachment: &Attachment) -> bool {
        let same = |other: &&Attachment| {
            (&other.namespace, &other.name) == (&attachment.namespace, &attachment.name)
        };
        self.all().filter(same).count() > 1
    }
}

impl Attachment {
    /// `spec.provider` of subnets that only give addresses for it: other plugins make the interfaces.
    pub fn plain_provider(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }

    /// `spec.provider` of subnets in which its interfaces are OVN's.
    pub fn ovn_provider(&self) -> String {
        format!("{}.{}.ovn", self.name, self.namespace)
    }
}

#[cfg(feature = "serde")]
mod read {
    use std::net::IpAddr;

    use super::{Attachment, DEFAULT_NETWORK, NETWORKS, Networks};
    use crate::{
        addr::{DualStack, Family, Mac},
        index::objects::{Labels, Name},
    };

    /// Where Multus looks for a definition that stands for the cluster's own network.
    const MULTUS: &str = "kube-system";

    /// An item of a list in JSON.
    #[derive(serde::Deserialize)]
    struct Item {
        name: String,
        namespace: Option<String>,
        interface: Option<String>,
        ips: Option<Vec<String>>,
        mac: Option<String>,
    }

    impl Networks {
        /// What the annotations of a pod of this namespace ask for; `None` for the cluster's own network alone.
        pub fn read(namespace: &str, annotations: &Labels) -> Option<Box<Self>> {
            let text =
                |key: &str| annotations.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
            let (instead, further) = (text(DEFAULT_NETWORK), text(NETWORKS));
            // A manifest need not say it.
            let namespace = if namespace.is_empty() { "default" } else { namespace };
            if instead.is_none() && further.is_none() {
                return None;
            }
            let mut networks = Networks::default();
            let mut list = |key: &str, text: Option<&str>, namespace: &str| {
                let read = text.map_or_else(|| Ok(Vec::new()), |text| list(text, namespace));
                read.unwrap_or_else(|why| {
                    networks.unreadable = Some(format!("annotation {key}: {why}").into());
                    Vec::new()
                })
            };
            let instead = list(DEFAULT_NETWORK, instead, MULTUS);
            let further = list(NETWORKS, further, namespace);
            networks.further = further;
            networks.instead = instead.into_iter().next();
            Some(networks.into())
        }
    }

    /// A list in either of the two forms.
    fn list(text: &str, namespace: &str) -> Result<Vec<Attachment>, String> {
        if text.contains(['[', '{', '"']) {
            let items: Vec<Item> = serde_json::from_str(text).map_err(|error| error.to_string())?;
            return items.into_iter().map(|item| of_item(item, namespace)).collect();
        }
        text.split(',').map(str::trim).map(|text| of_text(text, namespace)).collect()
    }

    /// `namespace/name@interface`, of which the name alone has to be there.
    fn of_text(text: &str, namespace: &str) -> Result<Attachment, String> {
        let (place, rest) =
            text.split_once('/').map_or((namespace, text), |(place, rest)| (place.trim(), rest));
        let (name, interface) =
            rest.split_once('@').map_or((rest, None), |(name, interface)| (name, Some(interface.trim())));
        let name = name.trim();
        let extra = [place, name].into_iter().chain(interface).any(|part| part.contains(['/', '@', ' ']));
        if place.is_empty() || name.is_empty() || extra {
            return Err(format!(
                "{text:?} is no network. Write name, namespace/name or namespace/name@interface"
            ));
        }
        let interface = interface.filter(|interface| !interface.is_empty()).map(Name::from);
        Ok(Attachment {
            namespace: place.into(),
            name: name.into(),
            interface,
            ips: DualStack::default(),
            mac: None,
        })
    }

    fn of_item(item: Item, namespace: &str) -> Result<Attachment, String> {
        if item.name.is_empty() {
            return Err(
                "a network without a name. Give the name of its NetworkAttachmentDefinition".to_owned()
            );
        }
        let mut ips = DualStack::default();
        for text in item.ips.iter().flatten() {
            // With the length of the prefix or without.
            let address = text.split('/').next().unwrap_or_default().trim();
            let ip: IpAddr = address
                .parse()
                .map_err(|_| format!("ips of network {}: {text:?} is no IP address", item.name))?;
            let slot = ips.slot(Family::of(ip));
            if slot.replace(ip).is_some() {
                return Err(format!("ips of network {}: more than one address of a family", item.name));
            }
        }
        let mac = item
            .mac
            .filter(|mac| !mac.is_empty())
            .map(|mac| mac.parse::<Mac>().map_err(|error| format!("mac of network {}: {error}", item.name)));
        let said = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Name::from);
        Ok(Attachment {
            namespace: said(item.namespace).unwrap_or_else(|| namespace.into()),
            name: item.name.into(),
            interface: said(item.interface),
            ips,
            mac: mac.transpose()?,
        })
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops where something is not as expected"
    )]

    use super::*;
    use crate::index::objects::Labels;

    fn read(key: &str, text: &str) -> Networks {
        let annotations: Labels = [(key.into(), text.into())].into();
        *Networks::read("dev", &annotations).unwrap()
    }

    fn named(networks: &Networks) -> Vec<String> {
        let text = |a: &Attachment| {
            format!("{}/{}@{}", a.namespace, a.name, a.interface.as_deref().unwrap_or_default())
        };
        assert_eq!(networks.unreadable, None);
        networks.all().map(text).collect()
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(Networks::read("dev", &Labels::default()), None);
        assert_eq!(named(&read(NETWORKS, "lan")), ["dev/lan@"]);
        assert_eq!(
            named(&read(NETWORKS, "lan@net7, prod/wan ,prod/wan@x")),
            ["dev/lan@net7", "prod/wan@", "prod/wan@x"]
        );
        let list = r#"[{"name":"lan"},{"name":"wan","namespace":"prod","interface":"x","ips":["10.1.0.7/24","fd00::7"],
            "mac":"0A:58:0A:01:00:07","bandwidth":{"ingressRate":1}}]"#;
        let networks = read(NETWORKS, list);
        assert_eq!(named(&networks), ["dev/lan@", "prod/wan@x"]);
        assert_eq!(networks.further[1].ips, "10.1.0.7,fd00::7".parse().unwrap());
        assert_eq!(networks.further[1].mac, Some("0a:58:0a:01:00:07".parse().unwrap()));
        assert!(!networks.has_twice(&networks.further[0]));
    }

    #[test]
    fn the_clusters_own_network_is_replaced_by_one_that_multus_finds() {
        let networks = read(DEFAULT_NETWORK, "lan");
        assert_eq!(named(&networks), ["kube-system/lan@"]);
        assert!(networks.further.is_empty());
        assert_eq!(named(&read(DEFAULT_NETWORK, "dev/lan")), ["dev/lan@"]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, says) in [
            ("a/b/c", "\"a/b/c\" is no network"),
            ("lan,,", "\"\" is no network"),
            ("/lan", "is no network"),
            (r#"{"name":"lan"}"#, "expected a sequence"),
            (r#"[{"namespace":"x"}]"#, "missing field `name`"),
            (r#"[{"name":""}]"#, "without a name"),
            (r#"[{"name":"lan","ips":["10.1.0.x"]}]"#, "\"10.1.0.x\" is no IP address"),
            (r#"[{"name":"lan","ips":["10.1.0.1","10.1.0.2"]}]"#, "more than one address"),
            (r#"[{"name":"lan","mac":"0a:58"}]"#, "no MAC address"),
        ] {
            let why = read(NETWORKS, text).unreadable.unwrap();
            assert!(why.starts_with("annotation k8s.v1.cni.cncf.io/networks: "), "{why}");
            assert!(why.contains(says), "{text}: {why}");
        }
    }
}
