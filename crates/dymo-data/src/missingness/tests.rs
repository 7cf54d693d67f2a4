//! Mechanisms, entry masks, and samples seen through them.

use std::sync::Arc;

use super::*;
use crate::samples::{ReadError, Samples, check_read};
use dymo_core::{Column, Columns, Kind, Modality, ModalitySet, Schema};
use proptest::prelude::*;

/// A table of `age` (standard, -1.5..1.5) and `stage`, and a dot as bright as the age. Odd samples are ill.
struct Made {
    schema: Schema,
    n: usize,
}

fn made(n: usize) -> Arc<dyn Samples> {
    let columns = vec![
        Column::continuous("age", 0.0, 1.0, [-2.0, 2.0]).unwrap(),
        Column::categorical("stage", ["a", "b"]).unwrap(),
    ];
    let modalities = vec![
        Modality::new("dot", Kind::Image { height: 1, width: 1, channels: 1 }),
        Modality::new("clinic", Kind::Table { columns: Columns::new(columns).unwrap() }),
    ];
    let schema = Schema::new(modalities, vec!["well".into(), "ill".into()]).unwrap();
    Arc::new(Made { schema, n })
}

fn age(index: usize) -> f32 {
    (index * 7919 % 1000) as f32 / 1000.0 * 3.0 - 1.5
}

impl Samples for Made {
    fn schema(&self) -> &Schema {
        &self.schema
    }
    fn len(&self) -> usize {
        self.n
    }
    fn label(&self, index: usize) -> usize {
        index % 2
    }
    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        check_read(self, index, modality, out)?;
        match modality {
            0 => out[0] = age(index),
            _ => out.copy_from_slice(&[age(index), if index.is_multiple_of(5) { f32::NAN } else { 1.0 }]),
        }
        Ok(())
    }
    fn id(&self, index: usize) -> String {
        index.to_string()
    }
}

fn mechanism(json: &str) -> Mechanism {
    serde_json::from_str(json).unwrap()
}

/// Share of missing `age` entries among the young and the old half, and among the well and the ill.
fn rates(json: &str) -> [f64; 4] {
    let samples = made(4000);
    let mask = draw_entries(&mechanism(json), &*samples, 1, 3).unwrap();
    let rate = |of: &dyn Fn(usize) -> bool| {
        let chosen: Vec<usize> = (0..4000).filter(|&i| of(i)).collect();
        chosen.iter().filter(|&&i| mask.row(i)[0]).count() as f64 / chosen.len() as f64
    };
    [rate(&|i| age(i) < 0.0), rate(&|i| age(i) >= 0.0), rate(&|i| i % 2 == 0), rate(&|i| i % 2 == 1)]
}

#[test]
fn each_mechanism_depends_on_what_it_says() {
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 0.04, "{found} / {wanted}");
    rates(r#"{"mechanism": "completely", "rate": 0.3}"#).into_iter().for_each(|rate| near(rate, 0.3));
    let by_value = rates(r#"{"mechanism": "by-value", "rate": 0.3, "strength": 2.0}"#);
    assert!(by_value[1] > by_value[0] + 0.3, "{by_value:?}");
    near((by_value[0] + by_value[1]) / 2.0, 0.3);
    let by_dot = rates(r#"{"mechanism": "given-observed", "rate": 0.3, "by": "dot", "strength": -2.0}"#);
    assert!(by_dot[0] > by_dot[1] + 0.3, "{by_dot:?}");
    // The driver itself stays.
    assert_eq!(rates(r#"{"mechanism": "given-observed", "rate": 0.3, "by": "clinic.age", "strength": 2.0}"#), [0.0; 4]);
    let by_label = rates(r#"{"mechanism": "by-label", "rates": {"ill": 0.6}}"#);
    assert_eq!(by_label[2], 0.0);
    near(by_label[3], 0.6);
    let pattern = r#"{"mechanism": "patterns", "patterns": [{"missing": ["age"], "weight": 1.0}, {"missing": [], "weight": 3.0}]}"#;
    rates(pattern).into_iter().for_each(|rate| near(rate, 0.25));
}

#[test]
fn exactly_is_exact() {
    let samples = made(10);
    let exactly = Mechanism::Exactly { rate: 0.5 };
    let kept = draw_modalities(&exactly, &*samples, 1).unwrap();
    // 10 of 20 go; a sample that would lose both keeps one.
    let gone: usize = kept.iter().map(|set| 2 - set.len()).sum();
    assert!(gone <= 10 && kept.iter().all(|set| !set.is_empty()), "{kept:?}");
    assert_eq!(draw_modalities(&exactly, &*samples, 1).unwrap(), kept);
    assert_ne!(draw_modalities(&exactly, &*samples, 2).unwrap(), kept);
}

#[test]
fn modalities_go_by_their_own_value() {
    let samples = made(2000);
    let kept = draw_modalities(&Mechanism::ByValue { rate: 0.4, strength: 3.0 }, &*samples, 1).unwrap();
    let rate = |old: bool| {
        let all: Vec<usize> = (0..2000).filter(|&i| (age(i) >= 0.0) == old).collect();
        all.iter().filter(|&&i| !kept[i].contains(0)).count() as f64 / all.len() as f64
    };
    assert!(rate(true) > rate(false) + 0.3, "{} {}", rate(true), rate(false));
    let all = draw_modalities(&Mechanism::Completely { rate: 1.0 }, &*samples, 1).unwrap();
    assert!(all.iter().all(|set| set.len() == 1));
}

#[test]
fn one_refusal_per_rule() {
    let samples = made(3);
    let refused = |json: &str| draw_modalities(&mechanism(json), &*samples, 0).unwrap_err().to_string();
    assert!(refused(r#"{"mechanism": "completely", "rate": 1.5}"#).starts_with("missing rate 1.5"));
    assert!(
        refused(r#"{"mechanism": "given-observed", "rate": 0.5, "by": "clinic.sex", "strength": 1}"#)
            .contains("by names \"clinic.sex\"")
    );
    assert!(
        refused(r#"{"mechanism": "by-label", "rates": {"dead": 0.5}}"#)
            .contains("rates names \"dead\", the samples have well, ill")
    );
    assert!(refused(r#"{"mechanism": "patterns", "patterns": []}"#).contains("no pattern has a weight"));
    assert!(
        refused(r#"{"mechanism": "patterns", "patterns": [{"missing": ["x"], "weight": 1}]}"#)
            .contains("patterns names \"x\"")
    );
    assert!(refused(r#"{"mechanism": "patterns", "patterns": [{"missing": [], "weight": -1}]}"#).contains("weight -1"));
    let strength = draw_modalities(&Mechanism::ByValue { rate: 0.5, strength: f64::NAN }, &*samples, 0).unwrap_err();
    assert!(strength.to_string().starts_with("strength NaN"));
    // Entries that go missing by the mean of all entries would take what decides with them.
    let own = mechanism(r#"{"mechanism": "given-observed", "rate": 0.5, "by": "clinic", "strength": 1}"#);
    assert_eq!(
        draw_entries(&own, &*samples, 1, 0).unwrap_err().to_string(),
        "by names \"clinic\", the table whose entries go missing, so it would not be observed; \
         name one of its columns (clinic.age, clinic.stage), or another modality"
    );
    assert!(draw_modalities(&own, &*samples, 0).is_ok(), "as a whole it stays");
    let table = draw_entries(&Mechanism::Completely { rate: 0.5 }, &*samples, 0, 0).unwrap_err().to_string();
    assert!(table.contains("modality dot is no table"), "{table}");
    assert!(draw_entries(&Mechanism::Completely { rate: 0.5 }, &*samples, 9, 0).is_err());
    assert!(serde_json::from_str::<Mechanism>(r#"{"mechanism": "completely", "rates": 0.5}"#).is_err());
}

#[test]
fn masked_samples_lose_entries_and_modalities() {
    let samples = made(3);
    let names: Vec<String> = ["age", "stage"].map(String::from).into();
    let mask = EntryMask::read(&b"stage,age\n0,1\n1,0\n1,1\n"[..], &names).unwrap();
    let present = vec![ModalitySet::full(2), ModalitySet::single(1), ModalitySet::full(2)];
    let masked = Masked::new(samples.clone(), Some(present), vec![(1, mask.clone())]).unwrap();
    let seen: Vec<String> = (0..3).map(|i| masked.observed(i).to_string()).collect();
    // Sample 0 had no stage, and loses its age.
    assert_eq!(seen, ["{0}", "{1}", "{0}"]);
    let mut row = [0.0; 2];
    masked.read(1, 1, &mut row).unwrap();
    assert!(row[0] == age(1) && row[1].is_nan());
    assert!(matches!(masked.read(0, 1, &mut row), Err(ReadError::Missing { .. })));
    assert!(matches!(masked.read(1, 0, &mut [0.0]), Err(ReadError::Missing { .. })));
    assert!(Masked::new(made(4), None, vec![(1, mask.clone())]).is_err());
    assert!(Masked::new(samples.clone(), None, vec![(0, mask.clone())]).is_err());
    assert!(Masked::new(samples, None, vec![(7, mask)]).is_err());
}

/// A sample of which nothing but the table is known keeps one of its entries.
#[test]
fn nobody_loses_everything() {
    let present = (0..200).map(|i| if i % 2 == 0 { ModalitySet::single(1) } else { ModalitySet::full(2) }).collect();
    let tables: Arc<dyn Samples> = Arc::new(Masked::new(made(200), Some(present), Vec::new()).unwrap());
    let mask = draw_entries(&Mechanism::Completely { rate: 1.0 }, &*tables, 1, 7).unwrap();
    let masked = Masked::new(tables, None, vec![(1, mask)]).unwrap();
    for i in 0..200 {
        let left = if i % 2 == 0 { 1 } else { 0 };
        assert_eq!(masked.observed(i), ModalitySet::single(left), "sample {i}");
    }
}

#[test]
fn mask_files_of_entries_are_checked() {
    let names: Vec<String> = ["a", "b"].map(String::from).into();
    let refused = |text: &str| EntryMask::read(text.as_bytes(), &names).unwrap_err().to_string();
    assert!(refused("").contains("the first row names []"));
    assert!(refused("0,1\n").contains("wanted [\"a\", \"b\"]"));
    assert!(refused("a,b\n0\n").starts_with("line 2: 1 columns"));
    assert!(refused("a,b\n0,no\n").starts_with("line 2, column 2: \"no\""));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_written_is_read(rate in 0.0..=1.0f64, n in 0usize..30, seed: u64) {
        let mask = draw_entries(&Mechanism::Completely { rate }, &*made(n), 1, seed).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entries.csv");
        mask.write(&path, None).unwrap();
        prop_assert_eq!(EntryMask::open(&path, mask.columns()).unwrap(), mask.clone());
        let ids: Vec<String> = (0..mask.len()).map(|i| i.to_string()).collect();
        mask.write(&path, Some(&ids)).unwrap();
        prop_assert_eq!(EntryMask::open(&path, mask.columns()).unwrap().of(&ids).unwrap(), mask);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let names = ["a".to_owned(), "b".to_owned()];
        let _ = EntryMask::read(&bytes[..], &names);
        let _ = EntryMask::read(&[b"a,b\n", &bytes[..]].concat()[..], &names);
    }

    #[test]
    fn the_mean_probability_is_the_rate(rate in 0.01..0.99f64, strength in -20.0..20.0f64, seed: u64) {
        let samples = made(500);
        let kept = draw_modalities(&Mechanism::ByValue { rate, strength }, &*samples, seed).unwrap();
        prop_assert!(kept.iter().all(|set| !set.is_empty()));
        let mask = draw_entries(&Mechanism::ByValue { rate, strength }, &*samples, 1, seed).unwrap();
        let missing = (0..500).filter(|&i| mask.row(i)[0]).count() as f64 / 500.0;
        // Six standard errors of 500 draws.
        prop_assert!((missing - rate).abs() < 6.0 * (rate * (1.0 - rate) / 500.0).sqrt() + 0.01, "{missing} {rate}");
    }
}
