//! What must be true of a cluster.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;

use crate::{cluster::Cluster, cni::Cni, install::Install};

mod churn;
mod controller;
mod deployed;
mod flows;
mod further;
mod lifecycle;
mod machine;
mod network;
mod outside;
mod ping;
mod proxies;
mod reboot;
mod removed;
mod restarts;
mod runtimes;
mod takeover;
mod tools;
mod workloads;

/// A check. It panics when it fails, and takes namespaces of its own.
pub(crate) type Check = fn(Arc<Cluster>) -> LocalBoxFuture<'static, ()>;

/// Those of any network, in the order in which they run.
const OF_ANY: &[(&str, Check)] = &[
    ("daemonset_on_every_node", |cluster| Box::pin(workloads::daemonset_on_every_node(cluster))),
    ("exec_and_logs", |cluster| Box::pin(workloads::exec_and_logs(cluster))),
    ("everybody_reaches_everybody", |cluster| Box::pin(network::everybody_reaches_everybody(cluster))),
    ("host_network", |cluster| Box::pin(network::host_network(cluster))),
    ("deployment_behind_a_service", |cluster| Box::pin(workloads::deployment_behind_a_service(cluster))),
    ("statefulset_in_order", |cluster| Box::pin(workloads::statefulset_in_order(cluster))),
    ("pods_reach_the_api_server", |cluster| Box::pin(workloads::pods_reach_the_api_server(cluster))),
    ("controller_gives_addresses", |cluster| Box::pin(controller::gives_addresses(cluster))),
    ("nothing_is_left_of_pods", |cluster| Box::pin(lifecycle::nothing_is_left_of_pods(cluster))),
    ("machines_are_apart", |cluster| Box::pin(machine::are_apart(cluster))),
];

/// Those of ours.
const OF_OURS: &[(&str, Check)] = &[
    ("nodes_say_that_they_are_well", |cluster| Box::pin(outside::nodes_say_that_they_are_well(cluster))),
    ("pods_leave_as_their_nodes", |cluster| Box::pin(outside::pods_leave_as_their_nodes(cluster))),
    ("pods_have_what_they_were_told", |cluster| Box::pin(network::pods_have_what_they_were_told(cluster))),
    ("subnets_of_namespaces", |cluster| Box::pin(network::subnets_of_namespaces(cluster))),
    ("pods_have_further_interfaces", |cluster| Box::pin(further::pods_have_further_interfaces(cluster))),
    ("kubeovn_ctl_test_reaches_all", |cluster| Box::pin(tools::kubeovn_ctl_test_reaches_all(cluster))),
    ("restarts_of_ours_touch_no_packet", |cluster| {
        Box::pin(restarts::restarts_of_ours_touch_no_packet(cluster))
    }),
    ("a_node_of_kube_ovn_is_taken_over", |cluster| {
        Box::pin(takeover::a_node_of_kube_ovn_is_taken_over(cluster))
    }),
    ("daemons_are_killed", |cluster| Box::pin(lifecycle::daemons_are_killed(cluster))),
    ("controller_is_killed", |cluster| Box::pin(lifecycle::controller_is_killed(cluster))),
    ("switches_are_killed", |cluster| Box::pin(lifecycle::switches_are_killed(cluster))),
    ("runtimes_are_killed", |cluster| Box::pin(runtimes::runtimes_are_killed(cluster))),
    ("proxies_are_killed", |cluster| Box::pin(proxies::proxies_are_killed(cluster))),
    ("containerd_is_killed_while_pods_are_added", |cluster| {
        Box::pin(runtimes::containerd_is_killed_while_pods_are_added(cluster))
    }),
    ("sixty_pods_come_and_go", |cluster| Box::pin(churn::sixty_pods_come_and_go(cluster))),
    ("a_node_is_rebooted", |cluster| Box::pin(reboot::a_node_is_rebooted(cluster))),
];

/// Those of a cluster on which ours are pods. The last one takes them away.
const OF_PODS: &[(&str, Check)] = &[
    ("what_was_deployed_is_well", |cluster| Box::pin(deployed::what_was_deployed_is_well(cluster))),
    ("daemonset_on_every_node", |cluster| Box::pin(workloads::daemonset_on_every_node(cluster))),
    ("everybody_reaches_everybody", |cluster| Box::pin(network::everybody_reaches_everybody(cluster))),
    ("host_network", |cluster| Box::pin(network::host_network(cluster))),
    ("deployment_behind_a_service", |cluster| Box::pin(workloads::deployment_behind_a_service(cluster))),
    ("statefulset_in_order", |cluster| Box::pin(workloads::statefulset_in_order(cluster))),
    ("pods_reach_the_api_server", |cluster| Box::pin(workloads::pods_reach_the_api_server(cluster))),
    ("pods_leave_as_their_nodes", |cluster| Box::pin(outside::pods_leave_as_their_nodes(cluster))),
    ("ours_may_what_the_manifests_say", |cluster| {
        Box::pin(deployed::ours_may_what_the_manifests_say(cluster))
    }),
    ("ours_that_are_deleted_come_back", |cluster| {
        Box::pin(deployed::ours_that_are_deleted_come_back(cluster))
    }),
    ("ovn_and_switches_that_are_deleted_come_back", |cluster| {
        Box::pin(deployed::ovn_and_switches_that_are_deleted_come_back(cluster))
    }),
    ("ours_are_rolled_out_anew", |cluster| Box::pin(deployed::ours_are_rolled_out_anew(cluster))),
    ("ours_are_who_they_are_and_nothing_is_refused", |cluster| {
        Box::pin(deployed::ours_are_who_they_are_and_nothing_is_refused(cluster))
    }),
    ("ours_go_and_leave_nothing", |cluster| Box::pin(removed::ours_go_and_leave_nothing(cluster))),
];

/// Those of a cluster.
pub(crate) fn of(cluster: &Cluster) -> impl Iterator<Item = &'static (&'static str, Check)> {
    let of_any = if cluster.install == Install::Pods { OF_PODS } else { OF_ANY };
    let processes = cluster.cni == Cni::KubeOvn && cluster.install == Install::Processes;
    let ours = if processes { OF_OURS } else { &[] };
    of_any.iter().chain(ours)
}
