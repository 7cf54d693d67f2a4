//! Writes a contact sheet of PolyMNIST as a PNG: a row for each modality, a column for each of the first test samples.
//!
//! `cargo run --release -p dymo-data --example polymnist_sheet -- sheet.png 2025`

use std::path::Path;
use std::time::Instant;

use dymo_data::picture::{Colour, Picture};
use dymo_data::{Samples, Source, read_batch};

const COLUMNS: usize = 16;
const GAP: usize = 2;
/// Each pixel is drawn as a square of so many.
const ZOOM: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "polymnist.png".to_owned());
    let seed = arguments.next().map_or(Ok(2025), |text| text.parse())?;

    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    let opening = Instant::now();
    let splits = Source::Polymnist { seed, train_limit: None }.open(&datasets)?;
    println!("opened in {} ms", opening.elapsed().as_millis());

    contact_sheet(&*splits.test)?.save_png(Path::new(&path))?;
    let digits: Vec<usize> = (0..COLUMNS).map(|index| splits.test.label(index)).collect();
    println!("{path}: digits {digits:?}");
    time_a_batch(&*splits.train)
}

/// A row for each modality of the first samples, white between them.
fn contact_sheet(samples: &dyn Samples) -> Result<Picture, Box<dyn std::error::Error>> {
    let modalities = samples.schema().modalities();
    let [side, _, channels] = modalities[0].kind().shape();
    let step = side + GAP;
    let (height, width) = (modalities.len() * step * ZOOM, COLUMNS * step * ZOOM);
    let mut sheet = vec![1.0; height * width * channels];
    let mut picture = vec![0.0; side * side * channels];
    for modality in 0..modalities.len() {
        for index in 0..COLUMNS {
            samples.read(index, modality, &mut picture)?;
            for y in 0..side * ZOOM {
                for x in 0..side * ZOOM {
                    let to = (modality * step * ZOOM + y) * width + index * step * ZOOM + x;
                    let from = y / ZOOM * side + x / ZOOM;
                    sheet[to * channels..][..channels].copy_from_slice(&picture[from * channels..][..channels]);
                }
            }
        }
    }
    Ok(Picture::from_f32(height, width, Colour::Rgb, &sheet)?)
}

/// Prints how long 256 samples take, all modalities.
fn time_a_batch(samples: &dyn Samples) -> Result<(), Box<dyn std::error::Error>> {
    let indices: Vec<usize> = (0..256).map(|i| i * 97).collect();
    let mut out = Vec::new();
    let modalities = samples.schema().modalities().len();
    for _ in 0..5 {
        let start = Instant::now();
        for modality in 0..modalities {
            read_batch(samples, &indices, modality, &mut out)?;
        }
        println!("256 samples of {modalities} modalities in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}
