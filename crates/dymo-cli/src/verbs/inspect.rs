//! `dymo inspect FILE`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use dymo_data::idx::{self, Idx};
use dymo_data::manifest::Changed;
use dymo_data::picture::{Colour, Picture};
use dymo_data::volume::{self, Volume, middle_slices};
use dymo_train::model_folder::ModelFolder;
use serde_json::json;

use crate::context::Context;
use crate::outcome::Outcome;
use crate::settings;
use crate::training::metric_name;

/// Arguments of `dymo inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dymo inspect scan.nii.gz                     shape, spacing, orientation, values; writes scan.png, its middle slices
  dymo inspect scan.nii.gz --picture slices.png --json      a file that is there is replaced with --force alone
  dymo inspect train-images-idx3-ubyte.gz      shape and values of an IDX array
  dymo inspect photograph.jpg
  dymo inspect model                           what a model folder holds")]
pub struct InspectArgs {
    /// A NIfTI volume, a PNG or JPEG picture, an IDX array, or a model folder
    pub file: PathBuf,
    /// Where the picture of a volume's three middle slices goes; if nothing is said, into the current folder, under a name that no
    /// other file has
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// Let --picture replace a file that is there
    #[arg(long, requires = "picture")]
    pub force: bool,
}

pub(crate) fn run(context: &Context, args: &InspectArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let path = &args.file;
    if path.is_dir() {
        return model(context, path, out);
    }
    match sort(path)? {
        Sort::Model => model(context, path.parent().unwrap_or(Path::new("")), out),
        Sort::Volume => inspect_volume(context, args, out),
        Sort::Picture => picture(context, path, out),
        Sort::Idx => array(context, path, out),
    }
}

/// What a file seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Model,
    Volume,
    Picture,
    Idx,
}

/// By its first bytes where they say, by its name where they do not: a compressed file says nothing of what is inside.
fn sort(path: &Path) -> anyhow::Result<Sort> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(8).read_to_end(&mut head));
    read.with_context(|| format!("{}: cannot be read; name a file or a model folder", path.display()))?;
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let found = match head.as_slice() {
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => Some(Sort::Picture),
        [0, 0, 8, ..] => Some(Sort::Idx),
        _ if name == "model.json" => Some(Sort::Model),
        _ if ends(&[".nii", ".nii.gz", ".hdr"]) => Some(Sort::Volume),
        _ if ends(&[".png", ".jpg", ".jpeg"]) => Some(Sort::Picture),
        _ if name.contains("idx") || name.contains("ubyte") => Some(Sort::Idx),
        _ => None,
    };
    found.with_context(|| {
        format!(
            "{}: neither NIfTI (.nii, .nii.gz), PNG, JPEG, IDX nor a model folder; rename it if it is one",
            path.display()
        )
    })
}

fn inspect_volume(context: &Context, args: &InspectArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let volume = Volume::read(&args.file, &volume::Limits::default())?;
    let summary = volume.summary();
    let png = middle_slices(&volume).to_png()?;
    let target = match &args.picture {
        Some(path) => {
            settings::not_over(path, "--picture", &[&args.file])?;
            // The very same picture is there already.
            settings::not_lost(path, "--picture", args.force || is_free(path, &png))?;
            path.clone()
        }
        None => free(&beside(&args.file), &png),
    };
    settings::write(&target, &png)?;
    let mut facts = serde_json::to_value(&summary)?;
    facts["file"] = json!(args.file);
    facts["picture"] = json!(target);
    context.result(out, &format!("{summary}\npicture      {}", target.display()), &facts)
}

/// `scan.png` in the current folder for `anywhere/scan.nii.gz`.
fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = [".nii.gz", ".nii", ".hdr"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    PathBuf::from(format!("{stem}.png"))
}

/// The path itself, or with a number the first that nothing else has: what lies there may be somebody's, and nobody has named it.
fn free(path: &Path, bytes: &[u8]) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let numbered = |number: u32| path.with_file_name(format!("{stem}-{number}.png"));
    let mut names = [path.to_owned()].into_iter().chain((2..).map(numbered));
    names.find(|name| is_free(name, bytes)).unwrap_or_else(|| path.to_owned())
}

/// Whether nothing is lost by writing these bytes there.
fn is_free(path: &Path, bytes: &[u8]) -> bool {
    let is_there = path.symlink_metadata().is_ok();
    !is_there || (path.is_file() && std::fs::read(path).is_ok_and(|found| found == bytes))
}

fn picture(context: &Context, path: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let (picture, losses) = Picture::open_with_losses(path, Colour::Rgb)?;
    let (height, width) = (picture.height(), picture.width());
    let grey = picture.values().chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
    let (low, high, mean) = range(picture.values());
    let mut text = format!(
        "picture      {}\nshape        {height} x {width} (height x width), {}\nvalues       {low} to {high}, mean {mean:.1} (of 255)",
        path.display(),
        if grey { "grey" } else { "colour" }
    );
    let told = Changed::of_picture(losses).into_iter().map(|changed| format!("{changed}; {}", changed.advice()));
    let told: Vec<String> = told.collect();
    told.iter().for_each(|told| text += &format!("\nnote         {told}"));
    let facts = json!({
        "file": path, "height": height, "width": width, "grey": grey, "minimum": low, "maximum": high, "mean": mean, "notes": told,
    });
    context.result(out, &text, &facts)
}

fn array(context: &Context, path: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let idx = Idx::open(path, idx::Limits::default())?;
    let (low, high, mean) = range(idx.values());
    let shape: Vec<String> = idx.shape().iter().map(ToString::to_string).collect();
    let mut text = format!(
        "IDX array    {}\nshape        {}\nvalues       {low} to {high}, mean {mean:.2} (bytes)",
        path.display(),
        shape.join(" x ")
    );
    let mut counts = Vec::new();
    if idx.shape().len() == 1 {
        counts = (0..=high).map(|value| idx.values().iter().filter(|v| **v == value).count()).collect::<Vec<_>>();
        let words: Vec<String> = counts.iter().enumerate().map(|(value, n)| format!("{value}: {n}")).collect();
        text = format!("{text}\ncounts       {}", words.join(", "));
    }
    let facts =
        json!({ "file": path, "shape": idx.shape(), "minimum": low, "maximum": high, "mean": mean, "counts": counts });
    context.result(out, &text, &facts)
}

/// Smallest, largest and mean value.
fn range(values: &[u8]) -> (u8, u8, f64) {
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len().max(1) as f64;
    (values.iter().copied().min().unwrap_or(0), values.iter().copied().max().unwrap_or(0), mean)
}

fn model(context: &Context, path: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let folder = ModelFolder::open(path)?;
    let contents = folder.contents();
    if contents.fusion.is_empty() && contents.recovery.is_empty() {
        bail!("{}: the model has no part yet", path.display());
    }
    let modalities: Vec<&str> = contents.schema.modalities().iter().map(|m| m.name()).collect();
    let mut lines = vec![
        format!("model        {} ({})", contents.name, path.display()),
        format!("modalities   {}", modalities.join(", ")),
        format!("classes      {}", contents.schema.classes().join(", ")),
    ];
    for part in &contents.fusion {
        let statistics = match &part.statistics {
            Some(s) => format!("statistics on {} samples", s.samples),
            None => "no statistics yet".into(),
        };
        let (name, p) = (metric_name(part.metric), &part.provenance);
        lines.push(format!("fusion       {name}: epoch {}, {} steps, {statistics}", p.epoch, p.steps));
    }
    for part in &contents.recovery {
        let p = &part.provenance;
        lines.push(format!("recovery     {}: epoch {}, {} steps", part.model.kind(), p.epoch, p.steps));
    }
    for part in &contents.trust {
        let metric = metric_name(part.metric);
        lines.push(format!("calibrated   {}, {metric}: on {} held-out samples", part.recovery, part.samples));
    }
    lines.push("checksums    all files are as they were written".into());
    context.result(out, &lines.join("\n"), &serde_json::to_value(contents)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_called_like_the_volume() {
        for (file, picture) in [("a/scan.nii.gz", "scan.png"), ("scan.nii", "scan.png"), ("x.y.hdr", "x.y.png")] {
            assert_eq!(beside(Path::new(file)), Path::new(picture));
        }
    }

    #[test]
    fn bytes_come_before_names() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            sort(&path).ok()
        };
        assert_eq!(make("a.nii", b"\x89PNG...."), Some(Sort::Picture));
        assert_eq!(make("b", b"\x00\x00\x08\x03...."), Some(Sort::Idx));
        assert_eq!(make("c.NII.GZ", b"\x1f\x8b"), Some(Sort::Volume));
        assert_eq!(make("t10k-images-idx3-ubyte.gz", b"\x1f\x8b"), Some(Sort::Idx));
        assert_eq!(make("notes.txt", b"hello"), None);
        assert_eq!(make("empty", b""), None);
    }
}
