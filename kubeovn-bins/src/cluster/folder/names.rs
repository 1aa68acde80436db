//! Which names Kubernetes accepts.

/// The longest name of most objects.
const SUBDOMAIN: usize = 253;
/// The longest name of a namespace, and of each part of other names.
const LABEL: usize = 63;

/// What is wrong with `name` for an object whose name is a DNS subdomain (RFC 1123), if anything is.
pub(super) fn subdomain_fault(name: &str) -> Option<String> {
    if name.len() > SUBDOMAIN {
        return Some(format!("it has {} characters, at most {SUBDOMAIN} are allowed", name.len()));
    }
    (!name.split('.').all(is_label_text)).then(|| {
        "it must consist of lower case letters, digits, `-` and `.`, and each part between dots must start and \
         end with a letter or digit"
            .to_owned()
    })
}

/// What is wrong with `name` for an object whose name is one DNS label (RFC 1123), if anything is.
pub(super) fn label_fault(name: &str) -> Option<String> {
    if name.len() > LABEL {
        return Some(format!("it has {} characters, at most {LABEL} are allowed", name.len()));
    }
    (!is_label_text(name)).then(|| {
        "it must consist of lower case letters, digits and `-`, and start and end with a letter or digit"
            .to_owned()
    })
}

fn is_label_text(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| allowed(*byte));
    let bytes = part.as_bytes();
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|byte| allowed(*byte) || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains_are_labels_with_dots_between() {
        for name in ["a", "web-0", "web-0.shop", "10.16.0.1", "a--b", &"a".repeat(253)] {
            assert_eq!(subdomain_fault(name), None, "{name}");
        }
        for name in
            ["", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "A", "a_b", "a b", "ä", &"a".repeat(254)]
        {
            assert!(subdomain_fault(name).is_some(), "{name}");
        }
    }

    #[test]
    fn labels_have_no_dots() {
        assert_eq!(label_fault("kube-system"), None);
        assert_eq!(label_fault(&"a".repeat(63)), None);
        for name in ["", "a.b", "a-", "Shop", &"a".repeat(64)] {
            assert!(label_fault(name).is_some(), "{name}");
        }
    }
}
