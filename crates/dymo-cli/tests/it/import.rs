//! `dymo import`, on a released checkpoint and its statistics.

use std::path::{Path, PathBuf};

use crate::place::Place;

/// The golden case that comes as PyTorch saved it.
fn released(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/mst-cosine").join(name);
    path.canonicalize().expect("the golden case").to_string_lossy().into_owned()
}

fn other(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/polymnist-cosine").join(name)
}

#[test]
fn a_release_becomes_a_model() {
    let place = Place::new();
    let (network, statistics) =
        (released("downstream/checkpoint_best_acc.ckpt"), released("gaussian/subset_gaussian.pt"));
    let out = place.run(&format!("import {statistics} {network} --out model")).well().out;
    assert!(out.contains("fusion network") && out.contains("class statistics, cosine"), "{out}");
    let card = std::fs::read_to_string(place.path("model/README.md")).unwrap();
    assert!(card.contains("imported from checkpoint_best_acc.ckpt") && card.contains("`svhn`, 32 × 32 × 3"), "{card}");
    let out = place.run("inspect model/model.json").well().out;
    assert!(out.contains("mnist, svhn, text") && out.contains("epoch 8"), "{out}");
    // Again, with names of its own.
    place.run(&format!("import {network} --out named --modalities a,b,c --classes 0,1,2,3,4,5,6,7,8,nine")).well();
    assert!(place.run("inspect named/model.json").well().out.contains("a, b, c"));
}

#[test]
fn what_does_not_fit_is_named_and_nothing_is_written() {
    let place = Place::new();
    let network = released("downstream/checkpoint_best_acc.ckpt");
    let statistics = other("gaussian/subset_gaussian.pt").to_string_lossy().into_owned();
    place
        .run(&format!("import {network} {statistics} --out model"))
        .refused(&["subset_gaussian.pt", "number of modalities is 5, the network's 3"]);
    let weights = other("weights.safetensors").to_string_lossy().into_owned();
    place.run(&format!("import {weights} --out model --metric cosine")).refused(&["attention heads", "--heads"]);
    place.run(&format!("import {weights} --out model --heads 4")).refused(&["metric", "--metric"]);
    place
        .run(&format!("import {weights} --out model --heads 4 --metric cosine --picture 60x60"))
        .refused(&["pos_embeddings is [21, 128]"]);
    place.run("import experiment.toml --out model").refused(&["experiment.toml", "no pickle"]);
    place.run(&format!("import {network} --out model --classes a,b")).refused(&["--classes", "10 classes"]);
    assert_eq!(place.names("model"), Vec::<String>::new());
}

#[test]
fn weights_without_settings_are_taken_with_flags() {
    let place = Place::new();
    let weights = other("weights.safetensors").to_string_lossy().into_owned();
    place.run(&format!("import {weights} --out model --metric cosine --heads 4")).well();
    assert!(place.run("inspect model/model.json").well().out.contains("m0, m1, m2, m3, m4"));
}
