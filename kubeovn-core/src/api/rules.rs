//! Rules that an API server checks before it takes an object in, as CEL expressions.
//!
//! They refuse what the controller would have to refuse later, when the user is no longer looking. What Kube-OVN
//! accepts they accept: an empty text is an absent one, a CIDR may have host bits, `v4,v6` is a pair in either
//! order, and a controller may fill in what a user left out. Rules about what cannot be changed let go of a value
//! that the controller fills in anew, since `kubectl replace` with the user's own manifest drops it.
//!
//! A server reckons beforehand what a rule can cost at worst, and takes no CRD with a rule that may be too dear. So
//! lists that a rule walks have bounds, and no rule takes a text apart by `split`, whose pieces count as endless.
//!
//! What was stored before and breaks a rule stays as it is: a server asks again only the rules about what changes. A rule
//! about the whole spec is asked at any change of the spec, none at one of labels, finalizers and status.
//!
//! Not known to a server before Kubernetes 1.31: `isIP`, `isCIDR` and what belongs to them.

use serde_json::{Value, json};

/// The key in a schema.
pub(super) const KEY: &str = "x-kubernetes-validations";

/// Rules as a schema holds them: `expression => what to tell whoever breaks it`.
macro_rules! rules {
    ($( $rule:expr => $message:expr ),* $(,)?) => {
        serde_json::json!([ $( { "rule": $rule, "message": $message } ),* ])
    };
}
pub(super) use rules;

/// A rule for new objects only. One about a name needs that: what has a wrong one already could not lose its finalizer,
/// since to a server an object changes as a whole, and so the rule would be asked again.
pub(super) fn for_new(rule: &str, message: &str) -> Value {
    json!({ "rule": format!("oldSelf.hasValue() || {rule}"), "message": message, "optionalOldSelf": true })
}

/// An address, where the field says something.
pub(super) const ADDRESS: &str = "self == '' || isIP(self)";
/// What to tell where it is none.
pub(super) const ADDRESS_MESSAGE: &str = "write one address, such as 10.0.0.9 or fd00::9";

/// An IPv4 address, where the field says something.
pub(super) const V4: &str = "self == '' || isIP(self) && ip(self).family() == 4";
/// What to tell where it is none.
pub(super) const V4_MESSAGE: &str = "write one IPv4 address, such as 10.0.0.9";

/// An IPv6 address, where the field says something.
pub(super) const V6: &str = "self == '' || isIP(self) && ip(self).family() == 6";
/// What to tell where it is none.
pub(super) const V6_MESSAGE: &str = "write one IPv6 address, such as fd00::9";

/// An address or a CIDR.
pub(super) const ADDRESS_OR_CIDR: &str = "isIP(self) || isCIDR(self)";
/// An address or a CIDR, where the field says something.
pub(super) const ADDRESS_OR_CIDR_IF_ANY: &str = "self == '' || isIP(self) || isCIDR(self)";
/// What to tell where it is neither.
pub(super) const ADDRESS_OR_CIDR_MESSAGE: &str =
    "write an address or a CIDR, such as 10.0.0.9 or 10.0.0.0/16";

/// Two addresses with two dots between.
pub(super) const RANGE: &str = "self.contains('..') && isIP(self.substring(0, self.indexOf('..'))) && \
                                isIP(self.substring(self.indexOf('..') + 2))";

/// A port number as text.
pub(super) const PORT: &str = "self == '' || self.matches('^[0-9]{1,5}$') && int(self) <= 65535";
/// What to tell where it is none.
pub(super) const PORT_MESSAGE: &str = "write one port in quotes, such as \"80\": 1 to 65535";

/// No letter that has a small form: addresses are compared as text.
pub(super) const LOWER: &str = "self == self.lowerAscii()";
/// What to tell where there is one.
pub(super) const LOWER_MESSAGE: &str = "write IPv6 addresses in lower case";

/// A value that stays as it is once it is set; the controller sets it where the user does not.
pub(super) const FILLED_IN: &str = "oldSelf == '' || self == '' || self == oldSelf";

/// What to tell of [`addresses`].
pub(super) const ADDRESSES: &str =
    "write one address, or an IPv4 and an IPv6 one with a comma between, such as 10.0.0.9,fd00::9";

/// What to tell of [`cidrs`].
pub(super) const CIDRS: &str =
    "write one CIDR, or an IPv4 and an IPv6 one with a comma between, such as 10.0.0.0/16,fd00::/64";

/// What stands before the comma of `text`; all of it where there is none.
pub(super) fn first(text: &str) -> String {
    format!("{text}.substring(0, ({text} + ',').indexOf(','))")
}

/// What stands behind the first comma of `text`; all of it where there is none.
pub(super) fn rest(text: &str) -> String {
    format!("{text}.substring({text}.indexOf(',') + 1)")
}

/// One address or one per family, where the field says something.
pub(super) fn addresses() -> String {
    let (first, rest) = (first("self"), rest("self"));
    format!(
        "self == '' || isIP({first}) && isIP({rest}) && \
         (!self.contains(',') || ip({first}).family() != ip({rest}).family())"
    )
}

/// One CIDR or one per family, where the field says something.
pub(super) fn cidrs() -> String {
    let (first, rest) = (first("self"), rest("self"));
    format!(
        "self == '' || isCIDR({first}) && isCIDR({rest}) && \
         (!self.contains(',') || cidr({first}).ip().family() != cidr({rest}).ip().family())"
    )
}

/// The field says something.
pub(super) fn given(field: &str) -> String {
    format!("has(self.{field}) && self.{field} != ''")
}

/// Texts stay as they are once they are set; nobody but the user sets them.
pub(super) fn kept(fields: &[&str]) -> String {
    let kept = |field: &&str| {
        format!(
            "(!has(oldSelf.{field}) || oldSelf.{field} == '' || has(self.{field}) && self.{field} == oldSelf.{field})"
        )
    };
    fields.iter().map(kept).collect::<Vec<_>>().join(" && ")
}

/// Texts of the spec stay as they are once `status` holds, a condition on the object as it was. What the object did
/// not say before may be filled in, and what was filled in may be left out again.
pub(super) fn kept_once(status: &str, fields: &[&str]) -> String {
    let kept = |field: &&str| {
        format!(
            "(!has(oldSelf.spec.{field}) || oldSelf.spec.{field} == '' || !has(self.spec.{field}) || \
             self.spec.{field} == '' || self.spec.{field} == oldSelf.spec.{field})"
        )
    };
    let kept = fields.iter().map(kept).collect::<Vec<_>>().join(" && ");
    format!("!({status}) || !has(oldSelf.spec) || !has(self.spec) || {kept}")
}

/// The object has been ready.
pub(super) const READY: &str = "has(oldSelf.status) && has(oldSelf.status.ready) && oldSelf.status.ready";
