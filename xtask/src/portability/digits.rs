//! The samples of the short training: a few hundred of the MNIST digits that come along, cut in two pictures, and how much ink is where.
//! Few enough that every device gets through training, validation and evaluation.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use image::GrayImage;

/// Side of a digit, pixels.
const SIDE: usize = 28;
/// Bytes before the pictures and before the labels.
const HEADERS: [usize; 2] = [16, 8];

/// Names of the files in `datasets/mnist`, pictures and labels.
const FILES: [&str; 2] = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"];

/// To fit, to choose the best epoch, to report.
const SPLITS: [(&str, usize); 3] = [("train", 320), ("validation", 60), ("test", 100)];

/// Writes `table.csv` and the pictures that it names.
pub(crate) fn write(mnist: &Path, folder: &Path) -> Result<()> {
    let samples = SPLITS.iter().map(|(_, count)| count).sum::<usize>();
    let [pictures, labels] =
        [(0, SIDE * SIDE), (1, 1)].map(|(file, size)| read(&mnist.join(FILES[file]), HEADERS[file], samples * size));
    let (pictures, labels) = (pictures?, labels?);
    let splits = SPLITS.iter().flat_map(|(name, count)| std::iter::repeat_n(name, *count));
    let mut table = String::from("id,label,split,left,right,upper_ink,lower_ink\n");
    for (i, ((digit, label), split)) in pictures.chunks_exact(SIDE * SIDE).zip(&labels).zip(splits).enumerate() {
        for (name, half) in [("left", 0), ("right", 1)] {
            let rows = digit.chunks_exact(SIDE).flat_map(|row| &row[half * SIDE / 2..(half + 1) * SIDE / 2]);
            let picture =
                GrayImage::from_raw(SIDE as u32 / 2, SIDE as u32, rows.copied().collect()).context("half a digit")?;
            let file = folder.join(format!("{name}-{i}.png"));
            picture.save(&file).with_context(|| file.display().to_string())?;
        }
        let [upper, lower] = [0, 1].map(|half| {
            let half = &digit[half * SIDE * SIDE / 2..(half + 1) * SIDE * SIDE / 2];
            half.iter().map(|ink| f64::from(*ink)).sum::<f64>() / (255 * half.len()) as f64
        });
        writeln!(table, "{i},{label},{split},left-{i}.png,right-{i}.png,{upper:.4},{lower:.4}")?;
    }
    let path = folder.join("table.csv");
    std::fs::write(&path, table).with_context(|| path.display().to_string())
}

/// So many bytes behind a header.
fn read(path: &Path, header: usize, bytes: usize) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut all = Vec::new();
    GzDecoder::new(file)
        .take((header + bytes) as u64)
        .read_to_end(&mut all)
        .with_context(|| path.display().to_string())?;
    if all.len() != header + bytes {
        bail!("{}: {} bytes, {} were expected", path.display(), all.len(), header + bytes);
    }
    Ok(all.split_off(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_for_every_digit() {
        let folder = tempfile::tempdir().unwrap();
        let mnist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/mnist");
        write(&mnist, folder.path()).unwrap();
        let table = std::fs::read_to_string(folder.path().join("table.csv")).unwrap();
        assert_eq!(table.lines().count(), 1 + 480);
        assert!(table.lines().nth(1).unwrap().starts_with("0,5,train,left-0.png,right-0.png,0."), "{table}");
        assert_eq!(image::image_dimensions(folder.path().join("right-479.png")).unwrap(), (14, 28));
        assert!(write(folder.path(), folder.path()).unwrap_err().to_string().contains("train-images"));
    }
}
