//! The environment variables that tell a plugin what to do.

use super::{CniError, PluginCode};

/// The environment variables that tell a plugin what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `CNI_COMMAND`.
    pub command: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_NETNS`.
    pub net_ns: String,
    /// `CNI_IFNAME`.
    pub if_name: String,
    /// `CNI_ARGS`: `key=value` pairs separated by `;`.
    pub args: String,
}

impl Environment {
    /// Reads the variables by name; an unset one is empty.
    pub fn read(mut variable: impl FnMut(&str) -> Option<String>) -> Self {
        let mut get = |name| variable(name).unwrap_or_default();
        Self {
            command: get("CNI_COMMAND"),
            container_id: get("CNI_CONTAINERID"),
            net_ns: get("CNI_NETNS"),
            if_name: get("CNI_IFNAME"),
            args: get("CNI_ARGS"),
        }
    }

    /// Refuses a call about an attachment that does not say which one. The sandbox may be gone when it is torn down.
    ///
    /// # Errors
    /// [`PluginCode::InvalidEnvironment`] without a sandbox or an interface.
    pub fn check(&self) -> Result<(), CniError> {
        for (name, value) in [("CNI_CONTAINERID", &self.container_id), ("CNI_IFNAME", &self.if_name)] {
            if value.is_empty() {
                return Err(missing(name));
            }
        }
        if self.net_ns.is_empty() && self.command != "DEL" {
            return Err(missing("CNI_NETNS"));
        }
        Ok(())
    }

    /// A value of `CNI_ARGS`, if it is there and not empty.
    pub fn arg(&self, key: &str) -> Option<&str> {
        let mut pairs = self.args.split(';').filter_map(|pair| pair.split_once('='));
        pairs.find(|(k, v)| *k == key && !v.is_empty()).map(|(_, v)| v)
    }
}

fn missing(variable: &str) -> CniError {
    CniError::new(PluginCode::InvalidEnvironment, format!("{variable} is not set"), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(command: &str) -> Environment {
        Environment {
            command: command.into(),
            container_id: "c0ffee".into(),
            net_ns: "/run/netns/x".into(),
            if_name: "eth0".into(),
            args: "IgnoreUnknown=1;K8S_POD_NAME=web-0;K8S_POD_UID=;odd;K8S_POD_UID=u1".into(),
        }
    }

    #[test]
    fn variables_are_read_by_name() {
        let env = Environment::read(|name| (name != "CNI_NETNS").then(|| name.to_lowercase()));
        assert_eq!((env.command.as_str(), env.container_id.as_str()), ("cni_command", "cni_containerid"));
        assert_eq!(
            (env.if_name.as_str(), env.args.as_str(), env.net_ns.as_str()),
            ("cni_ifname", "cni_args", "")
        );
    }

    #[test]
    fn arguments_are_found_unless_they_are_empty() {
        let env = environment("ADD");
        assert_eq!([env.arg("K8S_POD_NAME"), env.arg("K8S_POD_UID")], [Some("web-0"), Some("u1")]);
        assert_eq!([env.arg("odd"), env.arg("K8S_POD_NAMESPACE")], [None, None]);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(environment("ADD").check().is_ok());
        for (edit, name) in [
            (&(|e: &mut Environment| e.container_id.clear()) as &dyn Fn(&mut Environment), "CNI_CONTAINERID"),
            (&|e| e.if_name.clear(), "CNI_IFNAME"),
            (&|e| e.net_ns.clear(), "CNI_NETNS"),
        ] {
            let mut env = environment("ADD");
            edit(&mut env);
            let error = env.check().expect_err("refused");
            assert_eq!((error.code, error.msg), (4, format!("{name} is not set")));
        }
        let mut env = environment("DEL");
        env.net_ns.clear();
        assert!(env.check().is_ok(), "the sandbox may be gone when it is torn down");
    }
}
