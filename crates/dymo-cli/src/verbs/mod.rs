//! One file a verb: arguments are plain options, `run` resolves them and hands the work on.

use std::io::Write;

use crate::args::Verb;
use crate::context::Context;
use crate::outcome::Outcome;

pub mod calibrate;
pub mod completions;
pub mod cross_validate;
pub mod data;
pub mod demo;
pub mod evaluate;
pub mod export;
pub mod fit_statistics;
pub mod import;
pub mod inspect;
pub mod model;
pub mod predict;
pub mod report;
pub mod train;

/// Does what the command line says; results go to `out`, progress to standard error.
pub(crate) fn run(context: &Context, verb: Verb, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match verb {
        Verb::Demo(args) => demo::run(context, args, out),
        Verb::Train(verb) => train::run(context, verb, out),
        Verb::FitStatistics(args) => fit_statistics::run(context, args, out),
        Verb::Calibrate(args) => calibrate::run(context, args, out),
        Verb::Evaluate(args) => evaluate::run(context, args, out),
        Verb::CrossValidate(args) => cross_validate::run(context, args, out),
        Verb::Export(args) => export::run(context, &args, out),
        Verb::Predict(args) => predict::run(context, args, out),
        Verb::Import(args) => import::run(context, args, out),
        Verb::Inspect(args) => inspect::run(context, &args, out),
        Verb::Model(verb) => model::run(context, verb, out),
        Verb::Report(args) => report::run(context, &args, out),
        Verb::Data(verb) => data::run(context, verb, out),
        Verb::Completions(args) => completions::run(&args, out),
    }
}
