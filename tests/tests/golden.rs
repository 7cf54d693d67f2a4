//! Golden cases: what the published PyTorch implementation computed, reproduced by the engine and the selector.
//!
//! Those under `tests/golden` always run; further folders are named, separated by colons, in the variable `DYMO_GOLDEN`.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use dymo_models::fusion::FeatureScale;
use dymo_models::published::{Checkpoint, NamedTensor};
use dymo_reward::Metric;
use dymo_tests::{Verdict, verify};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(own("")).expect("tests/golden").map(|entry| entry.expect("a folder").path()).collect();
    if let Some(more) = std::env::var_os("DYMO_GOLDEN") {
        folders.extend(std::env::split_paths(&more));
    }
    folders.sort();
    folders
}

#[test]
fn the_published_numbers_and_choices_are_made() {
    let (mut networks, mut recoveries) = (0, 0);
    for folder in folders() {
        for verdict in verify(&folder, &Device::flex(), None).expect("a case") {
            assert!(verdict.passes(), "{}: {verdict}", folder.display());
            networks += usize::from(matches!(verdict, Verdict::Fusion(_)));
            recoveries += usize::from(matches!(verdict, Verdict::Mopoe(_)));
        }
    }
    assert!(networks >= 2 && recoveries >= 1, "three golden cases come with the repository");
}

/// Both released forms of hyper-parameters are there; SafeTensors are read in the Euclidean case below.
#[test]
fn the_cases_come_as_pytorch_saved_them() {
    for (case, heads) in [("polymnist-cosine", 4), ("mst-cosine", 2)] {
        let path = own(case).join("downstream/checkpoint_best_acc.ckpt");
        let checkpoint = Checkpoint::read(&std::fs::read(path).expect("a checkpoint")).expect("weights");
        assert_eq!(checkpoint.settings.heads, Some(heads), "{case}");
        assert_eq!(checkpoint.settings.scale, Some(FeatureScale::Unit), "{case}");
        assert!(!own(case).join("weights.safetensors").exists(), "the checkpoint is read");
    }
}

fn own(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(case)
}

/// A copy of a case, without its checkpoint if that is not wanted, and with its tensors changed.
fn changed(place: &Path, name: &str, checkpoint: bool, change: impl Fn(&mut Vec<Entry>)) -> PathBuf {
    let (from, folder) = (own("mst-cosine"), place.join(name));
    let files = ["gaussian/subset_gaussian.pt", "downstream/checkpoint_best_acc.ckpt"];
    for file in &files[..1 + usize::from(checkpoint)] {
        std::fs::create_dir_all(folder.join(file).parent().expect("a folder")).expect("a folder");
        std::fs::copy(from.join(file), folder.join(file)).expect("a copy");
    }
    let bytes = std::fs::read(from.join("case.safetensors")).expect("a case");
    let case = SafeTensors::deserialize(&bytes).expect("tensors");
    let entry = |(name, view): (&str, TensorView<'_>)| {
        (name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec())
    };
    let mut entries: Vec<Entry> = case.iter().map(entry).collect();
    change(&mut entries);
    write(&folder.join("case.safetensors"), entries.into_iter());
    folder
}

/// The tensor of that name.
fn at<'e>(entries: &'e mut [Entry], name: &str) -> &'e mut Entry {
    entries.iter_mut().find(|entry| entry.0 == name).expect("a tensor of the case")
}

#[test]
fn extents_that_do_not_fit_are_refused_by_name() {
    let place = tempfile::tempdir().expect("a folder");
    let refused = |name: &str, parts: &[&str], change: &dyn Fn(&mut Vec<Entry>)| {
        let folder = changed(place.path(), name, true, change);
        let message = verify(&folder, &Device::flex(), None).expect_err(name).to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    };
    refused("flat", &["input.svhn has extents [64, 3072]", "[64, 3, 32, 32]"], &|entries| {
        at(entries, "input.svhn").2 = vec![64, 3072];
    });
    refused("short", &["input.svhn has extents [63, 3, 32, 32]"], &|entries| {
        let (_, _, shape, bytes) = at(entries, "input.svhn");
        shape[0] = 63;
        bytes.truncate(63 * 3072 * 4);
    });
    refused("empty", &["without samples"], &|entries| {
        for (_, _, shape, bytes) in entries.iter_mut().filter(|entry| entry.2.first() == Some(&64)) {
            shape[0] = 0;
            bytes.clear();
        }
    });
    refused("narrow", &["2 modalities, the network has 3"], &|entries| {
        let (_, _, shape, bytes) = at(entries, "missing");
        *shape = vec![64, 2];
        bytes.truncate(128);
    });
    refused("nothing", &["everything is missing of sample 0"], &|entries| {
        at(entries, "missing").3[..3].fill(1);
    });
}

/// Attention heads are those of the released network of that width, whatever the folder is called, and the verdict says so.
#[test]
fn what_weights_alone_do_not_say_is_guessed_aloud() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = changed(place.path(), "of-another-name", false, |_| ());
    let bytes = std::fs::read(own("mst-cosine").join("downstream/checkpoint_best_acc.ckpt")).expect("a checkpoint");
    let weights = Checkpoint::read(&bytes).expect("weights").tensors;
    let entry = |(name, tensor): (String, NamedTensor)| {
        (name, Dtype::F32, tensor.shape, tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    };
    write(&folder.join("weights.safetensors"), weights.into_iter().map(entry));
    let verdicts = verify(&folder, &Device::flex(), None).expect("a case");
    let text = verdicts[0].to_string();
    assert!(verdicts[0].passes() && text.contains("guessed: 2 heads"), "{text}");
    let said = verify(&own("mst-cosine"), &Device::flex(), None).expect("a case")[0].to_string();
    assert!(!said.contains("guessed"), "{said}");
}

/// Statistics whose name says the other metric are not read, those of the case are.
#[test]
fn statistics_of_the_other_metric_are_left_alone() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = changed(place.path(), "mst-cosine", true, |_| ());
    let gaussian = folder.join("gaussian");
    std::fs::remove_file(gaussian.join("subset_gaussian.pt")).expect("a file");
    std::fs::write(gaussian.join("subset_gaussian_EU.pt"), "of another metric").expect("a file");
    let verdicts = verify(&folder, &Device::flex(), None).expect("a case");
    assert!(verdicts[0].passes(), "{}", verdicts[0]);
}

#[test]
fn a_folder_that_cannot_be_checked_keeps_none_from_being_checked() {
    let place = tempfile::tempdir().expect("a folder");
    let stray = place.path().join("notes.txt");
    std::fs::write(&stray, "no case").expect("a file");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_verify-golden"));
    let output = command.arg(&stray).arg(own("mst-cosine")).arg(place.path()).output().expect("the program runs");
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(out.contains("mst-cosine: same"), "{out}");
    assert!(err.contains("notes.txt") && err.contains("2 of 3 folders cannot be checked"), "{err}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_folder_without_a_case_is_refused() {
    let place = tempfile::tempdir().expect("a folder");
    let message = verify(place.path(), &Device::flex(), None).expect_err("no case").to_string();
    assert!(message.contains("case.safetensors"), "{message}");
}

/// `cargo xtask portability` reads these lines.
#[test]
fn verdicts_are_printed_for_machines() {
    let own = own("mst-cosine");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_verify-golden"));
    let output = command.args(["--json", "--time", "8"]).arg(&own).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(0));
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    assert_eq!((&line["same"], &line["samples"], &line["differing_decisions"]), (&true.into(), &64.into(), &0.into()));
    assert!(line["largest_difference"].as_f64().is_some_and(|d| d > 0.0 && d < 1e-4), "{line}");
    assert!(line["selected_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{line}");
    assert!(line["folder"].as_str().is_some_and(|folder| folder.ends_with("mst-cosine")) && line["words"].is_string());
}

/// By what the projection head of the cosine network is multiplied, a power of two: as it is, its features lie so far apart in the
/// Euclidean metric that posteriors are saturated and hardly anything is taken.
const SCALE: f32 = 0.25;

/// The Euclidean metric, as the published code computed it in that mode. `tests/golden-numbers/mst-euclid` holds its numbers alone:
/// inputs and weights are those of `mst-cosine` ([`SCALE`] apart), put together here to the folder of a case. The statistics were
/// fitted on that case's 64 samples; recorded are 64 decisions about them under other masks, kept as in every case only where the
/// published code in single and in double precision agrees.
#[test]
fn the_euclidean_metric_is_reproduced_with_its_own_statistics() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (numbers, other) = (tests.join("golden-numbers/mst-euclid"), tests.join("golden/mst-cosine"));
    let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).expect("a file of the case");
    let place = tempfile::tempdir().expect("a folder");
    // The metric is told by the folder's name, or else by that of the statistics.
    for name in ["mst-euclid", "mst"] {
        let folder = place.path().join(name);
        std::fs::create_dir_all(folder.join("gaussian")).expect("a folder");
        for (from, file) in [(&numbers, "subset_gaussian_EU.pt"), (&other, "subset_gaussian.pt")] {
            if name.contains("euclid") || file.contains("_EU") {
                let file = format!("gaussian/{file}");
                std::fs::write(folder.join(&file), read(from, &file)).expect("statistics");
            }
        }
        let checkpoint = Checkpoint::read(&read(&other, "downstream/checkpoint_best_acc.ckpt")).expect("a checkpoint");
        write(
            &folder.join("weights.safetensors"),
            checkpoint.tensors.iter().map(|(name, tensor)| {
                let factor = if name.starts_with("projection.") { SCALE } else { 1.0 };
                let values = tensor.values.iter().flat_map(|value| (value * factor).to_le_bytes()).collect();
                (name.clone(), Dtype::F32, tensor.shape.clone(), values)
            }),
        );
        let (recorded, inputs) = (read(&numbers, "case.safetensors"), read(&other, "case.safetensors"));
        write(&folder.join("case.safetensors"), case(&recorded, &inputs).into_iter());

        let verdicts = verify(&folder, &Device::flex(), None).expect("a case");
        let [Verdict::Fusion(found)] = verdicts[..] else { panic!("one network: {verdicts:?}") };
        assert_eq!((found.metric, found.samples), (Metric::Euclid, 64));
        assert!(verdicts[0].passes(), "{name}: {}", verdicts[0]);
    }
}

/// A tensor to write: name, type, extents, bytes.
type Entry = (String, Dtype, Vec<usize>, Vec<u8>);

fn view((name, dtype, shape, bytes): &Entry) -> (&str, TensorView<'_>) {
    (name, TensorView::new(*dtype, shape.clone(), bytes).expect("as many bytes as values"))
}

fn write(path: &Path, tensors: impl Iterator<Item = Entry>) {
    let tensors: Vec<Entry> = tensors.collect();
    serialize_to_file(tensors.iter().map(view), None, path).expect("a file in a temporary folder");
}

/// What was recorded, with the inputs of the samples that its tensor `sample` numbers.
fn case(recorded: &[u8], inputs: &[u8]) -> Vec<Entry> {
    let [recorded, inputs] = [recorded, inputs].map(|bytes| SafeTensors::deserialize(bytes).expect("tensors"));
    let numbers = recorded.tensor("sample").expect("the samples' numbers");
    let numbers = numbers.data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b) as usize).collect::<Vec<_>>();
    let mut entries = Vec::new();
    for (name, tensor) in recorded.iter() {
        entries.push((name.to_owned(), tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec()));
    }
    for (name, tensor) in inputs.iter().filter(|(name, _)| name.starts_with("input.")) {
        let width = tensor.data().len() / tensor.shape()[0];
        let data = numbers.iter().flat_map(|n| &tensor.data()[n * width..(n + 1) * width]).copied().collect();
        let shape = [&[numbers.len()], &tensor.shape()[1..]].concat();
        entries.push((name.to_owned(), tensor.dtype(), shape, data));
    }
    entries
}
