//! Ctrl-C. While something is trained the first press asks it to save and stop, the second ends at once; otherwise there is
//! nothing to save and the first press ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What shells expect of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// The flag that trainings look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    training: Arc<AtomicBool>,
}

impl Stop {
    /// Takes over Ctrl-C and the signals that ask to end.
    pub(crate) fn listen() -> Self {
        let stop = Self::default();
        let heard = stop.clone();
        // A second handler (in tests) is refused; then Ctrl-C ends the program, which is right as well.
        let _ = ctrlc::set_handler(move || {
            let again = heard.asked.swap(true, Ordering::SeqCst);
            if again || !heard.training.load(Ordering::SeqCst) {
                std::process::exit(INTERRUPTED);
            }
            eprintln!("\nstopping after this step; press Ctrl-C again to end at once");
        });
        stop
    }

    /// Says that something is being trained until the guard is dropped.
    pub(crate) fn training(&self) -> Training<'_> {
        self.training.store(true, Ordering::SeqCst);
        Training(self)
    }

    /// The flag itself.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        self.asked.clone()
    }
}

/// While it lives, Ctrl-C saves first.
pub(crate) struct Training<'a>(&'a Stop);

impl Drop for Training<'_> {
    fn drop(&mut self) {
        self.0.training.store(false, Ordering::SeqCst);
    }
}
