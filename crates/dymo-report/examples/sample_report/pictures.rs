//! Synthetic pictures and decisions: digits of seven segments on coloured stripes.

use dymo_report::{
    Candidate, Content, GallerySample, Picture, PictureError, Round, ShownModality, State, Story, Verdict,
};

/// Segments lit for each digit: top, upper left, upper right, middle, lower left, lower right, bottom.
const LIT: [[u8; 7]; 10] = [
    [1, 1, 1, 0, 1, 1, 1],
    [0, 0, 1, 0, 0, 1, 0],
    [1, 0, 1, 1, 1, 0, 1],
    [1, 0, 1, 1, 0, 1, 1],
    [0, 1, 1, 1, 0, 1, 0],
    [1, 1, 0, 1, 0, 1, 1],
    [1, 1, 0, 1, 1, 1, 1],
    [1, 0, 1, 0, 0, 1, 0],
    [1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 0, 1, 1],
];

/// Boxes of the segments in a 28 × 28 picture: left, top, right, bottom.
const BOXES: [[usize; 4]; 7] = [
    [9, 4, 19, 7],
    [8, 5, 11, 14],
    [17, 5, 20, 14],
    [9, 13, 19, 16],
    [8, 14, 11, 24],
    [17, 14, 20, 24],
    [9, 22, 19, 25],
];

/// A digit on the stripes of one view. `sharp` below 1 fades it, as a poor recovery would be.
fn digit(digit: usize, view: usize, sharp: f32) -> Result<Content, PictureError> {
    let ground = [[0.85, 0.55, 0.3], [0.25, 0.5, 0.75], [0.4, 0.65, 0.4], [0.7, 0.6, 0.8], [0.55, 0.45, 0.4]][view % 5];
    let mut values = Vec::with_capacity(28 * 28 * 3);
    for y in 0..28 {
        for x in 0..28 {
            let stripe = 0.12 * ((x + y * (view + 1)) as f32 * 0.7).sin();
            let on = (0..7).any(|s| {
                let [left, top, right, bottom] = BOXES[s];
                LIT[digit % 10][s] == 1 && (left..right).contains(&x) && (top..bottom).contains(&y)
            });
            let ink = if on { sharp * 0.9 } else { 0.0 };
            values.extend(ground.map(|c: f32| (c + stripe) * (1.0 - ink) + ink * (1.0 - c.round())));
        }
    }
    Ok(Content::Picture(Picture::from_values([28, 28, 3], &values)?))
}

/// What a modality of a sample is to be: the digit drawn, and whether it came, was let in, or was kept out.
enum View {
    Came(usize),
    LetIn(usize),
    KeptOut(usize),
}

fn modalities(truth: usize, views: [View; 5]) -> Result<Vec<ShownModality>, PictureError> {
    let shown = |(number, view): (usize, View)| {
        let (state, accepted, drawn, sharp) = match view {
            View::Came(d) => (State::Observed, false, d, 1.0),
            View::LetIn(d) => (State::Recovered, true, d, 0.7),
            View::KeptOut(d) => (State::Recovered, false, d, 0.6),
        };
        let really = if state == State::Recovered { Some(digit(truth, number, 1.0)?) } else { None };
        let content = digit(drawn, number, sharp)?;
        Ok(ShownModality { name: format!("view {number}"), state, accepted, content, truth: really })
    };
    views.into_iter().enumerate().map(shown).collect()
}

fn candidate(
    view: usize,
    q: (f64, f64),
    reads: usize,
    g: f64,
    before: f64,
    verdict: Verdict,
    reason: &str,
) -> Candidate {
    Candidate {
        name: format!("view {view}"),
        quality: q.0,
        typicality: q.1,
        predicted: reads.to_string(),
        calibration: g,
        reward: q.0 * g - before,
        verdict,
        reason: reason.into(),
    }
}

fn round(subset: &str, quality: f64, typicality: f64, reads: usize, candidates: Vec<Candidate>) -> Round {
    Round {
        subset: subset.into(),
        quality_before: quality,
        typicality_before: typicality,
        predicted_before: reads.to_string(),
        candidates,
    }
}

pub fn gallery() -> Result<Vec<GallerySample>, PictureError> {
    use Verdict::{Accepted, Rejected, Waiting};
    use View::{Came, KeptOut, LetIn};
    let helped = GallerySample {
        id: "synthetic 1".into(),
        story: Story::Helped,
        headline: "One view of five came, and it reads as a 1. Two recovered views turn it into the 7 that it is."
            .into(),
        setting: "guided, cosine".into(),
        modalities: modalities(7, [KeptOut(2), LetIn(7), Came(7), KeptOut(1), LetIn(7)])?,
        rounds: vec![
            round(
                "{2}",
                0.412,
                0.081,
                1,
                vec![
                    candidate(
                        0,
                        (0.388, 0.052),
                        2,
                        0.853,
                        0.412,
                        Rejected,
                        "surer of nothing, and further from what a 2 looks like: the reward is negative",
                    ),
                    candidate(
                        1,
                        (0.731, 0.244),
                        7,
                        1.0,
                        0.412,
                        Accepted,
                        "largest reward of the round: more certain, and more typical of a 7 than before of a 1",
                    ),
                    candidate(3, (0.405, 0.032), 1, 0.730, 0.412, Rejected, "less typical of a 1 than before"),
                    candidate(
                        4,
                        (0.655, 0.310),
                        7,
                        1.0,
                        0.412,
                        Waiting,
                        "a positive reward, but view 1 has a larger one",
                    ),
                ],
            ),
            round(
                "{1,2}",
                0.731,
                0.244,
                7,
                vec![candidate(
                    4,
                    (0.903, 0.417),
                    7,
                    1.0,
                    0.731,
                    Accepted,
                    "the only candidate left, with a positive reward",
                )],
            ),
        ],
        truth_class: "7".into(),
        prediction_before: "1".into(),
        prediction_after: "7".into(),
    };
    let level = GallerySample {
        id: "synthetic 2".into(),
        story: Story::DidNotMatter,
        headline: "Two clear views agree; what was recovered adds nothing, and nothing is let in.".into(),
        setting: "guided, cosine".into(),
        modalities: modalities(4, [Came(4), KeptOut(4), KeptOut(9), Came(4), KeptOut(4)])?,
        rounds: vec![round(
            "{0,3}",
            0.998,
            0.702,
            4,
            vec![
                candidate(1, (0.998, 0.655), 4, 0.836, 0.998, Rejected, "as certain, but less typical"),
                candidate(2, (0.941, 0.208), 4, 0.225, 0.998, Rejected, "less certain, and far less typical"),
                candidate(4, (0.998, 0.661), 4, 0.854, 0.998, Rejected, "as certain, but less typical"),
            ],
        )],
        truth_class: "4".into(),
        prediction_before: "4".into(),
        prediction_after: "4".into(),
    };
    let failed = GallerySample {
        id: "synthetic 3".into(),
        story: Story::Failed,
        headline: "A recovery of the wrong class looks typical of it, is let in, and tips a right answer.".into(),
        setting: "guided, euclid".into(),
        modalities: modalities(5, [LetIn(6), Came(5), KeptOut(6), KeptOut(8), KeptOut(5)])?,
        rounds: vec![round(
            "{1}",
            -3.21,
            0.120,
            5,
            vec![
                candidate(
                    0,
                    (-1.78, 0.391),
                    6,
                    1.0,
                    -3.21,
                    Accepted,
                    "largest reward: nearer to a prototype than before, that of the 6",
                ),
                candidate(2, (-4.02, 0.062), 6, 0.517, -3.21, Rejected, "further from every prototype"),
                candidate(
                    3,
                    (-9.40, 2.4e-7),
                    8,
                    2.0e-6,
                    -3.21,
                    Rejected,
                    "hardly any 8 lies so far from its prototype",
                ),
                candidate(
                    4,
                    (-3.40, 0.110),
                    5,
                    0.917,
                    -3.21,
                    Rejected,
                    "slightly less typical than before, though it was right",
                ),
            ],
        )],
        truth_class: "5".into(),
        prediction_before: "5".into(),
        prediction_after: "6".into(),
    };
    Ok(vec![helped, level, failed])
}
