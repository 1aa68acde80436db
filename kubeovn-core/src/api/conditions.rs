//! The condition, in which every kind tells how it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::sparse;

sparse! {
    /// One thing that is, or is not, so about an object.
    pub struct Condition {
        /// What the condition is about: Ready, Validated, Init or Error.
        #[serde(rename = "type")]
        pub type_: Option<String>,
        /// Whether it is so: True, False or Unknown.
        pub status: Option<String>,
        /// Why it is so, in one word for programs to compare.
        pub reason: Option<String>,
        /// Why it is so, for people: with numbers, names and what to do next.
        pub message: Option<String>,
        /// The generation of the object that was looked at.
        pub observed_generation: Option<i64>,
        /// When reason, message or status was last written.
        pub last_update_time: Option<Time>,
        /// When status last became another one.
        pub last_transition_time: Option<Time>,
    }
}
