//! How long it takes with many.
