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
    let (mut networks, mut euclidean, mut recoveries) = (0, 0, 0);
    for folder in folders() {
        for verdict in verify(&folder, &Device::flex(), None).expect("a case") {
            assert!(verdict.passes(), "{}: {verdict}", folder.display());
            networks += usize::from(matches!(verdict, Verdict::Fusion(_)));
            euclidean += usize::from(matches!(verdict, Verdict::Fusion(found) if found.metric == Metric::Euclid));
            recoveries += usize::from(matches!(verdict, Verdict::Mopoe(_)));
        }
    }
    assert!(
        networks >= 3 && euclidean >= 1 && recoveries >= 1,
        "four golden cases come with the repository, of both metrics"
    );
}

/// Both released forms of hyper-parameters and both metrics are there; SafeTensors are read below.
#[test]
fn the_cases_come_as_pytorch_saved_them() {
    use FeatureScale::{Free, Unit};
    for (case, heads, scale) in [("polymnist-cosine", 4, Unit), ("mst-cosine", 2, Unit), ("mst-euclid", 2, Free)] {
        let path = own(case).join("downstream/checkpoint_best_acc.ckpt");
        let checkpoint = Checkpoint::read(&std::fs::read(path).expect("a checkpoint")).expect("weights");
        assert_eq!(checkpoint.settings.heads, Some(heads), "{case}");
        assert_eq!(checkpoint.settings.scale, Some(scale), "{case}");
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

/// Weights alone: the metric is told by the folder's name, or else by that of the statistics, which are taken, not those of the other.
#[test]
fn the_metric_of_bare_weights_is_told_by_names() {
    let from = own("mst-euclid");
    let checkpoint = std::fs::read(from.join("downstream/checkpoint_best_acc.ckpt")).expect("a checkpoint");
    let weights = Checkpoint::read(&checkpoint).expect("weights").tensors;
    let place = tempfile::tempdir().expect("a folder");
    for name in ["mst-euclid", "mst"] {
        let folder = place.path().join(name);
        std::fs::create_dir_all(folder.join("gaussian")).expect("a folder");
        for file in ["case.safetensors", "gaussian/subset_gaussian_EU.pt"] {
            std::fs::copy(from.join(file), folder.join(file)).expect("a copy");
        }
        if name == "mst-euclid" {
            let other = "gaussian/subset_gaussian.pt";
            std::fs::copy(own("mst-cosine").join(other), folder.join(other)).expect("a copy");
        }
        write(&folder.join("weights.safetensors"), weights.clone().into_iter().map(entry));
        let verdicts = verify(&folder, &Device::flex(), None).expect("a case");
        let [Verdict::Fusion(found)] = verdicts[..] else { panic!("one network: {verdicts:?}") };
        assert_eq!((found.metric, found.samples), (Metric::Euclid, 32));
        assert!(verdicts[0].passes() && found.guessed.metric, "{name}: {}", verdicts[0]);
    }
}

/// Pictures are as large as the recorded ones. The numbers are those of smaller pictures, so they differ; that they are compared
/// shows that the network was taken up.
#[test]
fn the_size_of_pictures_is_that_of_the_recorded_ones() {
    const TOKENS: usize = 12;
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("polymnist-cosine");
    std::fs::create_dir_all(folder.join("gaussian")).expect("a folder");
    let statistics = "gaussian/subset_gaussian.pt";
    std::fs::copy(own("polymnist-cosine").join(statistics), folder.join(statistics)).expect("a copy");
    let read = |name: &str| std::fs::read(own("polymnist-cosine").join(name)).expect("a file of the case");
    let mut weights = Checkpoint::read(&read("downstream/checkpoint_best_acc.ckpt")).expect("weights").tensors;
    let positions = weights.get_mut("pos_embeddings").expect("positions");
    positions.shape[1] = 1 + 5 * TOKENS;
    positions.values = positions.values.iter().copied().cycle().take((1 + 5 * TOKENS) * 128).collect();
    write(&folder.join("weights.safetensors"), weights.into_iter().map(entry));
    let bytes = read("case.safetensors");
    let case = SafeTensors::deserialize(&bytes).expect("tensors");
    let pictures = |height: usize, width: usize| {
        let entries = case.iter().map(|(name, view)| {
            let (mut shape, mut data) = (view.shape().to_vec(), view.data().to_vec());
            if name.starts_with("input.") {
                shape[2..].copy_from_slice(&[height, width]);
                data.resize(shape.iter().product::<usize>() * 4, 0);
            }
            (name.to_owned(), view.dtype(), shape, data)
        });
        write(&folder.join("case.safetensors"), entries);
        verify(&folder, &Device::flex(), None)
    };
    let found = pictures(64, 48).expect("a network of these pictures");
    assert!(
        matches!(found[..], [Verdict::Fusion(found)] if found.samples > 0 && found.logits.is_finite()),
        "{found:?}"
    );
    let message = pictures(28, 28).expect_err("other pictures").to_string();
    for part in ["pos_embeddings is [1, 61, 128]", "28x28, need [1, 21, 128]", "the network of this case"] {
        assert!(message.contains(part), "{message}");
    }
}

/// A network beside a MoPoE of which nothing was recorded: what could be checked is told, and then who lacks what.
#[test]
fn a_part_that_cannot_be_checked_keeps_no_other_from_being_told() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = changed(place.path(), "mst-cosine", true, |_| ());
    std::fs::copy(own("polymnist-mopoe").join("mopoe.safetensors"), folder.join("mopoe.safetensors")).expect("a copy");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_verify-golden"));
    let output = command.arg(&folder).output().expect("the program runs");
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(out.contains("mst-cosine: same"), "{out}");
    assert!(err.contains("mopoe.safetensors: this MoPoE cannot be checked"), "{err}");
    assert!(err.contains("record mu, logvar") && err.contains("1 of 1 folders cannot be checked"), "{err}");
    assert_eq!(output.status.code(), Some(2));
}

/// `cargo build -p dymo-cli` would build another program.
#[test]
#[cfg(not(any(feature = "wgpu", feature = "cuda", feature = "tch")))]
fn a_device_that_is_not_built_in_names_the_program_that_builds_it() {
    for (device, words) in
        [("wgpu", "`cargo xtask verify-golden --device wgpu DIR…`"), ("tch", "`LIBTORCH_USE_PYTORCH=1 cargo")]
    {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_verify-golden"));
        let output = command.args(["--device", device]).arg(own("mst-cosine")).output().expect("the program runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains(words) && !err.contains("dymo-cli") && err.trim_end().ends_with("--device cpu"), "{err}");
        assert_eq!(output.status.code(), Some(2));
    }
}

/// A tensor to write: name, type, extents, bytes.
type Entry = (String, Dtype, Vec<usize>, Vec<u8>);

fn view((name, dtype, shape, bytes): &Entry) -> (&str, TensorView<'_>) {
    (name, TensorView::new(*dtype, shape.clone(), bytes).expect("as many bytes as values"))
}

/// Weights to write.
fn entry((name, tensor): (String, NamedTensor)) -> Entry {
    (name, Dtype::F32, tensor.shape, tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

fn write(path: &Path, tensors: impl Iterator<Item = Entry>) {
    let tensors: Vec<Entry> = tensors.collect();
    serialize_to_file(tensors.iter().map(view), None, path).expect("a file in a temporary folder");
}
