//! The command line: every flag and verb, and the help that explains them by example.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::device::DeviceName;
use crate::verbs::{
    calibrate, completions, cross_validate, data, demo, evaluate, export, fit_statistics, import, inspect, model,
    predict, report, train,
};

/// Classify with missing modalities: recover what is missing, then choose for each sample what to let in.
#[derive(Debug, Parser)]
#[command(name = "dymo", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  dymo demo                                              see what it does, in three minutes
  dymo train experiment.toml --out model                 train your own; ends with the report
  dymo evaluate experiment.toml --model model --out results
  dymo predict model patients.csv --out predictions.csv

Exit codes: 0 done, 1 stopped before the end (what is done is saved, and it says how to go on), 2 failed,
130 stopped by Ctrl-C where there was nothing to save, or by a second Ctrl-C.")]
pub struct Cli {
    /// Flags of every verb.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags of every verb.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Flags of every verb")]
pub struct Common {
    /// Where to compute: cpu, wgpu, cuda:N or tch
    #[arg(long, global = true, value_name = "DEVICE", default_value = "cpu")]
    pub device: DeviceName,
    /// Seed of everything random, in place of the experiment's
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
    /// CPU threads; all cores if nothing is said
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Folder of the data sets that come with dymo
    #[arg(long, global = true, value_name = "DIR")]
    pub datasets: Option<PathBuf>,
    /// Print the result as JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress on standard error
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Print the effective settings as TOML and do nothing
    #[arg(long, global = true)]
    pub show_settings: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show what it does on the data set that comes along: evaluate the shipped weights, or train first
    Demo(demo::DemoArgs),
    /// Train an experiment as a whole, or a recovery model or fusion network of it
    Train(train::TrainArgs),
    /// Fit the class statistics that selection needs, after the fusion network is trained
    FitStatistics(fit_statistics::FitArgs),
    /// Fit what can be promised on held-out samples: a threshold, calibrated confidence, prediction sets
    Calibrate(calibrate::CalibrateArgs),
    /// Measure every way of using recovered modalities on held-out samples, and write the report
    Evaluate(evaluate::EvaluateArgs),
    /// Judge every sample once by networks that have not seen it: for tables too small for one split
    CrossValidate(cross_validate::CrossValidateArgs),
    /// Classify samples; say for each what was let in and why
    Predict(predict::PredictArgs),
    /// Take over what the authors have released for PolyMNIST and MNIST-SVHN-Text: checkpoints, statistics, MoPoE weights
    Import(import::ImportArgs),
    /// Say what a file holds: a volume, a picture, an IDX array, a model
    Inspect(inspect::InspectArgs),
    /// Write a model to hand on, in half precision, without checkpoints
    Export(export::ExportArgs),
    /// Check a model folder that was handed on, or give it a sample to be checked by
    #[command(subcommand)]
    Model(model::ModelVerb),
    /// Make report.html again from the report.json beside it
    Report(report::ReportArgs),
    /// Look at the data of an experiment, or write down what will be missing
    #[command(subcommand)]
    Data(data::DataVerb),
    /// Print a script that completes dymo's words in a shell
    Completions(completions::CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, CommandFactory};

    /// Every command that does something, by its full name.
    fn leaves(command: &Command, name: &str, found: &mut Vec<(String, Command)>) {
        if command.get_subcommands().next().is_none() {
            found.push((name.to_owned(), command.clone()));
        }
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            leaves(verb, &format!("{name} {}", verb.get_name()), found);
        }
    }

    #[test]
    fn the_table_of_flags_is_sound_and_every_verb_has_an_example() {
        Cli::command().debug_assert();
        let mut found = Vec::new();
        leaves(&Cli::command(), "dymo", &mut found);
        assert!(found.len() >= 15, "all verbs were found");
        for (name, command) in found {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example") && help.contains(&name), "{name}: help explains by example");
            for flag in command.get_arguments().filter(|flag| !flag.is_hide_set()) {
                assert!(flag.get_help().is_some(), "{name}: {} has no help", flag.get_id());
            }
        }
    }
}
