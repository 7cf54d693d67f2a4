//! A training that was killed, or stopped by Ctrl-C, goes on and ends with the same weights, bit for bit.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::place::{EXPERIMENT, Place, Ran};

const PATIENCE: Duration = Duration::from_secs(120);

/// How often a command may be quicker than what stops it: on a busy machine, whoever waits for a file may be late.
const ATTEMPTS: usize = 10;

/// Runs a command in a place that `clear` prepares, and sends it a signal as soon as it writes a file; what it left. A command that has
/// ended by then begins anew.
pub fn stopped(place: &Place, line: &str, file: &str, signal: &str, clear: impl Fn(&Place)) -> Ran {
    for _ in 0..ATTEMPTS {
        clear(place);
        let mut child = start(place, line);
        wait_for(&place.path(file), &mut child);
        let ran = end(child, signal);
        if ran.code != Some(0) {
            return ran;
        }
    }
    panic!("{line}: it ended before it could be stopped, {ATTEMPTS} times");
}

fn start(place: &Place, line: &str) -> Child {
    place.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts")
}

/// Waits for a file to appear, or to be another than it was, or for the command to end.
fn wait_for(path: &Path, child: &mut Child) {
    let state = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let (before, began) = (state(path), Instant::now());
    while state(path) == before && child.try_wait().expect("a child").is_none() {
        assert!(began.elapsed() < PATIENCE, "no {}", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal; what the command left.
fn end(mut child: Child, signal: &str) -> Ran {
    match signal {
        "KILL" => child.kill().expect("kill -9"),
        _ => {
            let kill =
                std::process::Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
            assert!(kill.expect("kill runs").success());
        }
    }
    Ran::of(&child.wait_with_output().expect("its end"))
}

/// Trains once in peace and once with kills at several moments; both must leave the same weights.
fn survives_kills(stage: &str, weights: &str, flags: &str) {
    let (peace, war) = (Place::new(), Place::new());
    let line = format!("train {stage} experiment.toml --out model --checkpoint-every 0 {flags}");
    peace.run(&line).well();
    let file = format!("model/checkpoints/{weights}.checkpoint");
    let killed = (0..ATTEMPTS).any(|_| killed_in_the_middle(&war, &line, &file));
    assert!(killed, "it ended before it could be stopped, {ATTEMPTS} times");
    war.run(&format!("{line} --resume")).well();
    let file = format!("model/{weights}.safetensors");
    let read = |place: &Place| std::fs::read(place.path(&file)).expect("weights");
    assert!(read(&peace) == read(&war), "{file} differs after kill -9 and --resume");
    let curves = |place: &Place| std::fs::read(place.path("model/history.json")).expect("curves");
    assert!(curves(&peace) == curves(&war), "learning curves differ");
}

/// Begins a training and goes on with it, and kills it at each of three moments; whether it was never quicker.
fn killed_in_the_middle(place: &Place, line: &str, checkpoint: &str) -> bool {
    without_model(place);
    [0, 30, 150].into_iter().enumerate().all(|(round, pause)| {
        let resume = if round == 0 { "" } else { " --resume" };
        let mut child = start(place, &format!("{line}{resume}"));
        wait_for(&place.path(checkpoint), &mut child);
        std::thread::sleep(Duration::from_millis(pause));
        let ran = end(child, "KILL");
        let killed = ran.code.is_none();
        assert!(killed || ran.code == Some(0), "{}", ran.err);
        assert!(!killed || !place.path("model/model.json").exists(), "nothing is called a model before it is one");
        killed
    })
}

/// Nothing is left of an earlier attempt.
fn without_model(place: &Place) {
    without(place, "model");
}

/// Takes a file or a folder away, if it is there.
pub fn without(place: &Place, name: &str) {
    let path = place.path(name);
    let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    assert!(gone.is_ok() || !path.exists(), "{}", path.display());
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
    let (fusion, checkpoint) =
        ("train fusion experiment.toml --out model --checkpoint-every 0", "model/checkpoints/fusion-cosine.checkpoint");
    stopped(&place, fusion, checkpoint, "KILL", without_model);
    place.run(line).well();
    place
        .run("train fusion experiment.toml --out model")
        .refused(&["model: fusion-cosine is there already, or has been begun"]);
    place.run(&format!("{line} --seed 9 --force")).well();
    assert!(before != weights());
    // What was forced and cut short goes on, whatever was there before.
    stopped(&place, &format!("{fusion} --seed 9 --force"), checkpoint, "KILL", |_| ());
    let told = std::fs::read_to_string(place.path("model/model.json")).expect("what is left");
    assert!(!told.contains("fusion-cosine"), "the old network is gone with the command, not half way: {told}");
    place.run("train fusion experiment.toml --out model --seed 9 --resume").well();
    place.run(&format!("{line} --force --resume")).refused(&["--force", "--resume"]);
}

/// Stops a command by Ctrl-C as [`stopped`] does; it must end by saying how to go on. That line, to be run.
#[cfg(unix)]
pub fn interrupted(place: &Place, line: &str, file: &str, clear: impl Fn(&Place)) -> String {
    let ran = stopped(place, line, file, "INT", clear);
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
    let (peace, war) = (Place::new(), Place::new());
    let line = "train experiment.toml --out model";
    peace.run(line).well();
    let forced = format!("{line} --force");
    let resumed = interrupted(&war, &forced, "model/statistics-cosine.json", without_model);
    assert_eq!(resumed, format!("{line} --resume"));
    war.run(&resumed).well();
    let read = |place: &Place, name: &str| std::fs::read(place.path(name)).expect("a file");
    for name in ["model/guided.safetensors", "model/trust-guided-cosine.json", "model/evaluation/records.csv"] {
        assert!(read(&peace, name) == read(&war, name), "{name}");
    }
    let predict = "predict model experiment.toml --out p.csv --draws 100";
    peace.run(predict).well();
    let resumed = interrupted(&war, predict, "p.csv.part", |place| without(place, "p.csv"));
    assert_eq!(resumed, format!("{predict} --resume"));
    war.run(&resumed).well();
    assert!(read(&peace, "p.csv") == read(&war, "p.csv"));
}

/// Ctrl-C saves, says the command that goes on, and that command ends with the same weights.
#[test]
#[cfg(unix)]
fn an_interrupt_saves_and_says_how_to_go_on() {
    let (peace, war) = (Place::new(), Place::new());
    let line = "train recovery guided experiment.toml --out model --epochs 4 --batch 16 --checkpoint-every 0";
    peace.run(line).well();
    let resumed = interrupted(&war, line, "model/checkpoints/guided.checkpoint", without_model);
    assert!(resumed.starts_with("train recovery guided experiment.toml"), "{resumed}");
    war.run(&resumed).well();
    let read = |place: &Place| std::fs::read(place.path("model/guided.safetensors")).expect("weights");
    assert!(read(&peace) == read(&war), "weights differ after Ctrl-C and --resume");
}
