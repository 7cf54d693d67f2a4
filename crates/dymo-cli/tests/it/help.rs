//! Help, completions, settings.

use crate::place::Place;

#[test]
fn help_lists_the_verbs_and_explains_by_example() {
    let help = Place::new().run("--help").well().out;
    for verb in [
        "demo",
        "train",
        "fit-statistics",
        "calibrate",
        "cross-validate",
        "evaluate",
        "predict",
        "inspect",
        "model",
        "report",
        "data",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} is not in:\n{help}");
    }
    assert!(help.contains("Exit codes: 0 done"));
    let help = Place::new().run("train fusion --help").well().out;
    assert!(help.contains("dymo train fusion experiment.toml --out model --resume"), "{help}");
    assert!(!help.contains("checkpoint-every"), "meant for tests");
}

#[test]
fn completions_know_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(Place::new().run(&format!("completions {shell}")).well().out.contains("fit-statistics"), "{shell}");
    }
}

#[test]
fn settings_are_shown_with_the_flags_over_the_file() {
    let place = Place::new();
    let line = "evaluate experiment.toml --out results --rates 0.3 --seed 9 --show-settings";
    let shown = place.run(line).well().out;
    assert!(shown.contains("seed = 9") && shown.contains("rates = [0.3]"), "{shown}");
    assert!(shown.contains("least_improvement = 0.0001"), "defaults are filled in: {shown}");
    assert_eq!(place.names("results"), Vec::<String>::new(), "nothing was done");
    let shown = place.run("train fusion experiment.toml --out m --epochs 7 --show-settings").well().out;
    assert!(shown.contains("epochs = 7"), "{shown}");
    assert!(place.run("train experiment.toml --show-settings").well().out.contains("seed = 2025"));
    assert_eq!(place.names("model"), Vec::<String>::new(), "nothing was done");
}

#[test]
fn wrong_flags_are_told_by_their_name() {
    let place = Place::new();
    place.run("evaluate experiment.toml --out r --device gpu").refused(&["gpu", "cuda:N"]);
    #[cfg(not(any(feature = "wgpu", feature = "cuda", feature = "tch")))]
    for (device, remedy) in [("wgpu", "--features wgpu"), ("cuda:1", "--features cuda"), ("tch", "torch==2.9.0")] {
        let line = format!("evaluate experiment.toml --out r --device {device}");
        place.run(&line).refused(&[&format!("without {device}: build it"), remedy, "or use --device cpu"]);
    }
    place.run("train recovery nonsense experiment.toml --out m").refused(&["nonsense", "guided, mopoe"]);
    assert_eq!(place.run("frobnicate").code, Some(2));
}
