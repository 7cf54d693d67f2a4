//! The `dymo` command: arguments, progress and reports; it wires the other crates and decides nothing itself.
//!
//! Knows flags, terminals, exit codes and where files go. Must never know how a network is built, how a reward is computed, or
//! the name of a data set: an experiment is a file, and the demonstration is whichever data set has a `demo.toml`.
//!
//! Each verb is one file: arguments are plain options, [`settings`] turns them and the experiment's file into checked values
//! once, and the work is done by `dymo-train`. Only [`outcome`] knows exit codes.
//!
//! ```
//! use clap::CommandFactory;
//! let command = dymo_cli::args::Cli::command();
//! assert_eq!(command.get_subcommands().filter(|verb| !verb.is_hide_set()).count(), 14);
//! ```

pub mod args;
pub mod context;
pub mod device;
pub mod outcome;
pub mod settings;

mod assemble;
mod dropped;
mod stop;
mod study;
mod training;
mod verbs;
mod watch;

pub use outcome::{Outcome, main, run};
