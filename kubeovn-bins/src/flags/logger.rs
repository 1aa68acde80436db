//! The flags of the logger that Kube-OVN's programs use.

use super::{
    Fate::{Acts, Needless},
    Flag,
    ValueKind::{Number, Switch, Text},
};

/// Every flag, in its order.
#[rustfmt::skip]
pub(super) static FLAGS: &[Flag] = &[
    Flag { name: "v", value: Number, default: "0", fate: Acts, help: "How much is logged: 3 and more debugging, 5 and more everything" },
    Flag { name: "logtostderr", value: Switch, default: "true", fate: Needless, help: "Where the log goes: always to standard error" },
    Flag { name: "alsologtostderr", value: Switch, default: "false", fate: Needless, help: "The same" },
    Flag { name: "log_dir", value: Text, default: "", fate: Needless, help: "Folder of log files" },
    Flag { name: "log_file", value: Text, default: "", fate: Needless, help: "Log file" },
    Flag { name: "log_file_max_size", value: Number, default: "1800", fate: Needless, help: "Its size in megabytes" },
    Flag { name: "stderrthreshold", value: Text, default: "2", fate: Needless, help: "From which severity on standard error is written to" },
    Flag { name: "skip_headers", value: Switch, default: "false", fate: Needless, help: "Form of the log" },
    Flag { name: "skip_log_headers", value: Switch, default: "false", fate: Needless, help: "Form of the log" },
    Flag { name: "add_dir_header", value: Switch, default: "false", fate: Needless, help: "Form of the log" },
    Flag { name: "one_output", value: Switch, default: "false", fate: Needless, help: "Form of the log" },
    Flag { name: "log_backtrace_at", value: Text, default: "", fate: Needless, help: "Form of the log" },
    Flag { name: "vmodule", value: Text, default: "", fate: Needless, help: "How much is logged, by file" },
];
