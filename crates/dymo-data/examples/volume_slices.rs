//! Says what a NIfTI file holds and writes a picture of its three middle slices:
//! `cargo run -p dymo-data --example volume_slices -- scan.nii.gz slices.png`
//! Without arguments it makes a volume of its own, a bright ball left of the middle, and writes `slices.png` to the
//! temporary folder.
use dymo_data::volume::{Limits, Volume, VolumeError, middle_slices};
use std::{path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), VolumeError> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let volume = match arguments.next() {
        Some(path) => Volume::read(path, &Limits::default())?,
        None => ball()?,
    };
    let picture = arguments.next().unwrap_or_else(|| std::env::temp_dir().join("slices.png"));
    println!("{}", volume.summary());
    middle_slices(&volume).write_png(&picture)?;
    println!("picture      {}", picture.display());
    Ok(())
}

/// 64 × 64 × 16 voxels of 2 × 2 × 6 mm; the first axis grows to the patient's left.
fn ball() -> Result<Volume, VolumeError> {
    let data = ndarray::Array4::from_shape_fn((64, 64, 16, 1), |(x, y, z, _)| {
        let [dx, dy, dz] = [(x as f32 - 40.0) * 2.0, (y as f32 - 32.0) * 2.0, (z as f32 - 8.0) * 6.0];
        (1.0 - (dx * dx + dy * dy + dz * dz).sqrt() / 40.0).max(0.0)
    });
    Volume::new(data, [[-2., 0., 0., 64.], [0., 2., 0., -64.], [0., 0., 6., -48.], [0., 0., 0., 1.]])
}
