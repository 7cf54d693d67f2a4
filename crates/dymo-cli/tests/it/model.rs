//! `dymo model verify` on a folder that is whole, damaged, old.

use std::path::Path;

use serde_json::Value;

use crate::place::{Place, cut, datasets};

#[test]
fn a_trained_model_answers_its_own_sample() {
    let place = Place::with_model();
    let out = place.run("model verify model").well().out;
    assert!(out.contains("4 samples, 12 answers: largest difference of a probability 0.0e0"), "{out}");
    let card = std::fs::read_to_string(place.path("model/README.md")).unwrap();
    assert!(card.contains("inputs of 4 test samples, without names and labels"), "{card}");

    // Half precision answers a little otherwise, and its own sample as it does.
    place.run("export model --out half").well();
    let out = place.run("model verify half").well().out;
    assert!(out.contains("12 answers: largest difference of a probability 0.0e0"), "{out}");
    let read = |folder: &str| std::fs::read(place.path(folder).join("sample.json")).unwrap();
    assert_ne!(read("half"), read("model"));
}

/// What was fitted for a part goes when the part is trained anew, and what is kept is whole.
#[test]
fn a_part_that_is_replaced_leaves_nothing_behind() {
    let place = Place::with_model();
    place.run("calibrate experiment.toml --model model").well();
    let fitted = |place: &Place| place.names("model").iter().filter(|name| name.starts_with("trust-")).count();
    assert!(fitted(&place) > 0);
    place.run("train recovery guided experiment.toml --out model --epochs 1 --force").well();
    assert_eq!(fitted(&place), 0);
    place.run("model verify model").well();
}

#[test]
fn every_file_that_is_wrong_is_named() {
    let place = Place::with_model();
    std::fs::remove_file(place.path("model/statistics-cosine.json")).unwrap();
    cut(&place.path("model/guided.safetensors"), 1);
    place.write("model/notes.txt", "by hand");
    let ran = place.run("model verify model");
    let wrong = [
        "statistics-cosine.json is listed and missing",
        "guided.safetensors is not as it was written",
        "notes.txt belongs to no part of the model",
        "sample       not asked",
    ];
    for words in wrong {
        assert!(ran.out.contains(words), "{words:?} is not in: {}", ran.out);
    }
    ran.refused(&["model: 3 things are wrong"]);
    place.run("model verify nowhere").refused(&["nowhere", "there is no model"]);
}

/// Whoever changes a weight and writes a new list of checksums is found out by the sample.
#[test]
fn another_answer_is_found() {
    let place = Place::with_model();
    let path = place.path("model/sample.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut answers: Value = serde_json::from_str(&text).unwrap();
    answers["answers"][0]["probabilities"][2][0] = 2.0.into();
    answers["answers"][2]["used"][1] = serde_json::json!(["m0"]);
    std::fs::write(&path, answers.to_string()).unwrap();
    let list = std::fs::read_to_string(place.path("model/SHA256SUMS")).unwrap();
    let sum = dymo_data::checksum::sha256_hex(&std::fs::read(&path).unwrap());
    let line =
        |line: &str| if line.ends_with("sample.json") { format!("{sum}  sample.json\n") } else { format!("{line}\n") };
    place.write("model/SHA256SUMS", list.lines().map(line).collect::<String>());
    let ran = place.run("model verify model");
    assert!(ran.out.contains("answered otherwise: sample 2, cosine metric, guided recovery, discard"), "{}", ran.out);
    assert!(ran.out.contains("decided otherwise: sample 1, cosine metric, guided recovery, selected"), "{}", ran.out);
    ran.refused(&["2 things are wrong"]);
}

#[test]
fn a_folder_without_a_sample_is_checked_as_far_as_it_goes() {
    let place = Place::new();
    place.run("train fusion experiment.toml --out model").well();
    // What a writer that was killed has left is no part of the model, and nothing that is wrong with it.
    place.write("model/.SHA256SUMS.next.ZTpf7W", "half a li");
    let out = place.run("model verify model").well().out;
    assert!(out.contains("sample       none is stored") && out.contains("can be used"), "{out}");
    place.run("model sample experiment.toml --model model").refused(&["nothing was stored", "fit-statistics"]);
    place.run("fit-statistics experiment.toml --model model").well();
    let json: Value = serde_json::from_str(&place.run("model verify model --json").well().out).unwrap();
    assert_eq!((&json["sample"]["state"], &json["sample"]["answers"]), (&"ran".into(), &4.into()), "{json}");
    place.run("model sample experiment.toml --model model --samples 2").well();
    let json: Value = serde_json::from_str(&place.run("model verify model --json").well().out).unwrap();
    assert_eq!(json["sample"]["answers"], 2);
}

/// The weights that come along, as a stranger would check them.
#[test]
fn the_shipped_weights_answer_their_sample() {
    let shipped = Path::new(datasets()).join("pretrained/polymnist");
    let out = Place::new().run(&format!("model verify {}", shipped.display())).well().out;
    assert!(out.contains("4 samples, 48 answers"), "{out}");
}
