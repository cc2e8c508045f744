//! One file per subcommand. Owns: arguments and what is printed. Must not know: how anything is done.

pub mod journal;
