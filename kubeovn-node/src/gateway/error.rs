//! What can go wrong on the host.

use kubeovn_core::error::Problem;

use super::tool::ToolError;
use crate::netlink::NetlinkError;
use crate::netns::NetNsError;
use crate::sysctl::SysctlError;

/// Why the host is not as planned. What could be done was done, and the next try does the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// A program of the packet filter is missing, refused, or did not answer.
    #[error("GATEWAY-FIREWALL: {0}")]
    Tool(#[from] ToolError),
    /// What a program printed is not what it prints.
    #[error(
        "GATEWAY-FIREWALL: {program} printed what can't be read ({what}). Compare its version with those in the manual"
    )]
    Unreadable {
        /// The program.
        program: String,
        /// What was looked for.
        what: String,
    },
    /// The kernel refused a route or a rule.
    #[error("GATEWAY-ROUTES: {0}. It is tried again")]
    Routes(#[from] NetlinkError),
    /// A kernel setting can't be set.
    #[error("GATEWAY-SETTINGS: {0}. Set it on the host, or let the daemon write to /proc/sys")]
    Settings(#[from] SysctlError),
    /// The host's namespace can't be entered.
    #[error("GATEWAY-NAMESPACE: {0}")]
    Namespace(#[from] NetNsError),
}

impl GatewayError {
    /// The same for objects, events and the log.
    pub fn problem(&self) -> Problem {
        let code = match self {
            GatewayError::Tool(_) | GatewayError::Unreadable { .. } => "GATEWAY-FIREWALL",
            GatewayError::Routes(_) => "GATEWAY-ROUTES",
            GatewayError::Settings(_) => "GATEWAY-SETTINGS",
            GatewayError::Namespace(_) => "GATEWAY-NAMESPACE",
        };
        let text = self.to_string();
        let message = text.split_once(": ").map_or(&*text, |(_, message)| message);
        Problem::new(code, message)
    }
}
