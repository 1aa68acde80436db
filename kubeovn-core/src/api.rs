//! The kinds of `kubeovn.io/v1` as Rust types, and the CRDs that make an API server know them.
//!
//! These are the whole objects, for those who read and write them through a Kubernetes client or hand out the
//! CRDs. What the fabric itself works on are the slim records of [`crate::index`], which keep only the fields
//! that decide something.
//!
//! Every optional field is an [`Option`], also the lists and the switches: a field that is absent and one that
//! is there but empty are written back as they were read. That is what a merge patch needs, where `""` clears
//! a field and leaving it out keeps it. An explicit `null` counts as absent, as it does for the API server,
//! which prunes it.

mod conditions;
mod count;
mod ip;
mod schema;
mod subnet;
mod vpc;

pub use crate::count::Count;
pub use conditions::Condition;
pub use ip::{Ip, IpSpec};
pub use subnet::{
    Acl, NatPolicyMatch, NatPolicyRule, NatPolicyRuleStatus, Subnet, SubnetSpec, SubnetStatus, U2oFeatures,
};
pub use vpc::{BfdPort, BfdPortStatus, PolicyRoute, StaticRoute, Vpc, VpcPeering, VpcSpec, VpcStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The API group of all kinds here.
pub const GROUP: &str = "kubeovn.io";

/// The only version of that group.
pub const VERSION: &str = "v1";

/// The `apiVersion` of all kinds here.
pub const API_VERSION: &str = "kubeovn.io/v1";

/// The definitions of all kinds here, in the order in which they are best created.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![Vpc::crd(), Subnet::crd(), Ip::crd()]
}

/// Declares a struct of optional fields of which the absent ones are not written.
///
/// All that the types of this module have in common; it accepts nothing but `Option` fields, so that no field
/// can come in that is written although it was not there.
macro_rules! sparse {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* pub $field:ident : Option<$type:ty>, )*
        }
    ) => {
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", default)]
        $(#[$meta])*
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
        }
    };
}
use sparse;

/// Completes a kind whose spec is declared by [`sparse!`] with `#[serde(remote = "Self")]`.
///
/// An object without `spec` reads as one with an empty spec: one such object must not make a client fail to
/// read the list that it is in. For the same reason the schema does not require the field, as in Kube-OVN.
macro_rules! kind {
    ($kind:ident, $description:literal, spec: $spec:ident $(, status: $status:ident)?) => {
        impl<'de> serde::Deserialize<'de> for $spec {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Present($spec);
                impl<'de> serde::Deserialize<'de> for Present {
                    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                        $spec::deserialize(deserializer).map(Present)
                    }
                }
                let spec = <Option<Present> as serde::Deserialize>::deserialize(deserializer)?;
                Ok(spec.map_or_else(Self::default, |present| present.0))
            }
        }

        impl serde::Serialize for $spec {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $spec::serialize(self, serializer)
            }
        }

        impl schemars::JsonSchema for $kind {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::api::schema::without_null(schemars::json_schema!({
                    "description": $description,
                    "type": "object",
                    "properties": {
                        "spec": generator.subschema_for::<$spec>(),
                        $( "status": generator.subschema_for::<$status>(), )?
                    },
                }))
            }
        }
    };
}
use kind;

#[cfg(test)]
mod tests;
