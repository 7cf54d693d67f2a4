//! `dymo import`, on a released checkpoint and its statistics.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{TensorView, serialize_to_file};

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

/// Network, statistics and recovery as they were released: the model classifies.
#[test]
fn a_release_with_its_recovery_predicts() {
    let place = Place::new();
    let weights = other("weights.safetensors").to_string_lossy().into_owned();
    let statistics = other("gaussian/subset_gaussian.pt").to_string_lossy().into_owned();
    let mopoe = other("../polymnist-mopoe/mopoe.safetensors").to_string_lossy().into_owned();
    let flags = "--metric cosine --heads 4 --out model";
    place.run(&format!("import {weights} {statistics} {mopoe} {flags}")).well();
    assert!(place.run("inspect model/model.json").well().out.contains("mopoe"));
    place.run("data masks experiment.toml --missing 4 --out masks.csv").well();
    place.run("predict model experiment.toml --masks masks.csv --samples 5 --out p.csv").well();
    let rows = std::fs::read_to_string(place.path("p.csv")).unwrap();
    assert_eq!(rows.lines().count(), 6, "{rows}");
    assert!(rows.contains("accepted") || rows.contains("rejected"), "{rows}");
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

/// A network and statistics of which no class has any spread: where numbers run out, they do so at once.
fn without_spread(place: &Place) {
    let bytes = std::fs::read(other("case.safetensors")).unwrap();
    let case = SafeTensors::deserialize(&bytes).unwrap();
    let names = ["prototypes", "overall_prototypes", "dist_std", "subset_missing"];
    let nothing = vec![0; case.tensor("dist_std").unwrap().data().len()];
    let tensors = names.map(|name| {
        let tensor = case.tensor(name).unwrap();
        let data = if name == "dist_std" { &nothing } else { tensor.data() };
        (name, TensorView::new(tensor.dtype(), tensor.shape().to_vec(), data).unwrap())
    });
    serialize_to_file(tensors, None, &place.path("statistics.safetensors")).unwrap();
    let weights = other("weights.safetensors").to_string_lossy().into_owned();
    place.run(&format!("import {weights} statistics.safetensors --out model --metric cosine --heads 4")).well();
}

/// The published code stops at a spread of 0; ours takes the case by its definition. An imported network decides as published unless
/// told otherwise, one that is trained here by definition, and both say so.
#[test]
fn an_imported_network_decides_as_published_until_told_otherwise() {
    let place = Place::new();
    without_spread(&place);
    let model: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("model/model.json")).unwrap()).unwrap();
    assert_eq!(model["fusion"][0]["edges"], "published");
    assert!(std::fs::read_to_string(place.path("model/README.md")).unwrap().contains("those of the published code"));
    place.run("train recovery guided experiment.toml --out model").well();

    let predict = "predict model experiment.toml --samples 20 --out predictions.csv --json";
    assert!(place.run(&format!("{predict} --show-settings")).well().out.contains("edges = \"published\""));
    place.run(predict).refused(&["spread of class", "with published edges it must be above 0"]);
    let told = format!("{predict} --edges defined");
    assert!(place.run(&format!("{told} --show-settings")).well().out.contains("edges = \"defined\""));
    assert!(place.run(&told).well().out.contains("\"edges\": \"defined\""));

    let evaluate = "evaluate experiment.toml --model model --out results";
    assert!(place.run(&format!("{evaluate} --show-settings")).well().out.contains("edges = \"published\""));
    place.run(evaluate).refused(&["with published edges it must be above 0"]);
    let defined =
        std::fs::read_to_string(place.path("experiment.toml")).unwrap() + "[selection]\nedges = \"defined\"\n";
    place.write("experiment.toml", defined);
    place.run(evaluate).well();
    let beside = std::fs::read_to_string(place.path("results/settings.toml")).unwrap();
    assert!(beside.contains("edges = \"defined\""), "{beside}");
}

#[test]
fn a_trained_network_decides_by_definition() {
    let place = Place::with_model();
    for line in [
        "predict model experiment.toml",
        "evaluate experiment.toml --model model --out results",
        "train experiment.toml --out other",
    ] {
        let shown = place.run(&format!("{line} --show-settings")).well().out;
        assert!(shown.contains("edges = \"defined\""), "{line}: {shown}");
    }
    place.run("evaluate experiment.toml --model model --out results").well();
    let beside = std::fs::read_to_string(place.path("results/settings.toml")).unwrap();
    assert!(beside.contains("edges = \"defined\""), "{beside}");
}
