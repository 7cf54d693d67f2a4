//! The forms of a modality in the engine: several draws of a missing one, and a table with gaps and filled.

use std::sync::Mutex;

use burn::tensor::{Device, Tensor, TensorData};
use dymo_core::{Column, Columns, Kind, ModalitySet};
use dymo_impute::{Donor, Donors};
use dymo_models::encoder::EncoderSettings;
use dymo_models::engine::{Inputs, Session};
use dymo_models::fusion::{EmbeddingRows, FeatureScale, FusionLayout, FusionNetwork, FusionTable, Input};
use dymo_models::recovery::{Lender, LentRecovery, Observed, Offering, Recovery};
use dymo_models::weights::Precision;

const PICTURE: Kind = Kind::Image { height: 8, width: 8, channels: 1 };

fn table() -> Kind {
    let columns = vec![
        Column::continuous("age", 0.0, 1.0, [-3.0, 3.0]).expect("a column"),
        Column::categorical("stage", ["a", "b", "c"]).expect("a column"),
    ];
    Kind::Table { columns: Columns::new(columns).expect("columns") }
}

fn network(device: &Device) -> FusionNetwork {
    let picture = EncoderSettings::Convolutional { widths: vec![4], token_width: 8 };
    let columns = EncoderSettings::Columns { token_width: 8, heads: 2, blocks: 1 };
    let table = FusionTable {
        inputs: vec![Input { kind: PICTURE, encoder: picture }, Input { kind: table(), encoder: columns }],
        width: 8,
        heads: 2,
        blocks: 2,
        feature_width: 4,
        classes: 3,
        scale: FeatureScale::Free,
        embedding_rows: EmbeddingRows::OnePerModality,
    };
    // Seed and draws belong to the whole process, and weights are drawn when they are first used: one test at a time.
    static DRAWING: Mutex<()> = Mutex::new(());
    let _alone = DRAWING.lock().expect("no test has failed while drawing");
    device.seed(3);
    let network = FusionLayout::try_from(table).expect("a layout").init(device);
    let bytes = dymo_models::weights::to_bytes(&network, Precision::Full).expect("weights");
    assert!(!bytes.is_empty());
    network
}

fn picture(sample: usize) -> Vec<f32> {
    (0..64).map(|i| ((i * (sample + 3)) as f32 * 0.37).sin()).collect()
}

/// Samples 0 and 1 have gaps, sample 2 has none; sample 3 has no table, sample 4 nothing else than one with a gap.
fn cells(sample: usize) -> [f32; 2] {
    [[f32::NAN, 2.0], [0.5, f32::NAN], [1.0, 1.0], [9.0, 9.0], [-0.5, f32::NAN]][sample]
}

struct Samples(Device);

impl Inputs for Samples {
    fn read(&self, modality: usize, samples: &[usize]) -> Result<Tensor<2>, String> {
        let row = |s: &usize| if modality == 0 { picture(*s) } else { cells(*s).to_vec() };
        let values: Vec<f32> = samples.iter().flat_map(row).collect();
        let width = values.len() / samples.len();
        Ok(Tensor::from_data(TensorData::new(values, [samples.len(), width]), &self.0))
    }
}

fn recovery(fills: ModalitySet, draws: usize) -> Offering {
    let donor = |i: usize| {
        let row = vec![i as f32 * 0.3 - 1.0, (i % 3) as f32];
        Donor { observed: ModalitySet::full(2), values: vec![picture(i + 20), row] }
    };
    let donors = Donors::new(vec![PICTURE, table()], (0..12).map(donor).collect()).expect("donors");
    Offering::new(Box::new(LentRecovery::new(donors, Lender::HotDeck(4))), fills, draws)
}

fn present() -> Vec<ModalitySet> {
    let both = ModalitySet::full(2);
    vec![both, both, both, ModalitySet::single(0), ModalitySet::single(1)]
}

fn set(forms: &[usize]) -> ModalitySet {
    forms.iter().copied().collect()
}

/// Both routes' answers, which are the same, as numbers.
fn answers(recovery: &Offering, filling: &[ModalitySet], queries: &[(usize, ModalitySet)]) -> Vec<Vec<f32>> {
    let device = Device::flex();
    let (network, inputs, present, ids) = (network(&device), Samples(device.clone()), present(), [10, 11, 12, 13, 14]);
    let session = || Session::new(&network, recovery, &inputs, &present, &ids, device.clone()).filling(filling);
    let fast = session().answer(queries).expect("answers");
    let plain = session().by_operators(device.clone()).answer(queries).expect("answers");
    for ((query, a), b) in queries.iter().zip(&fast).zip(&plain) {
        let close = a.logits.iter().zip(&b.logits).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(close, "{query:?}: {a:?} against {b:?}");
    }
    fast.into_iter().map(|answer| answer.logits).collect()
}

/// What the network says of these inputs.
fn fused(sample: usize, with_picture: bool, row: [f32; 2]) -> Vec<f32> {
    let device = Device::flex();
    let network = network(&device);
    let tensor = |values: Vec<f32>| {
        let width = values.len();
        Tensor::<2>::from_data(TensorData::new(values, [1, width]), &device)
    };
    let mut tokens = Vec::new();
    if with_picture {
        tokens.push(network.tokens(0, tensor(picture(sample))));
    }
    tokens.push(network.tokens(1, tensor(row.to_vec())));
    network.fuse(tokens).logits.into_data().try_to_vec::<f32>().expect("numbers")
}

fn assert_close(what: &str, ours: &[f32], theirs: &[f32]) {
    assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-4), "{what}: {ours:?} against {theirs:?}");
}

/// The table that the hot deck gives to a sample, by its id.
fn drawn(recovery: &Offering, id: u64) -> [f32; 2] {
    let device = Device::flex();
    let inputs = vec![Tensor::<2>::zeros([1, 64], &device)];
    let observed = Observed { present: ModalitySet::single(0), inputs, ids: vec![id] };
    let made = recovery.recover(&observed, ModalitySet::single(1)).expect("recovered").remove(0);
    let row = made.into_data().try_to_vec::<f32>().expect("numbers");
    [row[0], row[1]]
}

#[test]
fn a_table_with_gaps_stands_as_it_is_and_filled() {
    let recovery = recovery(ModalitySet::single(1), 1);
    let t = ModalitySet::single(1);
    let filling = [t, t, ModalitySet::EMPTY, ModalitySet::EMPTY, t];
    let queries =
        [(0, set(&[0])), (0, set(&[0, 1])), (1, set(&[0])), (2, set(&[0, 1])), (4, set(&[1])), (1, set(&[0, 1]))];
    let said = answers(&recovery, &filling, &queries);
    let (zero, one, four) = (drawn(&recovery, 10), drawn(&recovery, 11), drawn(&recovery, 14));
    assert_close("not let in, known entries are seen", &said[0], &fused(0, true, cells(0)));
    assert_close("let in, it is filled, and what is known stays", &said[1], &fused(0, true, [zero[0], 2.0]));
    assert_close("the other one", &said[2], &fused(1, true, cells(1)));
    assert_close("without gaps", &said[3], &fused(2, true, cells(2)));
    assert_close("nothing else is observed", &said[4], &fused(4, false, [-0.5, four[1]]));
    assert_close("its own draw", &said[5], &fused(1, true, [0.5, one[1]]));

    // Without filling a gap is an absent token, whatever is asked.
    let said = answers(&recovery, &[ModalitySet::EMPTY; 5], &queries[..2]);
    assert_close("a table as it is", &said[1], &fused(0, true, cells(0)));
}

#[test]
fn draws_are_candidates_of_their_own() {
    let recovery = recovery(ModalitySet::EMPTY, 3);
    let queries = [(3, set(&[0, 1])), (3, set(&[0, 3])), (3, set(&[0, 5])), (2, set(&[0, 1]))];
    let said = answers(&recovery, &[], &queries);
    assert_close("the first draw has the sample's own id", &said[0], &fused(3, true, drawn(&recovery, 13)));
    assert_close("what is observed is not drawn", &said[3], &fused(2, true, cells(2)));
    let all: Vec<[f32; 2]> = (0..12).map(|i| [i as f32 * 0.3 - 1.0, (i % 3) as f32]).collect();
    for said in &said[1..3] {
        let from_a_donor =
            all.iter().any(|row| fused(3, true, *row).iter().zip(said).all(|(a, b)| (a - b).abs() < 1e-4));
        assert!(from_a_donor, "{said:?}");
    }
    assert!(said[0] != said[1] || said[1] != said[2], "draws differ");
    let device = Device::flex();
    let (network, inputs, present) = (network(&device), Samples(device.clone()), present());
    let mut session = Session::new(&network, &recovery, &inputs, &present, &[0; 5], device.clone());
    assert!(session.answer(&[(3, set(&[0, 7]))]).is_err(), "there is no fourth draw");
}
