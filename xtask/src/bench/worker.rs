//! A program that measures one task for each line that it is sent.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(crate) struct Worker {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts it and waits until it is ready.
    pub fn start(name: &'static str, mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} did not start: {command:?}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut worker = Self { name, child, input, output };
        worker.answer().with_context(|| format!("{command:?}"))?;
        Ok(worker)
    }

    /// Measures a task.
    pub fn ask(&mut self, task: &str) -> Result<Value> {
        let input = self.input.as_mut().context("the program was told to end")?;
        writeln!(input, "{task}").and_then(|()| input.flush()).with_context(|| format!("{} has ended", self.name))?;
        self.answer().with_context(|| format!("{}: {task}", self.name))
    }

    /// The next line that is an answer; what else is printed is passed over.
    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        while self.output.read_line(&mut line)? > 0 {
            if line.starts_with('{') {
                return serde_json::from_str(&line).with_context(|| line.clone());
            }
            line.clear();
        }
        bail!("{} ended without an answer; its own words are above", self.name)
    }
}

impl Drop for Worker {
    /// At the end of its input it ends by itself.
    fn drop(&mut self) {
        self.input = None;
        if let Err(error) = self.child.wait() {
            eprintln!("{}: {error}", self.name);
        }
    }
}
