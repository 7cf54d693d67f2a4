use super::*;
use dymo_core::{Kind, Modality};

const DATA: &str =
    "[data]\nmaker = \"manifest\"\npath = \"rows.csv\"\ngrid = { height = 28, width = 28, colour = \"rgb\" }\n";

fn read(text: &str) -> Result<Experiment, ExperimentError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.toml");
    std::fs::write(&path, text).unwrap();
    Experiment::read(&path)
}

fn refusal(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

fn schema() -> Schema {
    let kind = Kind::Image { height: 28, width: 28, channels: 3 };
    let modalities =
        vec![Modality::new("front", kind.clone()), Modality::new("side", kind.clone()), Modality::new("top", kind)];
    Schema::new(modalities, vec!["well".into(), "ill".into()]).unwrap()
}

#[test]
fn the_shortest_file_has_all_defaults() {
    let experiment = read(DATA).unwrap();
    assert_eq!((experiment.name(), experiment.seed(), experiment.metrics().len()), ("small", 2025, 2));
    assert_eq!(experiment.recoveries(), [RecoveryKind::Guided]);
    assert_eq!(experiment.schedule(Stage::Guided).unwrap().batch, 128);
    assert_eq!(experiment.schedule(Stage::Mopoe), None);
    assert_eq!(experiment.calibration(Metric::Euclid), Calibration::Ratio);
    let layout = experiment.layout(&schema(), Metric::Cosine).unwrap();
    assert_eq!((layout.modalities(), layout.tokens(0), layout.feature_width()), (3, 4, 64));
    assert_eq!(experiment.scenarios(&schema()).unwrap().len(), 4);
}

#[test]
fn effective_settings_read_back_as_the_same_experiment() {
    let text = format!(
        "metrics = [\"euclid\"]\n{DATA}[recovery.mopoe.schedule]\nepochs = 3\npatience = 0\n\
         [recovery.retrieval]\n[evaluation]\nobserved = [[\"front\"]]\n[modality.side]\nencoder = {{ type = \"perceptron\", hidden = 8, token_width = 4 }}\n"
    );
    let experiment = read(&text).unwrap();
    let again = read(&experiment.settings()).unwrap();
    assert_eq!(again.table(), experiment.table());
    assert_eq!(again.schedule(Stage::Mopoe).unwrap().patience, None);
    assert_eq!(again.schedule(Stage::Mopoe).unwrap().learning_rate, 5e-4);
    assert_eq!(again.scenarios(&schema()).unwrap()[4].protocol_name, "only front");
}

#[test]
fn paths_are_seen_from_the_file() {
    let settings = read(DATA).unwrap().source_settings();
    assert!(settings.contains("/rows.csv\"") && !settings.contains("\"rows.csv\""), "{settings}");
}

#[test]
fn an_unknown_key_is_shown_with_its_place() {
    let message = refusal(&format!("{DATA}[fusion]\nwdith = 4\n"));
    assert!(message.contains("small.toml: ") && message.contains("line 6, column 1"), "{message}");
    assert!(message.contains("wdith") && message.contains('^'), "{message}");
    let message = refusal("seed = \"x\"\n");
    assert!(message.contains("line 1") && message.contains("expected u64"), "{message}");
}

#[test]
fn one_refusal_per_rule() {
    let cases = [
        ("metrics = []\n", "", "metrics is []"),
        ("metrics = [\"cosine\", \"cosine\"]\n", "", "each once"),
        ("", "[fusion.schedule]\nepochs = 0\n", "fusion.schedule.epochs is 0, wanted at least 1"),
        ("", "[fusion.schedule]\nlearning_rate = -1.0\n", "learning_rate is -1"),
        ("", "[fusion.loss]\nsubsets_per_batch = 0\n", "subsets_per_batch is 0"),
        ("", "[fusion.loss]\ntemperature = 0.0\n", "temperature is 0"),
        ("", "[recovery.guided.model]\nlabel_weight = nan\n", "label_weight is NaN"),
        ("", "[recovery.retrieval]\nneighbours = 0\n", "neighbours is 0"),
        ("", "[recovery.retrieval]\ndraws = 2\n", "draws is 2, wanted 1, or several neighbours"),
        ("", "[recovery.guided]\ndraws = 3\n", "wanted 1, or draw = \"sample\""),
        ("", "[recovery.hot-deck]\ndraws = 0\n", "hot-deck.draws is 0"),
        ("", "[recovery.neighbours]\nneighbours = 0\n", "neighbours is 0"),
        ("", "[recovery.imi.model]\npenalty = 0.0\n", "penalty is 0"),
        ("", "[recovery.imi.model]\nrounds = 0\n", "rounds is 0"),
        ("", "[recovery.tip.model]\nhidden = 0.0\n", "hidden is 0"),
        ("", "[recovery.tip.schedule]\nbatch = 0\n", "tip.schedule.batch is 0"),
        ("", "[selection]\nmin_gain = 2.0\n", "selection.min_gain is 2"),
        ("", "[evaluation]\nrates = [1.0]\n", "evaluation.rates is 1"),
        ("", "[evaluation]\nrates = []\n", "evaluation.rates is empty"),
        ("", "[evaluation]\narms = []\n", "evaluation.arms"),
        ("", "[evaluation]\nresamples = 0\n", "evaluation.resamples is 0"),
        ("", "[evaluation]\nconfidence = 95.0\n", "evaluation.confidence is 95"),
        ("", "[evaluation.min_gain]\nthresholds = [-1.0]\n", "thresholds is -1"),
        ("", "[statistics]\nlimit = 0\n", "statistics.limit is 0"),
    ];
    for (head, tail, wanted) in cases {
        let message = refusal(&format!("{head}{DATA}{tail}"));
        assert!(message.contains(wanted), "{head}{tail}: {message}");
    }
    let absent = Experiment::read(Path::new("/nowhere.toml")).unwrap_err().to_string();
    assert!(absent.starts_with("/nowhere.toml: ") && absent.contains("name the TOML file"), "{absent}");
}

#[test]
fn what_needs_the_schema_is_refused_with_the_names_that_exist() {
    let check = |tail: &str| read(&format!("{DATA}{tail}")).unwrap().check_schema(&schema()).unwrap_err().to_string();
    let message = check("[modality.back]\n");
    assert!(message.contains("\"back\"") && message.contains("front, side, top"), "{message}");
    assert!(check("[evaluation]\nobserved = [[\"back\"]]\n").contains("evaluation.observed"));
    assert!(check("[evaluation]\ncounts = [3]\n").contains("would leave nothing"));
    assert!(check("[fusion]\nwidth = 10\n").contains("4 heads"));
    assert!(check("[recovery.tip]\n").contains("there is none"));
    assert!(check("[recovery.imi]\n").contains("[recovery.imi]: the imi model recovers tables"));
    assert!(check("[modality.side]\nfill_entries = true\n").contains("modality.side.fill_entries is true"));
    assert!(check("[recovery.hot-deck]\ndraws = 11\n").contains("take fewer draws"));
}

#[test]
fn every_recovery_has_a_table_of_its_own() {
    for kind in RecoveryKind::ALL {
        let experiment = read(&format!("{DATA}[recovery.{kind}]\n")).unwrap();
        assert_eq!(experiment.recoveries(), [kind]);
        assert_eq!(kind.name().parse(), Ok(kind));
        assert_eq!(read(&experiment.settings()).unwrap().table(), experiment.table());
        assert_eq!(experiment.recovery_model(kind.stage()).map(|m| m.kind()), Some(kind));
    }
}

#[test]
fn a_change_is_checked_too() {
    let experiment = read(DATA).unwrap();
    assert_eq!(experiment.with(|t| t.seed = 7).unwrap().seed(), 7);
    assert!(experiment.with(|t| t.metrics.clear()).is_err());
}

/// The encoders of the README, one of each, are those that can be built.
#[test]
fn encoders_are_set_as_the_readme_says() {
    let readme = include_str!("../../../dymo-models/README.md");
    let block = readme.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let experiment = read(&format!("{DATA}{block}")).unwrap();
    let image = |side, channels| Kind::Image { height: side, width: side, channels };
    let column = dymo_core::Column::continuous("age", 50.0, 10.0, [20.0, 80.0]).unwrap();
    let words = dymo_core::Vocabulary::new(["short", "breath"]).unwrap();
    let kinds = [
        ("photo", image(64, 3), 16),
        ("face", image(32, 3), 16),
        ("heart", image(128, 3), 16),
        ("scan", Kind::Volume { height: 64, width: 64, slices: 8 }, 16),
        ("letter", Kind::Text { length: 8, symbols: 71, vocabulary: None }, 1),
        ("note", Kind::Text { length: 16, symbols: 3, vocabulary: Some(words) }, 1),
        ("clinic", Kind::Table { columns: dymo_core::Columns::new(vec![column]).unwrap() }, 1),
    ];
    let modalities = kinds.iter().map(|(name, kind, _)| Modality::new(*name, kind.clone())).collect();
    let schema = Schema::new(modalities, vec!["well".into(), "ill".into()]).unwrap();
    let layout = experiment.layout(&schema, Metric::Cosine).unwrap();
    for (m, (name, _, tokens)) in kinds.iter().enumerate() {
        assert_eq!(layout.tokens(m), *tokens, "{name}");
    }
    let pretrained = experiment.table().modality["heart"].pretrained.clone().unwrap();
    assert!(pretrained.is_absolute() && pretrained.ends_with("resnet50.pth"));
    // Without a word of settings: by kind, and large pictures by more layers.
    let plain = read(DATA).unwrap();
    let layout = plain.layout(&schema, Metric::Cosine).unwrap();
    assert_eq!((0..7).map(|m| layout.tokens(m)).collect::<Vec<_>>(), [16, 4, 16, 16, 1, 1, 1]);
    assert!(matches!(layout.inputs()[5].encoder, EncoderSettings::Words { .. }));
}
