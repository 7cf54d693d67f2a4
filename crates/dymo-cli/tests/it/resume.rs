//! A training that was killed, or stopped by Ctrl-C, goes on and ends with the same weights, bit for bit.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::place::{EXPERIMENT, Place, Ran};

const PATIENCE: Duration = Duration::from_secs(120);

pub fn start(place: &Place, line: &str) -> Child {
    place.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts")
}

/// Waits for a file to appear, or to be another than it was.
pub fn wait_for(path: &Path, child: &mut Child) {
    let state = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let (before, began) = (state(path), Instant::now());
    while state(path) == before {
        assert!(child.try_wait().expect("a child").is_none(), "it ended before it could be stopped");
        assert!(began.elapsed() < PATIENCE, "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Trains once in peace and once with kills at several moments; both must leave the same weights.
fn survives_kills(stage: &str, weights: &str, flags: &str) {
    let (peace, war) = (Place::new(), Place::new());
    let line = format!("train {stage} experiment.toml --out model --checkpoint-every 0 {flags}");
    peace.run(&line).well();
    let checkpoint = war.path(&format!("model/checkpoints/{weights}.checkpoint"));
    for (round, pause) in [0, 30, 150].into_iter().enumerate() {
        let resume = if round == 0 { "" } else { " --resume" };
        let mut child = start(&war, &format!("{line}{resume}"));
        wait_for(&checkpoint, &mut child);
        std::thread::sleep(Duration::from_millis(pause));
        child.kill().expect("kill -9");
        let status = child.wait().expect("its end");
        assert!(!status.success(), "it was killed in the middle");
        assert!(!war.path("model/model.json").exists(), "nothing is called a model before it is one");
    }
    war.run(&format!("{line} --resume")).well();
    let file = format!("model/{weights}.safetensors");
    let read = |place: &Place| std::fs::read(place.path(&file)).expect("weights");
    assert!(read(&peace) == read(&war), "{file} differs after kill -9 and --resume");
    let curves = |place: &Place| std::fs::read(place.path("model/history.json")).expect("curves");
    assert!(curves(&peace) == curves(&war), "learning curves differ");
}

#[test]
fn recovery_survives_kill_minus_nine() {
    survives_kills("recovery guided", "guided", "--epochs 4 --batch 16");
}

#[test]
fn fusion_survives_kill_minus_nine() {
    survives_kills("fusion", "fusion-cosine", "--epochs 2 --batch 8");
}

/// Weights of two losses, or of other classes, must not be mixed; more epochs are what resuming is for.
#[test]
fn other_settings_are_not_gone_on_with() {
    let place = Place::new();
    let line = "train fusion experiment.toml --out model --resume";
    place.run(line).well();
    let text = EXPERIMENT.replace("[fusion.schedule]", "[fusion.loss]\nprototype_weight = 0.25\n[fusion.schedule]");
    place.write("experiment.toml", text);
    let wanted = ["fusion-cosine.checkpoint", "[fusion.loss] changed", "--force instead of --resume", "--out"];
    place.run(line).refused(&wanted);
    place.write("experiment.toml", EXPERIMENT.replace("seed = 2025", "seed = 2026"));
    place.run(line).refused(&["fusion-cosine.checkpoint", "[data]", "changed"]);
    place.write("experiment.toml", EXPERIMENT);
    place.run(&format!("{line} --epochs 2")).well();
}

/// What took long to train is not lost to a word that was forgotten.
#[test]
fn a_model_is_not_trained_over_unasked() {
    let place = Place::new();
    let line = "train recovery guided experiment.toml --out model --epochs 1";
    place.run(line).well();
    let weights = || std::fs::read(place.path("model/guided.safetensors")).expect("weights");
    let before = weights();
    place.run(&format!("{line} --seed 9")).refused(&[
        "model: guided is there already",
        "--resume",
        "--force",
        "--out DIR",
    ]);
    assert!(before == weights());
    // Another part is added; and one that was cut short is not begun again unasked either.
    std::fs::remove_dir_all(place.path("model")).expect("removed");
    let mut child = start(&place, "train fusion experiment.toml --out model --checkpoint-every 0");
    wait_for(&place.path("model/checkpoints/fusion-cosine.checkpoint"), &mut child);
    child.kill().expect("kill -9");
    child.wait().expect("its end");
    place.run(line).well();
    place
        .run("train fusion experiment.toml --out model")
        .refused(&["model: fusion-cosine is there already, or has been begun"]);
    place.run(&format!("{line} --seed 9 --force")).well();
    assert!(before != weights());
    // What was forced and cut short goes on, whatever was there before.
    let mut child = start(&place, "train fusion experiment.toml --out model --checkpoint-every 0 --seed 9 --force");
    wait_for(&place.path("model/checkpoints/fusion-cosine.checkpoint"), &mut child);
    child.kill().expect("kill -9");
    child.wait().expect("its end");
    let told = std::fs::read_to_string(place.path("model/model.json")).expect("what is left");
    assert!(!told.contains("fusion-cosine"), "the old network is gone with the command, not half way: {told}");
    place.run("train fusion experiment.toml --out model --seed 9 --resume").well();
    place.run(&format!("{line} --force --resume")).refused(&["--force", "--resume"]);
}

/// Sends Ctrl-C; the command must end by saying how to go on. That line, to be run.
#[cfg(unix)]
pub fn interrupted(child: Child) -> String {
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    let ran = Ran::of(&child.wait_with_output().expect("its end"));
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    let command = ran.err.lines().last().unwrap_or_default().trim();
    assert!(command.starts_with("dymo ") && command.ends_with(" --resume"), "{}", ran.err);
    let words = command.trim_start_matches("dymo ").split(" --datasets").next().unwrap_or_default();
    format!("{words} --resume")
}

/// Behind the networks, too, everything is saved: Ctrl-C says so, and how to go on.
#[test]
#[cfg(unix)]
fn an_interrupt_behind_the_training_says_how_to_go_on() {
    let (peace, stopped) = (Place::new(), Place::new());
    let line = "train experiment.toml --out model";
    peace.run(line).well();
    let mut child = start(&stopped, &format!("{line} --force"));
    wait_for(&stopped.path("model/statistics-cosine.json"), &mut child);
    assert_eq!(interrupted(child), format!("{line} --resume"));
    stopped.run(&format!("{line} --resume")).well();
    let read = |place: &Place, name: &str| std::fs::read(place.path(name)).expect("a file");
    for name in ["model/guided.safetensors", "model/trust-guided-cosine.json", "model/evaluation/records.csv"] {
        assert!(read(&peace, name) == read(&stopped, name), "{name}");
    }
    let predict = "predict model experiment.toml --out p.csv --draws 100";
    peace.run(predict).well();
    let mut child = start(&stopped, predict);
    wait_for(&stopped.path("p.csv.part"), &mut child);
    assert_eq!(interrupted(child), format!("{predict} --resume"));
    stopped.run(&format!("{predict} --resume")).well();
    assert!(read(&peace, "p.csv") == read(&stopped, "p.csv"));
}

/// Ctrl-C saves, says the command that goes on, and that command ends with the same weights.
#[test]
#[cfg(unix)]
fn an_interrupt_saves_and_says_how_to_go_on() {
    let (peace, stopped) = (Place::new(), Place::new());
    let line = "train recovery guided experiment.toml --out model --epochs 4 --batch 16 --checkpoint-every 0";
    peace.run(line).well();
    let mut child = start(&stopped, line);
    wait_for(&stopped.path("model/checkpoints/guided.checkpoint"), &mut child);
    let resumed = interrupted(child);
    assert!(resumed.starts_with("train recovery guided experiment.toml"), "{resumed}");
    stopped.run(&resumed).well();
    let read = |place: &Place| std::fs::read(place.path("model/guided.safetensors")).expect("weights");
    assert!(read(&peace) == read(&stopped), "weights differ after Ctrl-C and --resume");
}
