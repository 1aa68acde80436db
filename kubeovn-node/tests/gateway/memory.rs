//! A gateway whose packet filter is memory, on a host that is a namespace.

use std::sync::Arc;

use async_trait::async_trait;
use kubeovn_core::addr::{DualStack, Family};

use kubeovn_node::gateway::{
    Change, Facts, Gateway, GatewayError, HostFirewall, MemoryFirewall, Plan, Rules, What, plan,
};

use crate::guard::TestNs;
use crate::town::Town;

/// A firewall that the test looks into while a gateway has it.
#[derive(Debug, Default)]
struct Shared(Arc<MemoryFirewall>);

#[async_trait]
impl HostFirewall for Shared {
    async fn apply(&self, wanted: &DualStack<Rules>) -> Result<Vec<Change>, GatewayError> {
        self.0.apply(wanted).await
    }
}

#[tokio::test]
async fn a_gateway_says_what_it_changed_and_tries_again_what_failed() {
    let memory = Arc::new(MemoryFirewall::default());
    let host = TestNs::new("host");
    let gateway = Gateway::new(&host.ns, Shared(memory.clone())).expect("a gateway");
    let full = plan(&Town::facts());
    let only_rules = |rules| Plan { rules, ..Plan::default() };

    memory.fail(1);
    let error = gateway.apply(&only_rules(full.rules.clone())).await.expect_err("told to fail");
    assert_eq!(error.problem().code, "GATEWAY-FIREWALL");
    assert!(!error.problem().message.contains("GATEWAY-"), "the code stands apart: {}", error.problem());
    assert_eq!((memory.writes(), memory.rules()), (0, DualStack::default()));

    let report = gateway.apply(&only_rules(full.rules.clone())).await.expect("apply");
    let changes: Vec<_> = report.changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["made rules for IPv4", "made rules for IPv6"]);
    assert!(gateway.apply(&only_rules(full.rules.clone())).await.expect("apply").is_empty());
    assert_eq!((memory.writes(), memory.rules()), (1, full.rules.clone()));

    memory.edit(|rules| {
        let v4 = rules.slot(Family::V4).as_mut().expect("rules");
        v4.sets.clear();
    });
    let report = gateway.apply(&only_rules(full.rules.clone())).await.expect("apply");
    assert_eq!(report.changes, [Change { object: "rules for IPv4".to_owned(), what: What::Replaced }]);

    // What is not known yet is not nothing.
    assert!(gateway.apply(&plan(&Facts::default())).await.expect("apply").is_empty());
    assert_eq!(memory.rules(), full.rules);
    assert_eq!(gateway.remove("ovn0").await.expect("remove").changes.len(), 2);
    assert!(memory.rules().is_empty());
}
