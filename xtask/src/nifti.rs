//! `cargo xtask nifti --python PYTHON`: our reader of volumes against nibabel, file by file, into docs/results/nifti.md.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use dymo_data::volume::{Limits, Volume};
use serde_json::Value;

use crate::whole;

/// Arguments of `cargo xtask nifti`.
#[derive(Debug, clap::Args)]
pub(crate) struct NiftiArgs {
    /// A Python with nibabel: `python3 -m venv peer && peer/bin/pip install nibabel`
    #[arg(long, value_name = "PROGRAM")]
    python: PathBuf,
    /// The page, instead of docs/results/nifti.md
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How the peer says that a file is none of NIfTI.
const OTHER_FORMAT: &str = "nibabel reads it as";

/// One file, read by both.
struct Row {
    source: String,
    name: String,
    /// What both found, or why one of them did not read it.
    found: std::result::Result<Comparison, String>,
    /// Whether it is as it should be: equal, or refused by both as NIfTI.
    fine: bool,
}

struct Comparison {
    stored: String,
    shape: String,
    values: usize,
    /// Values that are not nibabel's, rounded to single precision.
    other: usize,
    /// Largest difference of an entry of the affine.
    affine: f64,
    orientation: [String; 2],
}

/// Affines are computed in doubles from single-precision fields by both; quaternions go through a square root.
const AFFINE_BOUND: f64 = 1e-6;

pub(crate) fn run(args: &NiftiArgs) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::temp_dir().join(format!("dymo-nifti-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let answers = answers(&args.python, &root.join("xtask/peers/nifti.py"), &folder);
    let compared = answers.and_then(|(versions, answers)| {
        let rows = answers.iter().map(|answer| row(answer, &folder)).collect::<Result<Vec<Row>>>()?;
        Ok((versions, rows))
    });
    // Whatever came of it, what was written on the way goes.
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let (versions, rows) = compared?;
    let to = args.out.clone().unwrap_or_else(|| root.join("docs/results/nifti.md"));
    whole::write(&to, page(&versions, &rows))?;
    println!("{}", to.display());
    match rows.iter().filter(|row| !row.fine).count() {
        0 => Ok(()),
        n => bail!("{n} of {} files are not read as nibabel reads them; the page says how", rows.len()),
    }
}

/// The versions, and a line for each file.
fn answers(python: &Path, script: &Path, folder: &Path) -> Result<(Value, Vec<Value>)> {
    let output = Command::new(python).arg(script).arg(folder).output();
    let output = output.with_context(|| format!("{} did not start", python.display()))?;
    if !output.status.success() {
        bail!("{}: {}", script.display(), String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let text = String::from_utf8(output.stdout).context("the answers are no text")?;
    let mut lines = text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned()));
    let versions = lines.next().context("no answer")??;
    Ok((versions, lines.collect::<Result<_>>()?))
}

fn row(answer: &Value, folder: &Path) -> Result<Row> {
    let text =
        |key: &str| answer[key].as_str().map(str::to_owned).with_context(|| format!("{key} is missing: {answer}"));
    let (source, name, path) = (text("source")?, text("name")?, PathBuf::from(text("path")?));
    let ours = Volume::read(&path, &Limits::default()).map_err(|error| {
        // Where the file lies is this machine's affair.
        let near = path.parent().map(|parent| format!("{}/", parent.display())).unwrap_or_default();
        error.to_string().replace(&near, "")
    });
    let (found, fine) = match (ours, answer["refused"].as_str()) {
        (Err(ours), Some(theirs)) => {
            // Of its files of other formats, nibabel says as what it reads them.
            let both =
                if theirs.contains(OTHER_FORMAT) { "refused, for it is no NIfTI file" } else { "refused by both" };
            (Err(format!("{both}; ours: {ours}; {}", shorter(theirs))), true)
        }
        (Err(ours), None) => (Err(format!("nibabel reads it, ours: {ours}")), false),
        (Ok(_), Some(theirs)) => (Err(format!("ours reads it; {}", shorter(theirs))), false),
        (Ok(volume), None) => {
            let found = compare(answer, &volume, folder)?;
            let fine = found.other == 0 && found.affine <= AFFINE_BOUND && found.orientation[0] == found.orientation[1];
            (Ok(found), fine)
        }
    };
    Ok(Row { source, name, found, fine })
}

/// A message of nibabel without paths.
fn shorter(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.contains('/') {
        true => word.rsplit('/').next().unwrap_or(word).trim_matches('\''),
        false => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn compare(answer: &Value, volume: &Volume, folder: &Path) -> Result<Comparison> {
    let values = answer["values"].as_str().map(PathBuf::from).context("no values")?;
    let bytes = std::fs::read(folder.join(&values)).with_context(|| values.display().to_string())?;
    let (doubles, _) = bytes.as_chunks::<8>();
    // Both in Fortran order, the first axis running fastest.
    let (grid, frames, data) = (volume.grid(), volume.frames(), volume.data());
    let ours = (0..frames).flat_map(|t| {
        (0..grid[2]).flat_map(move |z| (0..grid[1]).flat_map(move |y| (0..grid[0]).map(move |x| data[[x, y, z, t]])))
    });
    let count = grid.iter().product::<usize>() * frames;
    let same = |(ours, theirs): (f32, &[u8; 8])| {
        let theirs = f64::from_le_bytes(*theirs) as f32;
        ours == theirs || (ours.is_nan() && theirs.is_nan())
    };
    let other = count.abs_diff(doubles.len()) + ours.zip(doubles).filter(|pair| !same(*pair)).count();
    let entry = |i: usize, j: usize| answer["affine"][i][j].as_f64().unwrap_or(f64::NAN);
    let affine = volume.affine();
    let gaps = (0..4).flat_map(|i| (0..4).map(move |j| (affine[i][j] - entry(i, j)).abs()));
    let theirs = answer["orientation"].as_str().unwrap_or_default().to_owned();
    let extents: Vec<String> = answer["shape"].as_array().into_iter().flatten().map(Value::to_string).collect();
    Ok(Comparison {
        stored: format!(
            "{}, {}-endian",
            answer["stored"].as_str().unwrap_or("?"),
            answer["order"].as_str().unwrap_or("?")
        ),
        shape: extents.join(" × "),
        values: count,
        other,
        // NaN is no small difference.
        affine: gaps.fold(0.0, |most, gap| if gap > most || gap.is_nan() { gap } else { most }),
        orientation: [volume.orientation().to_string(), theirs],
    })
}

fn page(versions: &Value, rows: &[Row]) -> String {
    let word = |key: &str| versions[key].as_str().unwrap_or("?").to_owned();
    let mut text = format!(
        "# Volumes: our reader against nibabel\n\nWritten by `cargo xtask nifti --python PYTHON`, with nibabel {} and numpy {}.\n\n\
         Every NIfTI file of nibabel's own tests, and one of every number type, byte order, version and form that nibabel writes. \
         *Other* counts values that are not nibabel's (doubles, scaled as the header says) rounded to single precision; *affine* is \
         the largest difference of an entry, in millimetres.\n",
        word("nibabel"),
        word("numpy")
    );
    let mut source = "";
    for row in rows {
        if row.source != source {
            source = &row.source;
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n## {source}\n\n| file | stored as | shape | values | other | affine | orientation |\n|---|---|---|---|---|---|---|\n"
            );
        }
        let line = match &row.found {
            Ok(c) => {
                let [ours, theirs] = &c.orientation;
                let orientation = if ours == theirs { ours.clone() } else { format!("**{ours}**, nibabel {theirs}") };
                format!(
                    "| {} | {} | {} | {} | {} | {:.1e} | {orientation} |",
                    row.name, c.stored, c.shape, c.values, c.other, c.affine
                )
            }
            Err(words) => format!("| {} | {} | | | | | |", row.name, words.replace('|', "/")),
        };
        let _ = writeln!(text, "{line}");
    }
    let equal = rows.iter().filter(|row| row.fine && row.found.is_ok()).count();
    let refused = rows.iter().filter(|row| row.fine && row.found.is_err()).count();
    let _ = writeln!(
        text,
        "\n{equal} of {} files are read with every value, affine and orientation as nibabel's; {refused} are refused, for they are of \
         another format or lack their other half.",
        rows.len()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_their_paths() {
        let message = "FileNotFoundError: [Errno 2] No such file or directory: '/some/where/nifti1.img'";
        assert_eq!(shorter(message), "FileNotFoundError: [Errno 2] No such file or directory: nifti1.img");
    }

    /// A difference of any sort is no page of equal files.
    #[test]
    fn differences_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let data = Volume::new(
            line([1.0, 2.0, 3.0, 4.0]),
            [[1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]],
        )
        .unwrap();
        let write = |values: [f64; 4]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            std::fs::write(folder.path().join("v"), bytes).unwrap();
        };
        let mut answer = serde_json::json!({
            "stored": "float32", "order": "little", "shape": [4, 1, 1], "orientation": "RAS", "values": "v",
            "affine": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        });
        write([1.0, 2.0, 3.0, 4.0]);
        let same = compare(&answer, &data, folder.path()).unwrap();
        assert_eq!((same.other, same.affine, same.orientation[0] == same.orientation[1]), (0, 0.0, true));
        write([1.0, 2.5, 3.0, 4.0]);
        answer["affine"][2][3] = 0.5.into();
        let other = compare(&answer, &data, folder.path()).unwrap();
        assert_eq!((other.other, other.affine), (1, 0.5));
    }

    fn line(values: [f32; 4]) -> ndarray::Array4<f32> {
        ndarray::Array4::from_shape_fn((4, 1, 1, 1), |(x, ..)| values[x])
    }
}
