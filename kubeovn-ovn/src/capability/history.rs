//! When tables and columns came. What is not listed has been there since 22.03 or before.

use super::Release;

/// By the release that brought them: `Table`, or `Table.column`.
const CAME: &[(Release, &[&str])] = &[
    (Release::new(22, 6), &["NAT.gateway_port", "Static_MAC_Binding"]),
    (Release::new(22, 12), &["Chassis_Template_Var", "Logical_Switch_Port.mirror_rules", "Mirror"]),
    (Release::new(23, 6), &["ACL.tier"]),
    (Release::new(23, 9), &["Logical_Router_Port.status"]),
    (Release::new(24, 3), &["DNS.options", "Logical_Router_Policy.bfd_sessions"]),
    (
        Release::new(24, 9),
        &[
            "ACL.sample_est",
            "ACL.sample_new",
            "DHCP_Relay",
            "Logical_Router_Port.dhcp_relay",
            "NAT.match",
            "NAT.priority",
            "Sample",
            "Sample_Collector",
            "Sampling_App",
        ],
    ),
    (
        Release::new(25, 3),
        &[
            "Logical_Router_Policy.chain",
            "Logical_Router_Policy.jump_chain",
            "Logical_Router_Static_Route.selection_fields",
            "Logical_Switch_Port.peer",
            "SSL.ssl_ciphersuites",
        ],
    ),
    (Release::new(25, 9), &["Mirror.mirror_rules", "Mirror_Rule"]),
];

pub(super) fn table(table: &str) -> Option<Release> {
    came(|name| name == table)
}

pub(super) fn column(table: &str, column: &str) -> Option<Release> {
    came(|name| name.split_once('.') == Some((table, column))).or_else(|| self::table(table))
}

fn came(is: impl Fn(&str) -> bool) -> Option<Release> {
    CAME.iter().find(|(_, names)| names.iter().any(|name| is(name))).map(|(release, _)| *release)
}
