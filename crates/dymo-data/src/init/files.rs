//! Sizes of the first pictures and volumes of a column.

use std::path::Path;

use crate::manifest::{Form, Told};
use crate::picture::{Colour, Picture};
use crate::volume::{Intensity, Limits, Volume};

/// Longest side that is proposed; what is larger is halved until it fits.
const SIDE: usize = 128;
/// And the smallest: less leaves no token behind three convolutions and the pooling.
const LEAST_SIDE: usize = 16;
/// Most slices that are proposed.
const SLICES: usize = 16;

/// A form for the pictures at `paths`, and remarks.
pub(super) fn image(folder: &Path, paths: &[String]) -> (Form, Vec<String>) {
    let mut remarks = Vec::new();
    let mut sizes = Vec::new();
    let mut coloured = false;
    // Told of the first picture that has any.
    let mut changed = Vec::new();
    for path in paths {
        match Picture::open_with_losses(&folder.join(path), Colour::Rgb) {
            Ok((picture, losses)) => {
                if changed.is_empty() {
                    changed = Told::of_picture(&picture, losses).changed;
                    remarks.extend(changed.iter().map(|changed| format!("{path}: {changed}; {}", changed.advice())));
                }
                sizes.push([picture.height(), picture.width()]);
                coloured |= picture.values().chunks_exact(3).any(|pixel| pixel[0] != pixel[1] || pixel[1] != pixel[2]);
            }
            Err(error) => remarks.push(error.to_string()),
        }
    }
    if let Some(other) = sizes.iter().find(|size| **size != sizes[0]) {
        remarks.push(format!("pictures of several sizes, such as {:?} and {other:?}; all are resized", sizes[0]));
    }
    let [height, width] = fit(most_common(&sizes).unwrap_or([64, 64]));
    let colour = if coloured { Colour::Rgb } else { Colour::Grey };
    (Form::Image { column: None, height, width, colour, crop: None }, remarks)
}

/// A form for the volumes at `paths`, and remarks.
pub(super) fn volume(folder: &Path, paths: &[String]) -> (Form, Vec<String>) {
    let mut remarks = Vec::new();
    let mut grids = Vec::new();
    let mut thick = false;
    for path in paths {
        match Volume::read(folder.join(path), &Limits::default()) {
            Ok(volume) => {
                let spacing = volume.spacing();
                let finest = spacing.iter().copied().fold(f64::INFINITY, f64::min);
                // Slices much thicker than pixels: the third axis is how it was scanned.
                thick |= spacing[2] > 2.5 * finest;
                grids.push(volume.grid());
            }
            Err(error) => remarks.push(error.to_string()),
        }
    }
    let plane = if thick { crate::volume::Plane::Stored } else { crate::volume::Plane::Axial };
    if thick {
        remarks.push("thick slices: they are taken as stored".into());
    }
    if let Some(other) = grids.iter().find(|grid| **grid != grids[0]) {
        remarks.push(format!("grids of several sizes, such as {:?} and {other:?}; all are resampled", grids[0]));
    }
    let [width, height, slices] = most_common(&grids).unwrap_or([64, 64, 8]);
    let [height, width] = fit([height, width]);
    let intensity = Intensity::Percentile { low: 1.0, high: 99.0 };
    let choice = crate::volume::SliceChoice::default();
    (Form::Volume { column: None, height, width, slices: slices.min(SLICES), plane, choice, intensity }, remarks)
}

fn most_common<T: Copy + PartialEq>(sizes: &[T]) -> Option<T> {
    sizes.iter().copied().max_by_key(|size| sizes.iter().filter(|other| *other == size).count())
}

fn fit([mut height, mut width]: [usize; 2]) -> [usize; 2] {
    while height.max(width) > SIDE {
        (height, width) = (height.div_ceil(2), width.div_ceil(2));
    }
    [height.max(LEAST_SIDE), width.max(LEAST_SIDE)]
}
