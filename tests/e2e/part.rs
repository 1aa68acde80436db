//! What a cluster has or has not, by the way in which it was installed.

use std::ops::Deref;

/// A part that may be missing. Whoever asks for one that is panics: checks are chosen by what a cluster has.
pub(crate) struct Part<T>(pub(crate) Option<T>);

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let missing = || format!("{} of this cluster are pods", std::any::type_name::<T>());
        self.0.as_ref().unwrap_or_else(|| panic!("{}", missing()))
    }
}
