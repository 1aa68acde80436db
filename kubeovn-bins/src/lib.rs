//! placeholder
pub mod cluster;
pub mod ctl;
pub mod lab;
pub mod run;
