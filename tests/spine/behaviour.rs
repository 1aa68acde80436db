//! Single situations, told one by one.
