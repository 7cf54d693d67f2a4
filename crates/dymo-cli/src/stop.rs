//! Ctrl-C. While something is trained the first press asks it to save and stop, the second ends at once. Elsewhere the first press ends:
//! where the same command can go on with what is saved, it says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::outcome::{INTERRUPTED, STOPPED};

/// The flag that trainings look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    training: Arc<AtomicBool>,
    saved: Arc<AtomicBool>,
    leaving: Arc<AtomicBool>,
    /// The command that goes on with what is saved.
    command: Arc<str>,
}

impl Stop {
    /// Takes over Ctrl-C and the signals that ask to end. `command` goes on with what is saved.
    pub(crate) fn listen(command: &str) -> Self {
        let stop = Self { command: command.into(), ..Self::default() };
        let heard = stop.clone();
        // A second handler (in tests) is refused; then Ctrl-C ends the program, which is right as well.
        let _ = ctrlc::set_handler(move || {
            let again = heard.asked.swap(true, Ordering::SeqCst);
            if again {
                std::process::exit(INTERRUPTED.into());
            } else if !heard.training.load(Ordering::SeqCst) {
                heard.leave();
            }
            eprintln!("\nstopping after this step; press Ctrl-C again to end at once");
        });
        stop
    }

    /// Says that something is being trained until the guard is dropped, and that the command can go on from now.
    pub(crate) fn training(&self) -> Training<'_> {
        self.saved();
        self.training.store(true, Ordering::SeqCst);
        Training(self)
    }

    /// Says that the command can go on with what is saved, now and from here to its end. A request that came when a training had no
    /// step left is heard here.
    pub(crate) fn saved(&self) {
        self.saved.store(true, Ordering::SeqCst);
        if self.asked.load(Ordering::SeqCst) {
            self.leave();
        }
    }

    /// What to say after a stop.
    pub(crate) fn how_to_go_on(&self, stopped: &str) -> String {
        format!("{stopped}; everything is saved. Go on with:\n  {}", self.command)
    }

    /// The flag itself.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        self.asked.clone()
    }

    /// Ends the program: whatever is saved stands a kill at any moment, so this moment is as good as another.
    fn leave(&self) -> ! {
        // The signal's thread and the program's own may both be here: one speaks and ends, the other waits for that.
        while self.leaving.swap(true, Ordering::SeqCst) {
            std::thread::park();
        }
        if !self.saved.load(Ordering::SeqCst) {
            std::process::exit(INTERRUPTED.into());
        }
        eprintln!("\n{}", self.how_to_go_on("stopped"));
        std::process::exit(STOPPED.into());
    }
}

/// While it lives, Ctrl-C saves first.
pub(crate) struct Training<'a>(&'a Stop);

impl Drop for Training<'_> {
    fn drop(&mut self) {
        self.0.training.store(false, Ordering::SeqCst);
    }
}
