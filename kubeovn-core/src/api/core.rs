//! Types of Kubernetes' own that stand in our objects.
//!
//! In the schema they are written out, without descriptions (`kubectl explain pod.spec.affinity` has them). With
//! `x-kubernetes-preserve-unknown-fields` the CRDs would be smaller, but a server would store an affinity that is no
//! affinity, and whoever lists the objects could not read one of them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, ResourceClaim, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// On which nodes, and beside which pods, a pod may run.
pub(super) fn affinity(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<Affinity>();
    Silent.transform(&mut schema);
    schema
}

/// Takes out of a schema, and all below it, what describes it.
struct Silent;

impl Transform for Silent {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        schema.remove("description");
    }
}

/// Which taints of nodes a pod puts up with.
pub(super) fn tolerations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "effect": { "type": "string" },
                "key": { "type": "string" },
                "operator": { "type": "string" },
                "tolerationSeconds": { "type": "integer", "format": "int64" },
                "value": { "type": "string" },
            },
        },
    })
}

/// What a container needs, and what it may take.
pub(super) fn resources(_: &mut SchemaGenerator) -> Schema {
    let quantities = json_schema!({
        "type": "object",
        "additionalProperties": {
            "x-kubernetes-int-or-string": true,
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
        },
    });
    json_schema!({
        "type": "object",
        "properties": {
            "claims": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": { "name": { "type": "string" }, "request": { "type": "string" } },
                },
            },
            "limits": quantities,
            "requests": quantities,
        },
    })
}

/// Reads what a container needs. Quantities may be bare numbers: a server turns those of pods into text, and leaves
/// those of our objects as they were written.
pub(super) fn read_resources<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ResourceRequirements>, D::Error> {
    #[derive(Deserialize)]
    struct Written {
        claims: Option<Vec<ResourceClaim>>,
        limits: Option<BTreeMap<String, Amount>>,
        requests: Option<BTreeMap<String, Amount>>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Amount {
        Number(i64),
        Text(String),
    }
    fn quantities(written: BTreeMap<String, Amount>) -> BTreeMap<String, Quantity> {
        let text = |amount| match amount {
            Amount::Number(number) => Quantity(number.to_string()),
            Amount::Text(text) => Quantity(text),
        };
        written.into_iter().map(|(name, amount)| (name, text(amount))).collect()
    }
    let written = Option::<Written>::deserialize(deserializer)?;
    Ok(written.map(|written| ResourceRequirements {
        claims: written.claims,
        limits: written.limits.map(quantities),
        requests: written.requests.map(quantities),
    }))
}
