//! Golden cases: what the published PyTorch implementation computed, reproduced by the engine and the selector.
//!
//! Those under `tests/golden` always run; further folders are named, separated by colons, in the variable `DYMO_GOLDEN`.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use dymo_tests::{Verdict, verify};

fn folders() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(own).expect("tests/golden").map(|entry| entry.expect("a folder").path()).collect();
    if let Some(more) = std::env::var_os("DYMO_GOLDEN") {
        folders.extend(std::env::split_paths(&more));
    }
    folders.sort();
    folders
}

#[test]
fn the_published_numbers_and_choices_are_made() {
    let mut networks = 0;
    for folder in folders() {
        for verdict in verify(&folder, &Device::flex(), None).expect("a case") {
            assert!(verdict.passes(), "{}: {verdict}", folder.display());
            networks += usize::from(matches!(verdict, Verdict::Fusion(_)));
        }
    }
    assert!(networks >= 2, "two golden cases come with the repository");
}

#[test]
fn a_checkpoint_and_its_tensors_give_the_same() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let checkpoint = own.join("mst-cosine/downstream/checkpoint_best_acc.ckpt");
    assert!(checkpoint.exists(), "one case comes as PyTorch saved it");
    // The other case comes as SafeTensors: both readers are tested.
    assert!(own.join("polymnist-cosine/weights.safetensors").exists());
}

#[test]
fn a_folder_without_a_case_is_refused() {
    let place = tempfile::tempdir().expect("a folder");
    let message = verify(place.path(), &Device::flex(), None).expect_err("no case").to_string();
    assert!(message.contains("case.safetensors"), "{message}");
}
