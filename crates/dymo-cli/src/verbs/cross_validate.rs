//! `dymo cross-validate`: every sample judged once by networks that have not seen it, for tables that are too small for one split.

mod permutations;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use anyhow::bail;
use dymo_data::Source;
use dymo_data::manifest::{Division, Fold};
use dymo_metrics::Subjects;
use dymo_report::{Provenance, Report};
use dymo_train::evaluation::Outcome as Judged;
use dymo_train::experiment::{Experiment, ExperimentTable, SplitName};
use dymo_train::statistics;

use super::{calibrate, train};
use crate::assemble::{Confidence, Filing, Key, Promised, add_outcome};
use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings::{self, SETTINGS};
use crate::study::{Study, leakage, rehearse, subject_note, summary, unfilled, versions};
use crate::training::{self, TrainingArgs};

/// Share of the samples outside a fold that choose the best epoch, where the experiment names none.
const VALIDATION: f64 = 0.15;

/// Arguments of `dymo cross-validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo cross-validate experiment.toml --out runs/cv                       5 folds, each class spread evenly over them
  dymo cross-validate experiment.toml --out runs/cv --folds 5 --repeats 3
  dymo cross-validate experiment.toml --out runs/cv --permutations 19     is it better than chance?
  dymo cross-validate experiment.toml --out runs/cv --resume              after Ctrl-C, or a crash

Every fold trains networks, recovery and statistics afresh on the other folds. The report pools the folds: each sample counts once,
its class probabilities averaged over repeats. If data.subject names subjects, folds, intervals and shuffled labels keep them whole.")]
pub struct CrossValidateArgs {
    /// The experiment, on a table of samples
    pub experiment: PathBuf,
    /// Folder of the folds' models and of the report
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Number of folds
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..))]
    pub folds: u16,
    /// How often the folds are drawn anew
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub repeats: u16,
    /// Label permutation test: train so often on shuffled labels, with the first metric and recovery
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub permutations: u16,
    /// How it is resumed.
    #[command(flatten)]
    pub training: TrainingArgs,
}

/// What all folds said of all samples.
#[derive(Default)]
struct Pool {
    /// The samples' names, fold after fold.
    ids: Vec<String>,
    modalities: Vec<String>,
    classes: Vec<String>,
    keys: Vec<Key>,
    judged: Vec<Judged>,
    /// Of the first repeat only: what was promised with true labels.
    promised: Vec<Promised>,
}

pub(crate) fn run(context: &Context, args: CrossValidateArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let experiment = settings::experiment(context, &args.experiment, |_| ())?;
    if settings::shown(context, &experiment, out)? {
        return Ok(Outcome::Done);
    }
    if !matches!(experiment.source(), Source::Manifest(_)) {
        bail!(
            "{}: cross-validation needs a table of samples ([data] maker = \"manifest\"); this data set has splits of its own",
            experiment.path().display()
        );
    }
    if let Some(table) = experiment.evaluation().missing.iter().find(|table| table.masks.is_some()) {
        bail!(
            "{}: [[evaluation.missing]] {:?} reads a mask file, whose rows are those of one test part; a fold has others: say how it is drawn",
            experiment.path().display(),
            table.name
        );
    }
    settings::report_spares(&args.out, "--out", &settings::inputs(&experiment))?;
    // Found after the first folds, it would have been for nothing.
    let (mut told, mut leaked) = (false, None);
    for (repeat, number) in (0..args.repeats).flat_map(|repeat| (0..args.folds).map(move |number| (repeat, number))) {
        let folded = fold_of(&experiment, &args, (repeat, number), None)?;
        let place = || format!("fold {} of {}: fewer --folds leave more samples to each", number + 1, args.folds);
        let splits = folded.open(&context.datasets).with_context(place)?;
        let plan = statistics::plan(splits.train.as_ref(), &folded.table().statistics)
            .with_context(|| format!("{}: {}", folded.path().display(), place()))?;
        if !told {
            // Folds are alike: one speaks for all.
            plan.notes.iter().for_each(|note| context.watch.note(note));
            told = !plan.notes.is_empty();
        }
        rehearse(&folded, &splits)?;
        if leaked.is_none() {
            unfilled(&experiment, &splits).iter().for_each(|note| context.watch.note(note));
        }
        // Whatever the fold, these are all the samples.
        leaked.get_or_insert_with(|| leakage(context, &splits, true));
    }
    let kept = match args.permutations {
        0 => None,
        _ => Some(permutations::kept(context, &experiment, &args)?),
    };
    kept.iter().try_for_each(|kept| kept.rehearse(context, &experiment, &args))?;
    let began = Instant::now();
    let mut repeats = Vec::new();
    for repeat in 0..args.repeats {
        repeats.push(one_repeat(context, &experiment, &args, repeat, None, &args.out)?);
    }
    // Of one draw of the folds, as those with shuffled labels are.
    let observed = repeats.first().filter(|_| kept.is_some()).map(permutations::area).transpose()?;
    let pool = averaged(repeats);
    let mut report = report(context, &experiment, &args, &pool)?;
    report.provenance.notes.extend(leaked.unwrap_or_default());
    if let (Some(kept), Some(observed)) = (kept, observed) {
        let found = permutations::run(context, &experiment, &args, kept.of(observed))?;
        report.provenance.notes.push(found.in_words());
    }
    report.provenance.duration_seconds = began.elapsed().as_secs_f64();
    settings::write(&args.out.join(SETTINGS), experiment.settings().as_bytes())?;
    let written = report.write(&args.out)?;
    let (text, json) = summary(&report, &written.page)?;
    context.result(out, &text, &json)
}

/// The experiment whose test samples are one fold; `shuffle` seeds a permutation of all labels.
fn fold_of(
    experiment: &Experiment,
    args: &CrossValidateArgs,
    (repeat, number): (u16, u16),
    shuffle: Option<u64>,
) -> anyhow::Result<Experiment> {
    Ok(experiment.with(|table: &mut ExperimentTable| {
        let seed = table.seed.wrapping_add(u64::from(repeat));
        table.evaluation.split = SplitName::Test;
        table.evaluation.samples = None;
        if let Source::Manifest(manifest) = &mut table.data {
            let test = 1.0 / f64::from(args.folds);
            let validation = manifest.division.map_or(VALIDATION, |division| division.validation).min(0.9 - test);
            let fold = Fold { number: number.into(), of: args.folds.into() };
            manifest.division = Some(Division { validation, test, seed, fold: Some(fold), shuffle });
        }
    })?)
}

/// Trains and judges every fold once. `shuffle` seeds a permutation of all labels.
fn one_repeat(
    context: &Context,
    experiment: &Experiment,
    args: &CrossValidateArgs,
    repeat: u16,
    shuffle: Option<u64>,
    out: &Path,
) -> anyhow::Result<Pool> {
    let mut pool = Pool::default();
    for number in 0..args.folds {
        let folded = fold_of(experiment, args, (repeat, number), shuffle)?;
        let splits = folded.open(&context.datasets)?;
        let place = out.join(format!("repeat-{}", repeat + 1)).join(format!("fold-{}", number + 1));
        let stages = folded.stages();
        let (mut folder, _) = train::into_folder(context, &folded, &splits, &stages, place, &args.training)?;
        for metric in folded.metrics() {
            training::fit(context, &folded, &splits, *metric, &mut folder)?;
        }
        let study = Study { context, experiment: &folded, folder: &folder, splits: &splits };
        pool.add(study.judge()?);
        if repeat == 0 && shuffle.is_none() {
            calibrate::into_folder(context, &folded, &splits, &mut folder)?;
            let promised = Study { context, experiment: &folded, folder: &folder, splits: &splits }.promises()?;
            pool.promise(promised);
        }
        pool.ids.extend((0..splits.test.len()).map(|i| splits.test.id(i)));
        let schema = splits.test.schema();
        pool.modalities = schema.modalities().iter().map(|m| m.name().to_owned()).collect();
        pool.classes = schema.classes().to_vec();
    }
    Ok(pool)
}

impl Pool {
    /// Puts a fold's samples behind those of the folds before it.
    fn add(&mut self, fold: Vec<(Key, Judged)>) {
        for (place, (key, judged)) in fold.into_iter().enumerate() {
            match self.judged.get_mut(place) {
                None => {
                    self.keys.push(key);
                    self.judged.push(judged);
                }
                Some(all) => append(all, judged),
            }
        }
    }

    /// The same for what was promised.
    fn promise(&mut self, fold: Vec<Promised>) {
        if self.promised.is_empty() {
            self.promised = fold;
            return;
        }
        self.promised.iter_mut().zip(fold).for_each(|(all, fold)| all.append(fold));
    }
}

fn append(all: &mut Judged, fold: Judged) {
    all.labels.extend(fold.labels);
    all.subjects.extend(fold.subjects);
    all.present.extend(fold.present);
    all.recovered += fold.recovered;
    all.fused += fold.fused;
    all.seconds += fold.seconds;
    for (all, arm) in all.arms.iter_mut().zip(fold.arms) {
        all.predictions.extend(arm.predictions);
        all.probabilities.extend(arm.probabilities);
        all.decisions.extend(arm.decisions);
    }
}

/// The repeats as one: class probabilities averaged for each sample, what was decided as in the first.
fn averaged(repeats: Vec<Pool>) -> Pool {
    let count = repeats.len() as f32;
    let mut repeats = repeats.into_iter();
    let Some(mut mean) = repeats.next() else { return Pool::default() };
    for other in repeats {
        let place_of: BTreeMap<&String, usize> = other.ids.iter().enumerate().map(|(i, id)| (id, i)).collect();
        let places: Vec<Option<usize>> = mean.ids.iter().map(|id| place_of.get(id).copied()).collect();
        for (all, other) in mean.judged.iter_mut().zip(&other.judged) {
            for (all_arm, arm) in all.arms.iter_mut().zip(&other.arms) {
                let rows = all_arm.probabilities.chunks_exact_mut(all.classes);
                for (row, place) in rows.zip(&places) {
                    let Some(place) = place else { continue };
                    let theirs = &arm.probabilities[place * all.classes..(place + 1) * all.classes];
                    row.iter_mut().zip(theirs).for_each(|(p, q)| *p += q);
                }
            }
        }
    }
    for judged in &mut mean.judged {
        for arm in &mut judged.arms {
            arm.probabilities.iter_mut().for_each(|p| *p /= count);
            arm.predictions = arm.probabilities.chunks_exact(judged.classes).map(likeliest).collect();
        }
    }
    mean
}

/// The first of the largest.
fn likeliest(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

fn report(context: &Context, experiment: &Experiment, args: &CrossValidateArgs, pool: &Pool) -> anyhow::Result<Report> {
    let table = experiment.evaluation();
    let confidence = Confidence { level: table.confidence, resamples: table.resamples, seed: experiment.seed() };
    let mut report = Report { modalities: pool.modalities.clone(), ..Report::default() };
    for (key, judged) in pool.keys.iter().zip(&pool.judged) {
        add_outcome(&mut report, key, judged, confidence)?;
    }
    let filing = Filing { intervals: confidence, few: experiment.trust().few };
    for promised in &pool.promised {
        promised.add_to(&mut report, filing)?;
    }
    let counts = pool.judged.first().map(|judged| class_counts(judged, &pool.classes)).unwrap_or_default();
    report.provenance = Provenance {
        title: format!("{}, cross-validated", experiment.name()),
        command: context.command.clone(),
        seed: experiment.seed(),
        device: context.device_words.clone(),
        threads: context.threads,
        versions: versions(),
        settings_toml: experiment.settings(),
        data_note: experiment.table().about.clone().unwrap_or_else(|| experiment.source_settings()),
        weights_note: format!("{} × {} folds, each trained afresh on the others", args.repeats, args.folds),
        notes: vec![
            format!(
                "Every sample was judged by networks that have not seen it: {} folds, classes spread evenly, drawn {} time(s); \
                 class probabilities are averaged over the draws.",
                args.folds, args.repeats
            ),
            format!("Samples of each class: {counts}."),
        ],
        ..Provenance::default()
    };
    let subjects = pool.judged.first().and_then(|judged| subject_note(&Subjects::new(&judged.subjects)));
    report.provenance.notes.extend(subjects);
    if !report.confidence.is_empty() {
        report.provenance.notes.push(format!(
            "Threshold, temperature and prediction sets were fitted anew in each of the {} folds of the first draw, on the samples that \
             chose its best epoch, and measured on those of the fold. There and for every pattern, DyMo is what decides: DyMo with its threshold in \
             folds where selection is on, what was observed alone in the others; all other figures are of DyMo as published.",
            args.folds
        ));
    }
    Ok(report)
}

fn class_counts(judged: &Judged, classes: &[String]) -> String {
    let count = |class: usize| judged.labels.iter().filter(|label| **label == class).count();
    let words: Vec<String> = classes.iter().enumerate().map(|(c, name)| format!("{name} {}", count(c))).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_train::evaluation::{Arm, ArmOutcome};

    fn pool(ids: &[&str], probabilities: &[f32]) -> Pool {
        let arm = ArmOutcome {
            arm: Arm::Dymo,
            predictions: vec![0; ids.len()],
            probabilities: probabilities.to_vec(),
            decisions: Vec::new(),
        };
        let judged = Judged {
            labels: vec![0, 1],
            subjects: vec![0, 1],
            classes: 2,
            arms: vec![arm],
            present: Vec::new(),
            recovered: 0,
            fused: 0,
            seconds: 0.0,
        };
        let ids = ids.iter().map(ToString::to_string).collect();
        Pool { ids, keys: Vec::new(), judged: vec![judged], ..Pool::default() }
    }

    /// Repeats meet by name, in whatever order their folds came.
    #[test]
    fn repeats_are_averaged_for_each_sample() {
        let mean = averaged(vec![pool(&["a", "b"], &[0.6, 0.4, 0.2, 0.8]), pool(&["b", "a"], &[0.9, 0.1, 0.1, 0.9])]);
        let arm = &mean.judged[0].arms[0];
        for (found, wanted) in arm.probabilities.iter().zip([0.35, 0.65, 0.55, 0.45]) {
            assert!((found - wanted).abs() < 1e-6, "{:?}", arm.probabilities);
        }
        assert_eq!(arm.predictions, [1, 0]);
    }
}
