//! Decisions on small worlds: what is refused and what it says, what is filled in, what is told back and when not.

mod acls;
mod facts;
mod gateways;
mod machines;
mod marks;
mod namespaces;
mod networks;
mod options;
mod peerings;
mod refusals;
mod seniority;
mod subnet_plan;
mod telling;
mod telling_subnet;
mod telling_vpc;
mod vpc_plan;
mod wanting;
