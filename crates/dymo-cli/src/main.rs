//! The `dymo` command.

use std::process::ExitCode;

/// Training makes and drops many large arrays: this allocator keeps their pages, where the system's gives them back each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dymo_cli::main()
}
