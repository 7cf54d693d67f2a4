//! Every kind of modality with its own encoder in one network, from a table to predictions.

use dymo_data::picture::{Colour, Picture};
use std::collections::BTreeMap;

use crate::place::Place;

/// A picture through a residual network that starts from published weights, a volume through convolutions in space, a text by its
/// words, columns by default.
const EXPERIMENT: &str = r#"
metrics = ["cosine"]
[data]
maker = "manifest"
path = "table.csv"
[[data.modalities]]
name = "front"
kind = "image"
height = 16
width = 16
colour = "rgb"
[[data.modalities]]
name = "scan"
kind = "volume"
height = 8
width = 8
slices = 4
[[data.modalities]]
name = "note"
kind = "text"
length = 4
symbols = { vocabulary = ["short", "breath", "none"], unknown = true }
[[data.modalities]]
name = "clinic"
kind = "table"
columns = [{ name = "age", type = "continuous", mean = 50.0, deviation = 10.0, range = [20.0, 80.0] }]
[modality.front]
pretrained = "PRETRAINED"
[modality.front.encoder]
type = "residual"
widths = [2, 3, 4, 5]
blocks = [3, 4, 6, 3]
bottleneck = true
stem = "large"
imagenet_colours = true
token_width = 8
[modality.scan.encoder]
type = "spatial"
widths = [4]
token_width = 8
[fusion]
width = 8
heads = 2
blocks = 1
feature_width = 4
[fusion.loss]
prototypes_from = 0
[fusion.schedule]
epochs = 2
batch = 8
[recovery.guided.model]
shared = 4
private = 4
widths = [4]
hidden = 8
[recovery.guided.schedule]
epochs = 1
batch = 16
[evaluation]
resamples = 50
"#;

/// A NIfTI-1 volume of 8×8×4 bytes.
fn volume(seed: usize) -> Vec<u8> {
    let mut bytes = vec![0; 352];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348i32.to_le_bytes());
    for (place, extent) in [3i16, 8, 8, 4, 1, 1, 1, 1].iter().enumerate() {
        put(40 + 2 * place, &extent.to_le_bytes());
    }
    put(70, &2i16.to_le_bytes());
    put(72, &8i16.to_le_bytes());
    for place in 0..8 {
        put(76 + 4 * place, &1f32.to_le_bytes());
    }
    put(108, &352f32.to_le_bytes());
    put(344, b"n+1\0");
    bytes.extend((0..256).map(|i| (i * (seed + 3) % 251) as u8));
    bytes
}

fn place() -> Place {
    let place = Place::new();
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/../dymo-models/tests/resnet/tiny.pth");
    place.write("experiment.toml", EXPERIMENT.replace("PRETRAINED", published));
    for i in 0..4 {
        let pixels = (0..16 * 16 * 3).map(|p| (p * (i + 2) % 255) as u8).collect();
        Picture::new(16, 16, Colour::Rgb, pixels).unwrap().save_png(&place.path(&format!("{i}.png"))).unwrap();
        place.write(&format!("{i}.nii"), volume(i));
    }
    let row = |i: usize| {
        let split = ["train", "train", "validation", "test"][i / 2 % 4];
        let (label, note) = [("ill", "short of breath"), ("well", "none")][i % 2];
        format!("p{i},{label},{split},{0}.png,{0}.nii,{note},{1}\n", i % 4, 40 + i)
    };
    let rows: String = (0..32).map(row).collect();
    place.write("table.csv", format!("id,label,split,front,scan,note,age\n{rows}"));
    place
}

fn weights(place: &Place) -> Vec<u8> {
    std::fs::read(place.path("model/fusion-cosine.safetensors")).unwrap()
}

#[test]
fn all_kinds_are_fused_and_predicted() {
    let place = place();
    place.run("train experiment.toml --out model").well();
    let out = place.run("model verify model").well().out;
    assert!(out.contains("4 samples, 12 answers: largest difference of a probability 0.0e0"), "{out}");
    let card = std::fs::read_to_string(place.path("model/README.md")).unwrap();
    assert!(card.contains("started from published weights: front from tiny.pth, sha256 "), "{card}");
    place.write(
        "new.csv",
        "id,front,scan,note,age\na,0.png,,,\nb,,1.nii,,\nc,,,breath,\nd,,,,50\ne,2.png,2.nii,none,61\n",
    );
    let out = place.run("predict model new.csv").well().out;
    let observed: Vec<&str> = out.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(observed, ["front", "scan", "note", "clinic", "front+scan+note+clinic"], "{out}");
    let mut table = csv::Reader::from_reader(out.as_bytes());
    let silent = |row: BTreeMap<String, String>| row["error"].is_empty() && row["warning"].is_empty();
    assert!(table.deserialize().all(|row| silent(row.unwrap())), "no row has an error or a warning: {out}");
    // The words are the model's: a table that is read by others is refused, and told why.
    let other = std::fs::read_to_string(place.path("experiment.toml")).unwrap().replace("\"breath\"", "\"cough\"");
    place.write("other.toml", other);
    place.run("predict model other.toml").refused(&["columns, categories or words within them differ"]);
}

/// The running statistics of batch norm are part of what a checkpoint keeps.
#[test]
fn a_training_with_batch_norm_is_resumed_bit_for_bit() {
    let (straight, stopped) = (place(), place());
    for place in [&straight, &stopped] {
        // No epoch may be the best one: the last is kept.
        let text = std::fs::read_to_string(place.path("experiment.toml")).unwrap();
        place.write("experiment.toml", text.replace("prototypes_from = 0", "prototypes_from = 9"));
    }
    straight.run("train fusion experiment.toml --out model --epochs 3").well();
    stopped.run("train fusion experiment.toml --out model --epochs 1 --checkpoint-every 0").well();
    let early = weights(&stopped);
    stopped.run("train fusion experiment.toml --out model --epochs 3 --resume").well();
    assert!(weights(&stopped) == weights(&straight), "the same bits");
    assert!(early != weights(&straight), "and others than after one epoch");
}

#[test]
fn weights_that_do_not_fit_an_encoder_are_refused() {
    let place = place();
    let text = std::fs::read_to_string(place.path("experiment.toml")).unwrap();
    place.write("wide.toml", text.replace("[2, 3, 4, 5]", "[2, 3, 4, 6]"));
    let train = "train fusion wide.toml --out model";
    place.run(train).refused(&["tiny.pth", "layer4.0.conv1.weight is [5, 16, 1, 1], not [6, 16, 1, 1]"]);
    place.write("wide.toml", text.replace("stem = \"large\"", "stem = \"small\""));
    place.run(train).refused(&["tiny.pth", "conv1.weight is [2, 3, 7, 7], not [2, 3, 3, 3]"]);
    place.write("wide.toml", text.replace("tiny.pth", "absent.pth"));
    place.run(train).refused(&["absent.pth"]);
    assert!(!place.path("model/fusion-cosine.safetensors").exists());
}
