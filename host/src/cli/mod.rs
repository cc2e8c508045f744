//! The command line: one file per subcommand.
//! Must not know: how the work is done, only whom to ask.

pub mod plugin;
