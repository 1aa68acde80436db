//! Golden rows: what each feature renders for a small world, as a text that a person can review.
//!
//! The texts are in `tests/golden/`, one file per feature. `UPDATE_GOLDEN=1 cargo test -p kubeovn-ovn --lib render`
//! writes them anew; what version control then shows is what a change does to networks that run.

mod features;
mod golden;
mod laws;
mod machines;
mod presence;
mod provenance;
mod recover;
mod switches;
mod text;
mod world;
