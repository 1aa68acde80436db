//! placeholder
/// The facts.
#[derive(Debug, Default)]
pub struct World {}
