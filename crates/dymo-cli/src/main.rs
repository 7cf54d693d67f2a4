//! The `dymo` command.

use std::process::ExitCode;

/// Training makes and drops many large arrays: this allocator keeps their pages, where the system's gives them back each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, the number it has in mimalloc's header.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Milliseconds for which freed pages are kept: the next step wants as many again, and new ones must be zeroed by the system.
const KEPT: i32 = 10_000;

fn main() -> ExitCode {
    // SAFETY: sets one number of the allocator; no other thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT.into()) };
    dymo_cli::main()
}
