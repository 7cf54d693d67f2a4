//! Whether a model folder is what was written: its files, its parts, and its answers to its own stored sample.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use dymo_data::checksum::{ChecksumError, Checksums, SHA256SUMS};
use dymo_reward::Metric;
use serde::Serialize;

use super::sample::StoredAnswer;
use super::{CHECKPOINTS, COMPLETE_ONLY, ModelFolder, ModelFolderError, commit};
use crate::evaluation::Arm;

/// What may stand beside a model without being part of it: where its training stands, and what was written about it.
pub const BESIDE: [&str; 5] = [CHECKPOINTS, COMPLETE_ONLY, "tensorboard", "evaluation", "settings.toml"];

/// Largest difference of a probability that passes. Kernels add in another order on another processor, which moves a probability
/// by some 1e-6; weights or inputs of which a bit is wrong move it by more than this.
pub const ALLOWED: f32 = 1e-3;

/// What was found of a folder.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    /// The folder.
    pub folder: PathBuf,
    /// Files that are as they were written.
    pub whole: usize,
    /// Listed, and not there.
    pub missing: Vec<String>,
    /// Listed, and other than they were written.
    pub changed: Vec<String>,
    /// There, and neither listed nor one of [`BESIDE`].
    pub superfluous: Vec<String>,
    /// Parts that cannot be used although their files are whole, and why.
    pub unusable: Vec<String>,
    /// What the stored sample showed.
    pub sample: SampleCheck,
}

/// What became of the stored sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum SampleCheck {
    /// The folder has none: it was written before there were any, or was told to keep none.
    NotStored,
    /// Files or parts that it needs are wrong.
    NotRun,
    /// It was run.
    Ran {
        /// Samples.
        samples: usize,
        /// Answers that were compared, class probabilities of a sample each.
        answers: usize,
        /// Largest difference of a probability.
        largest: f32,
        /// Where that is, in words.
        place: String,
        /// Answers for which other modalities were used, in words.
        decided_otherwise: Vec<String>,
    },
}

impl Verification {
    /// Everything that is wrong, in words; nothing for a folder that can be used.
    pub fn problems(&self) -> Vec<String> {
        let each = |names: &[String], word: &str| names.iter().map(|n| format!("{n} {word}")).collect::<Vec<_>>();
        let mut found = each(&self.missing, "is listed and missing");
        found.extend(each(&self.changed, "is not as it was written"));
        found.extend(each(&self.superfluous, "belongs to no part of the model"));
        found.extend(self.unusable.iter().cloned());
        if let SampleCheck::Ran { largest, place, decided_otherwise, .. } = &self.sample {
            if largest.is_nan() || *largest > ALLOWED {
                found.push(format!("the stored sample is answered otherwise: {place}, by {largest:e}"));
            }
            found
                .extend(decided_otherwise.iter().map(|what| format!("the stored sample is decided otherwise: {what}")));
        }
        found
    }
}

/// Checks a folder as far as it goes: a file that is wrong does not keep the others from being looked at.
///
/// # Errors
/// [`ModelFolderError`]: there is no model, or its list of checksums cannot be read.
pub fn verify(path: &Path, device: &Device) -> Result<Verification, ModelFolderError> {
    if !path.join(SHA256SUMS).exists() && !path.join(super::MODEL).exists() && !commit::is_begun(path) {
        return Err(ModelFolderError::Absent { path: path.into() });
    }
    commit::finish(path)?;
    let sums = Checksums::of(path)?;
    let mut found = Verification {
        folder: path.into(),
        whole: 0,
        missing: Vec::new(),
        changed: Vec::new(),
        superfluous: superfluous(path, &sums)?,
        unusable: Vec::new(),
        sample: SampleCheck::NotRun,
    };
    for name in sums.names() {
        match sums.read(name) {
            Ok(_) => found.whole += 1,
            Err(ChecksumError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                found.missing.push(name.to_owned());
            }
            Err(_) => found.changed.push(name.to_owned()),
        }
    }
    let wrong: Vec<&String> = found.missing.iter().chain(&found.changed).collect();
    let about = |name: &str| wrong.iter().all(|other| *other != name);
    if !about(super::MODEL) || !about(super::HISTORY) {
        return Ok(found);
    }
    let folder = match ModelFolder::open_to_write(path) {
        Ok(folder) => folder,
        Err(error) => {
            found.unusable.push(error.to_string());
            return Ok(found);
        }
    };
    let unusable = parts(&folder, device, &about);
    let able = wrong.is_empty() && unusable.is_empty();
    found.unusable = unusable;
    if folder.contents.sample.is_none() {
        found.sample = SampleCheck::NotStored;
    } else if able {
        match run(&folder, device) {
            Ok(check) => found.sample = check,
            Err(error) => found.unusable.push(error.to_string()),
        }
    }
    Ok(found)
}

/// Names in the folder that nothing speaks of.
fn superfluous(path: &Path, sums: &Checksums) -> Result<Vec<String>, ModelFolderError> {
    let known: BTreeSet<&str> = sums.names().chain(BESIDE).chain([SHA256SUMS]).collect();
    let fail = |source| ModelFolderError::File { path: path.into(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
        if !known.contains(name.as_str()) && !commit::is_left_behind(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Loads every part whose file is whole; why it cannot be used, where it cannot.
fn parts(folder: &ModelFolder, device: &Device, whole: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut failed = Vec::new();
    let mut see = |file: &str, read: &dyn Fn() -> Result<(), ModelFolderError>| {
        if whole(file) {
            failed.extend(read().err().map(|e| e.to_string()));
        }
    };
    for part in &folder.contents.fusion {
        see(&part.file, &|| folder.fusion(part.metric, device).map(drop));
        if let Some(statistics) = &part.statistics {
            see(&statistics.file, &|| folder.statistics(part.metric).map(drop));
        }
    }
    // Which one it is read with does not matter: the file is the same.
    let metric = folder.metrics().first().copied().unwrap_or(Metric::Cosine);
    for part in &folder.contents.recovery {
        see(&part.file, &|| folder.recovery(part.model.kind(), metric, part.provenance.seed, device).map(drop));
    }
    for part in &folder.contents.trust {
        see(&part.file, &|| folder.trust(part.recovery, part.metric).map(drop));
    }
    failed
}

/// Asks again what was answered.
fn run(folder: &ModelFolder, device: &Device) -> Result<SampleCheck, ModelFolderError> {
    let Some((sample, stored)) = folder.stored_sample()? else { return Ok(SampleCheck::NotStored) };
    let now = folder.answers(&sample, device)?;
    let (mut largest, mut place, mut answers) = (0.0f32, String::from("nowhere"), 0);
    let mut decided_otherwise = Vec::new();
    for before in &stored.answers {
        let same = |a: &&StoredAnswer| (a.metric, a.recovery, a.arm) == (before.metric, before.recovery, before.arm);
        let Some(now) = now.iter().find(same) else {
            decided_otherwise.push(format!("{} is no longer answered", words(before)));
            continue;
        };
        if now.probabilities.len() != before.probabilities.len() {
            decided_otherwise.push(format!("{} is answered for another number of samples", words(before)));
        }
        for (i, (a, b)) in before.probabilities.iter().zip(&now.probabilities).enumerate() {
            answers += 1;
            let gap = gap(a, b);
            if gap > largest || gap.is_nan() {
                (largest, place) = (gap, format!("sample {i}, {}", words(before)));
            }
            if before.used.get(i) != now.used.get(i) {
                let list = |used: Option<&Vec<String>>| used.map(|names| names.join("+")).unwrap_or_default();
                let (then, now) = (list(before.used.get(i)), list(now.used.get(i)));
                decided_otherwise.push(format!("sample {i}, {} by {now}, once by {then}", words(before)));
            }
        }
    }
    Ok(SampleCheck::Ran { samples: stored.observed.len(), answers, largest, place, decided_otherwise })
}

/// Largest difference; NaN if there is one, or another number of classes.
fn gap(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::NAN;
    }
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |most, gap| if gap > most || gap.is_nan() { gap } else { most })
}

fn words(answer: &StoredAnswer) -> String {
    let recovery = answer.recovery.map_or("no".to_owned(), |kind| kind.to_string());
    let arm = match answer.arm {
        Arm::Dymo => "selected",
        arm => arm.name(),
    };
    format!("{} metric, {recovery} recovery, {arm}", super::error::metric_name(answer.metric))
}
