//! The flags of Kube-OVN's daemon.

mod table;

use crate::flags::Program;

/// The daemon.
pub static PROGRAM: Program = Program {
    name: "kubeovn-daemon",
    about: "The node daemon of Kube-OVN for Rust: gives the pods of a node their interfaces, and keeps the node's own",
    flags: table::FLAGS,
};

#[cfg(test)]
mod tests {
    use super::PROGRAM;
    use crate::flags::table_in_docs;

    #[test]
    fn the_table_of_flags_is_fresh() {
        table_in_docs::is_fresh(&PROGRAM, "daemon flags");
    }
}
