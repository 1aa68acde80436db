//! Kinds of others that we read, with no more fields than that. Nobody creates or writes them by these types: fields
//! that are not here would be lost.

use kube::CustomResource;

use super::{kind, sparse};

sparse! {
    /// What a NetworkAttachmentDefinition says.
    #[derive(CustomResource)]
    #[kube(
        group = "k8s.cni.cncf.io",
        version = "v1",
        kind = "NetworkAttachmentDefinition",
        plural = "network-attachment-definitions",
        namespaced,
        doc = "The kind `NetworkAttachmentDefinition` of `k8s.cni.cncf.io/v1`.",
        schema = "disabled",
        derive = "PartialEq",
        derive = "Default"
    )]
    #[serde(remote = "Self")]
    pub struct NetworkAttachmentDefinitionSpec {
        /// The configuration of a CNI plugin, as JSON.
        pub config: Option<String>,
    }
}

kind!(
    NetworkAttachmentDefinition,
    "A further network that pods can be attached to.",
    spec: NetworkAttachmentDefinitionSpec
);

sparse! {
    /// What a virtual machine shall be. Its addresses are kept for as long as it exists.
    #[derive(CustomResource)]
    #[kube(
        group = "kubevirt.io",
        version = "v1",
        kind = "VirtualMachine",
        plural = "virtualmachines",
        namespaced,
        doc = "The kind `VirtualMachine` of `kubevirt.io/v1`.",
        schema = "disabled",
        derive = "PartialEq",
        derive = "Default"
    )]
    #[serde(remote = "Self")]
    pub struct VirtualMachineSpec {
        /// Whether it runs; the older way to say runStrategy.
        pub running: Option<bool>,
        /// When it runs: Always, RerunOnFailure, Manual, Halted or Once.
        pub run_strategy: Option<String>,
    }
}

kind!(VirtualMachine, "A virtual machine, running or not.", spec: VirtualMachineSpec);

sparse! {
    /// What a running virtual machine shall be. Nothing of it is read: its metadata tells who owns it.
    #[derive(CustomResource)]
    #[kube(
        group = "kubevirt.io",
        version = "v1",
        kind = "VirtualMachineInstance",
        plural = "virtualmachineinstances",
        namespaced,
        doc = "The kind `VirtualMachineInstance` of `kubevirt.io/v1`.",
        schema = "disabled",
        status = "VirtualMachineInstanceStatus",
        derive = "PartialEq",
        derive = "Default"
    )]
    #[serde(remote = "Self")]
    pub struct VirtualMachineInstanceSpec {}
}

kind!(
    VirtualMachineInstance,
    "A virtual machine that runs.",
    spec: VirtualMachineInstanceSpec,
    status: VirtualMachineInstanceStatus
);

sparse! {
    /// What a running virtual machine is.
    pub struct VirtualMachineInstanceStatus {
        /// How far it is: Pending, Scheduling, Scheduled, Running, Succeeded, Failed or Unknown.
        pub phase: Option<String>,
        /// The node that it runs on.
        pub node_name: Option<String>,
        /// Its last move to another node.
        pub migration_state: Option<MigrationState>,
    }
}

sparse! {
    /// A move of a virtual machine to another node.
    pub struct MigrationState {
        /// The uid of the VirtualMachineInstanceMigration that asked for it.
        pub migration_uid: Option<String>,
        /// The node that it leaves.
        pub source_node: Option<String>,
        /// The node that it goes to.
        pub target_node: Option<String>,
    }
}

sparse! {
    /// Which virtual machine shall move to another node.
    #[derive(CustomResource)]
    #[kube(
        group = "kubevirt.io",
        version = "v1",
        kind = "VirtualMachineInstanceMigration",
        plural = "virtualmachineinstancemigrations",
        namespaced,
        doc = "The kind `VirtualMachineInstanceMigration` of `kubevirt.io/v1`.",
        schema = "disabled",
        status = "VirtualMachineInstanceMigrationStatus",
        derive = "PartialEq",
        derive = "Default"
    )]
    #[serde(remote = "Self")]
    pub struct VirtualMachineInstanceMigrationSpec {
        /// The VirtualMachineInstance, in the same namespace.
        pub vmi_name: Option<String>,
    }
}

kind!(
    VirtualMachineInstanceMigration,
    "A wish that a virtual machine moves to another node.",
    spec: VirtualMachineInstanceMigrationSpec,
    status: VirtualMachineInstanceMigrationStatus
);

sparse! {
    /// How far a move is.
    pub struct VirtualMachineInstanceMigrationStatus {
        /// Pending, Scheduling, Scheduled, PreparingTarget, TargetReady, Running, Succeeded or Failed.
        pub phase: Option<String>,
    }
}
