//! What a Deployment of Kube-OVN says on the command line is understood.

use super::PROGRAM;
use crate::flags::table_in_docs;

#[test]
fn the_table_of_flags_is_fresh() {
    table_in_docs::is_fresh(&PROGRAM, "flags");
}
