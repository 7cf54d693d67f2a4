//! Progress on standard error: bars with the time left where somebody watches, a line per epoch or task where a file does.

use std::io::IsTerminal;
use std::time::Instant;

use dymo_train::trainer::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bars,
    Lines,
    Silent,
}

/// Shows progress.
#[derive(Debug)]
pub(crate) struct Watch {
    form: Form,
}

/// One task with a known number of items.
pub(crate) struct Task {
    form: Form,
    bar: ProgressBar,
    name: String,
    began: Instant,
}

impl Watch {
    pub(crate) fn new(quiet: bool) -> Self {
        let form = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Form::Silent,
            (false, true) => Form::Bars,
            (false, false) => Form::Lines,
        };
        Self { form }
    }

    /// Something to know, on a line of its own.
    pub(crate) fn note(&self, line: &str) {
        if self.form != Form::Silent {
            eprintln!("{line}");
        }
    }

    /// A task of `length` items.
    pub(crate) fn task(&self, name: &str, length: usize) -> Task {
        let bar = match self.form {
            Form::Bars => ProgressBar::new(length as u64),
            _ => ProgressBar::hidden(),
        };
        // A template that does not parse leaves the default style.
        if let Ok(style) = ProgressStyle::with_template("{prefix:24} {wide_bar} {pos}/{len} {msg} {eta} left") {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        Task { form: self.form, bar, name: name.to_owned(), began: Instant::now() }
    }
}

impl Task {
    /// So many items are done.
    pub(crate) fn at(&self, done: usize) {
        self.bar.set_position(done as u64);
    }

    /// So much of a length that is only known on the way.
    pub(crate) fn of(&self, done: u64, all: u64) {
        self.bar.set_length(all);
        self.bar.set_position(done);
    }

    /// A training's progress: steps, the loss, and a line with the quantities of each epoch.
    pub(crate) fn training(&self, progress: &Progress<'_>) {
        if self.bar.length() != Some(progress.steps as u64) {
            self.bar.set_length(progress.steps as u64);
            // Steps of an earlier run must not count into the speed.
            self.bar.reset_eta();
        }
        self.bar.set_position(progress.step as u64);
        self.bar.set_message(format!("loss {:.4}", progress.loss));
        let Some(ended) = progress.ended else { return };
        let quantities: Vec<String> = ended.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        let line = format!(
            "{}: epoch {} of {} ({}), {} left",
            progress.stage,
            progress.epoch + 1,
            progress.epochs,
            quantities.join(", "),
            self.left(progress)
        );
        match self.form {
            Form::Bars => self.bar.println(line),
            Form::Lines => eprintln!("{line}"),
            Form::Silent => {}
        }
    }

    fn left(&self, progress: &Progress<'_>) -> String {
        let done = progress.step.max(1) as f64;
        let seconds = self.began.elapsed().as_secs_f64() / done * progress.steps.saturating_sub(progress.step) as f64;
        duration(seconds)
    }

    /// The task is over.
    pub(crate) fn done(self) {
        self.bar.finish_and_clear();
        if self.form != Form::Silent {
            eprintln!("{}: {}", self.name, duration(self.began.elapsed().as_secs_f64()));
        }
    }
}

/// Seconds as people say them.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 99.5 {
        format!("{seconds:.0} s")
    } else if seconds < 99.5 * 60.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}
