//! Ports of the integration bridge, as rows of Open_vSwitch.
//!
//! ```text
//!  Switch::set(owner, port) ──> facts ──> render ──> RowEngine (diff) ──> transaction ──> Open_vSwitch
//!  Switch::ready(owner)     <── SwitchView <─────── replica <─────────── ovs-vswitchd, ovn-controller
//! ```
//! What should be plugged is a set of [`Port`]s by owner; the same engine that makes Northbound rows makes these.
//! A port works when ovs-vswitchd gave it a number and ovn-controller says that its flows are installed: both are
//! told by the database, so nobody polls.
//!
//! The rows themselves remember what is plugged: after a restart of the daemon the facts are read back from them
//! and nothing is written.

mod chassis;
mod driver;
mod port;
mod recover;
mod render;
mod schema;
mod switch;
mod view;

pub use self::chassis::Chassis;
pub use self::driver::SwitchDriver;
pub use self::port::{Pod, Port, PortKind, attachment_of, owner_of, provider_of};
pub use self::schema::SCHEMA;
pub use self::switch::Switch;
pub use self::view::{PortState, SwitchView};
