//! `dymo import`, on a released checkpoint and its statistics.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use dymo_models::published::{Checkpoint, NamedTensors};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

use crate::place::Place;

/// A golden case, as PyTorch saved it.
fn released(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/mst-cosine").join(name);
    path.canonicalize().expect("the golden case").to_string_lossy().into_owned()
}

fn other(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/polymnist-cosine").join(name)
}

/// The other one, with the foreign configuration object beside its weights that released checkpoints have.
fn configured() -> String {
    other("downstream/checkpoint_best_acc.ckpt").to_string_lossy().into_owned()
}

fn weights() -> NamedTensors {
    Checkpoint::read(&std::fs::read(configured()).unwrap()).unwrap().tensors
}

/// A SafeTensors file of weights, with settings beside them or not.
fn write(place: &Place, name: &str, tensors: &NamedTensors, settings: Option<HashMap<String, String>>) {
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let raw: Vec<_> = tensors.iter().map(|(name, t)| (name, t.shape.clone(), bytes(&t.values))).collect();
    let views = raw.iter().map(|(name, shape, data)| (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    serialize_to_file(views, settings, &place.path(name)).unwrap();
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
    let statistics = other("gaussian/subset_gaussian.pt").to_string_lossy().into_owned();
    let mopoe = other("../polymnist-mopoe/mopoe.safetensors").to_string_lossy().into_owned();
    place.run(&format!("import {} {statistics} {mopoe} --out model", configured())).well();
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
    let weights = weights();
    write(&place, "weights.safetensors", &weights, None);
    place.run("import weights.safetensors --out model --metric cosine").refused(&["attention heads", "--heads"]);
    place.run("import weights.safetensors --out model --heads 4").refused(&["metric", "--metric"]);
    place.run(&format!("import {} --out model --picture 60x60", configured())).refused(&[
        "pos_embeddings is [1, 21, 128]",
        "60x60 need [1, 81, 128]",
        "--picture",
    ]);
    let mut broken = weights.clone();
    broken.retain(|name, _| name != "classifier.bias" && !name.starts_with("transformer.1.attn.qkv"));
    let wide = broken.get_mut("transformer.0.mlp.fc1.weight").unwrap();
    (wide.shape, wide.values) = (vec![512, 127], vec![0.0; 512 * 127]);
    write(&place, "broken.safetensors", &broken, None);
    place.run("import broken.safetensors --out model").refused(&[
        "missing: classifier.bias, transformer.1.attn.qkv.weight;",
        "transformer.0.mlp.fc1.weight is [512, 127], not [512, 128]",
    ]);
    let mut broken = weights.clone();
    broken.get_mut("transformer.1.mlp.fc2.bias").unwrap().values[3] = f32::NAN;
    write(&place, "broken.safetensors", &broken, None);
    place
        .run("import broken.safetensors --out model --heads 4 --metric cosine")
        .refused(&["not all numbers are finite in transformer.1.mlp.fc2.bias: these weights"]);
    place.run("import experiment.toml --out model").refused(&["experiment.toml", "no pickle"]);
    place.run(&format!("import {network} --out model --classes a,b")).refused(&["--classes", "10 classes"]);
    assert_eq!(place.names("model"), Vec::<String>::new());
}

#[test]
fn weights_without_settings_are_taken_with_flags() {
    let place = Place::new();
    let weights = weights();
    write(&place, "weights.safetensors", &weights, None);
    place.run("import weights.safetensors --out model --metric cosine --heads 4").well();
    assert!(place.run("inspect model/model.json").well().out.contains("m0, m1, m2, m3, m4"));
    // Or the settings stand in the file.
    let settings =
        [("transformer_heads", "4"), ("distance_metric", "squared_euclidean"), ("modality_names", "a, b, c, d, e")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut named = NamedTensors::new();
    for (name, tensor) in weights {
        let renamed = ["a", "b", "c", "d", "e"].iter().enumerate().find_map(|(number, letter)| {
            Some(format!("m_encoders.{letter}.{}", name.strip_prefix(&format!("m_encoders.{number}."))?))
        });
        named.insert(renamed.unwrap_or(name), tensor);
    }
    write(&place, "settled.safetensors", &named, Some(settings.into()));
    place.run("import settled.safetensors --out settled").well();
    let shown = place.run("inspect settled/model.json").well().out;
    assert!(shown.contains("a, b, c, d, e") && shown.contains("euclid"), "{shown}");
}

/// A released folder has the statistics of both metrics: which are whose is told by their names.
#[test]
fn statistics_of_the_other_metric_are_never_taken() {
    let place = Place::new();
    let statistics = std::fs::read(released("gaussian/subset_gaussian.pt")).unwrap();
    for name in ["subset_gaussian.pt", "subset_gaussian_EU.pt", "again_gaussian.pt", "unnamed.pt"] {
        std::fs::write(place.path(name), &statistics).unwrap();
    }
    let network = released("downstream/checkpoint_best_acc.ckpt");
    // The network is a cosine one.
    let alone = format!("import {network} subset_gaussian_EU.pt --out model");
    place.run(&alone).refused(&["subset_gaussian_EU.pt: by its name", "euclid", "cosine", "import subset_gaussian.pt"]);
    place.run(&format!("import {network} subset_gaussian.pt again_gaussian.pt --out model")).refused(&[
        "again_gaussian.pt",
        "second",
        "same metric",
    ]);
    place.run("import subset_gaussian_EU.pt --metric cosine --out model").refused(&["--metric says cosine"]);
    place.run("import unnamed.pt --out model").refused(&["unnamed.pt", "--metric"]);
    assert_eq!(place.names("model"), Vec::<String>::new());

    let both = format!("import subset_gaussian_EU.pt {network} subset_gaussian.pt --out model");
    let out = place.run(&both).well().out;
    assert!(out.contains("class statistics, cosine: subset_gaussian.pt"), "{out}");
    assert!(out.contains("left out") && out.matches("class statistics").count() == 1, "{out}");
    let names = place.names("model");
    assert!(names.iter().any(|name| name == "statistics-cosine.json"), "{names:?}");
    assert!(!names.iter().any(|name| name == "statistics-euclid.json"), "{names:?}");
    // Into a model that has both networks, both come.
    place.run(&format!("import {network} subset_gaussian_EU.pt --metric euclid --out model")).well();
    assert!(place.names("model").iter().any(|name| name == "statistics-euclid.json"));
    place.run(&format!("import {network} unnamed.pt --out other")).well();
}

#[test]
fn a_part_of_a_network_alone_asks_for_its_checkpoint() {
    let place = Place::new();
    let mopoe = other("../polymnist-mopoe/mopoe.safetensors").to_string_lossy().into_owned();
    let statistics = released("gaussian/subset_gaussian.pt");
    for part in [&mopoe, &statistics] {
        place.run(&format!("import {part} --out model")).refused(&["no fusion network", part, "import the checkpoint"]);
    }
    let tensor = |names: &[&str]| names.iter().map(|name| (name.to_string(), weights()["cls_token"].clone())).collect();
    write(&place, "others.safetensors", &tensor(&["encoders.a.x.weight", "decoders.b.x.weight"]), None);
    place.run("import others.safetensors --out model").refused(&["modalities a, b", "dymo train recovery"]);
    write(&place, "part.safetensors", &tensor(&["prototypes", "overall_prototypes"]), None);
    place
        .run("import part.safetensors --out model --metric cosine")
        .refused(&["part.safetensors", "class statistics are missing: dist_std, subset_missing"]);
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
    let out = place.run(&format!("import {} statistics.safetensors --out model", configured())).well().out;
    assert!(
        out.contains("statistics.safetensors: the spread of class 0 for subset {0} is 0 (and 309 more are)"),
        "{out}"
    );
    assert!(out.contains("`--edges defined`") && out.contains("`edges = \"defined\"`"), "{out}");
}

/// Statistics of some subsets only: the first sample that asks about another could not be decided.
#[test]
fn subsets_without_statistics_are_named_and_nothing_is_written() {
    let place = Place::new();
    let bytes = std::fs::read(other("case.safetensors")).unwrap();
    let case = SafeTensors::deserialize(&bytes).unwrap();
    let names = ["prototypes", "overall_prototypes", "dist_std", "subset_missing"];
    let without_last = |rows: usize| {
        let tensors = names.map(|name| {
            let tensor = case.tensor(name).unwrap();
            let (mut shape, mut data) = (tensor.shape().to_vec(), tensor.data());
            if name != "overall_prototypes" {
                data = &data[..data.len() / shape[0] * (shape[0] - rows)];
                shape[0] -= rows;
            }
            (name, TensorView::new(tensor.dtype(), shape, data).unwrap())
        });
        serialize_to_file(tensors, None, &place.path("statistics.safetensors")).unwrap();
        place.run(&format!("import {} statistics.safetensors --out model", configured()))
    };
    without_last(1).refused(&["statistics.safetensors: no class statistics for subset {0,1,2,3,4}; fetch"]);
    without_last(12).refused(&["no class statistics for subset {", ", 4 more; fetch"]);
    assert_eq!(place.names("model"), Vec::<String>::new());
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
