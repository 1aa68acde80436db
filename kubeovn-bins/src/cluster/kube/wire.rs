//! From the API server's JSON to slim records.

use std::borrow::Cow;

use kubeovn_core::index::objects::{
    Ip, IpPool, Kind, Meta, Namespace, Node, Object, Pod, StatefulSet, Subnet, SubnetSpec, VirtualMachine,
    VirtualMachineInstance, Vpc,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

/// A page of a list. Objects are left as they came: each is read for itself, so that one that can't be read is one.
#[derive(Deserialize)]
pub(super) struct Page<'a> {
    pub(super) metadata: ListMeta,
    #[serde(borrow, default)]
    pub(super) items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ListMeta {
    pub(super) resource_version: String,
    #[serde(rename = "continue")]
    pub(super) further: Option<String>,
}

/// A line of a watch.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) object: &'a RawValue,
}

/// An object as it was read.
#[derive(Debug)]
pub(super) enum Reading {
    Whole(Object),
    /// Only its metadata can be read, and why not the rest.
    Broken(Meta, String),
}

/// What every object has.
#[derive(Deserialize)]
struct Bare {
    metadata: Meta,
}

/// The metadata of an object.
///
/// # Errors
/// When that can't be read either.
pub(super) fn meta(json: &str) -> Result<Meta, serde_json::Error> {
    serde_json::from_str::<Bare>(json).map(|bare| bare.metadata)
}

/// Reads an object of a kind.
///
/// # Errors
/// When not even its metadata can be read.
pub(super) fn object(kind: Kind, json: &str) -> Result<Reading, serde_json::Error> {
    let error = match whole(kind, json) {
        Ok(object) => return Ok(Reading::Whole(object)),
        Err(error) => error,
    };
    let meta = meta(json)?;
    if matches!(kind, Kind::Vpc | Kind::Subnet | Kind::IpPool)
        && let Ok(Value::Object(mut fields)) = serde_json::from_str(json)
        && fields.remove("status").is_some()
        && let Ok(object) = whole(kind, &Value::Object(fields).to_string())
    {
        // The status is ours: what somebody else made of it is written anew.
        return Ok(Reading::Whole(object));
    }
    Ok(Reading::Broken(meta, error.to_string()))
}

fn whole(kind: Kind, json: &str) -> Result<Object, serde_json::Error> {
    fn read<T: DeserializeOwned>(json: &str, make: fn(T) -> Object) -> Result<Object, serde_json::Error> {
        serde_json::from_str(json).map(make)
    }
    match kind {
        Kind::Namespace => read::<Namespace>(json, Object::Namespace),
        Kind::Node => read::<Node>(json, Object::Node),
        Kind::Vpc => read::<Vpc>(json, Object::Vpc),
        Kind::Subnet => read::<Subnet>(json, Object::Subnet),
        Kind::IpPool => read::<IpPool>(json, Object::IpPool),
        Kind::StatefulSet => read::<StatefulSet>(json, Object::StatefulSet),
        Kind::VirtualMachine => read::<VirtualMachine>(json, Object::VirtualMachine),
        Kind::VirtualMachineInstance => read::<VirtualMachineInstance>(json, Object::VirtualMachineInstance),
        Kind::Ip => read::<Ip>(json, Object::Ip),
        Kind::Pod => read::<Pod>(json, Object::Pod),
    }
}

/// What stands for an object that can't be read and was never told; `None` where there is no such thing.
///
/// A subnet is refused, so that what it has in the database stays and its status says why. A StatefulSet has all members
/// that there may be, so that what is held for one that is not there stays.
pub(super) fn stand_in(kind: Kind, meta: &Meta, reason: &str) -> Option<Object> {
    let meta = meta.clone();
    match kind {
        Kind::Subnet => {
            let cidr_block = format!("of an object that can't be read: {reason}");
            let spec = SubnetSpec { cidr_block, ..SubnetSpec::default() };
            Some(Object::Subnet(Subnet { meta, spec, ..Subnet::default() }))
        }
        Kind::StatefulSet => {
            Some(Object::StatefulSet(StatefulSet { meta, replicas: u64::MAX, ..StatefulSet::default() }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kubeovn_core::index::objects::SubnetStatus;

    use super::*;

    const META: &str = r#""metadata":{"name":"s","uid":"u-1","resourceVersion":"7"}"#;

    fn read(kind: Kind, rest: &str) -> Reading {
        object(kind, &format!("{{{META},{rest}}}")).unwrap()
    }

    #[test]
    fn a_status_that_somebody_broke_is_no_hindrance() {
        let Reading::Whole(Object::Subnet(subnet)) = read(
            Kind::Subnet,
            r#""spec":{"cidrBlock":"10.0.0.0/24"},"status":{"conditions":[{"type":"Ready"}]}"#,
        ) else {
            panic!("not read")
        };
        assert_eq!(
            (subnet.spec.cidr_block.as_str(), subnet.status),
            ("10.0.0.0/24", SubnetStatus::default())
        );
        let broken = read(Kind::Node, r#""status":{"addresses":7}"#);
        assert!(matches!(broken, Reading::Broken(..)), "a node's status is not ours");
    }

    #[test]
    fn of_a_broken_object_the_metadata_is_read_and_it_is_told_why() {
        let Reading::Broken(meta, reason) = read(Kind::Subnet, r#""spec":{"mtu":-1}"#) else {
            panic!("read")
        };
        assert_eq!((&*meta.uid, &*meta.revision), ("u-1", "7"));
        assert!(reason.contains("-1"), "{reason}");
        let Some(Object::Subnet(subnet)) = stand_in(Kind::Subnet, &meta, &reason) else {
            panic!("no subnet")
        };
        assert!(subnet.meta == meta && subnet.spec.cidr_block.contains("-1"));
        assert_eq!(stand_in(Kind::Vpc, &meta, &reason), None);
        let Some(Object::StatefulSet(set)) = stand_in(Kind::StatefulSet, &meta, &reason) else {
            panic!("it would release what it keeps")
        };
        assert_eq!((&*set.meta.uid, set.start, set.replicas), ("u-1", 0, u64::MAX));
        assert!(object(Kind::Pod, r#"{"metadata":7}"#).is_err());
    }

    #[test]
    fn a_page_and_a_line_are_read() {
        let text = format!(
            r#"{{"kind":"PodList","metadata":{{"resourceVersion":"9","continue":"x"}},"items":[{{{META}}},7]}}"#
        );
        let page: Page<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (page.metadata.resource_version.as_str(), page.metadata.further.as_deref()),
            ("9", Some("x"))
        );
        assert_eq!(page.items.unwrap()[1].get(), "7");
        let page: Page<'_> = serde_json::from_str(r#"{"metadata":{},"items":null}"#).unwrap();
        assert!(page.items.is_none());
        let line: Line<'_> = serde_json::from_str(r#"{"object":{"a":1},"type":"ADDED"}"#).unwrap();
        assert_eq!((&*line.r#type, line.object.get()), ("ADDED", r#"{"a":1}"#));
    }
}
