//! The gallery's cards.

use crate::gallery::{Candidate, Content, GallerySample, Round, ShownModality, State, Story, Verdict};
use crate::report::Report;
use crate::table::number;
use crate::tables;

/// Samples with the same story.
pub(crate) struct Chapter<'a> {
    pub title: &'static str,
    pub class: &'static str,
    pub cards: Vec<Card<'a>>,
}

pub(crate) struct Card<'a> {
    pub sample: &'a GallerySample,
    pub strip: Vec<Tile<'a>>,
    pub rounds: Vec<RoundView<'a>>,
    /// The first card of a chapter shows its rounds at once.
    pub open: bool,
    pub before_right: bool,
    pub after_right: bool,
}

/// One modality in the strip.
pub(crate) struct Tile<'a> {
    pub name: &'a str,
    pub class: &'static str,
    pub badge: &'static str,
    pub content: View<'a>,
    pub truth: Option<View<'a>>,
}

/// A modality's content, ready for the page: a picture's address or a text.
pub(crate) struct View<'a> {
    pub picture: Option<String>,
    pub text: &'a str,
}

pub(crate) struct RoundView<'a> {
    pub title: String,
    pub candidates: Vec<CandidateView<'a>>,
}

pub(crate) struct CandidateView<'a> {
    pub candidate: &'a Candidate,
    pub class: &'static str,
    pub word: &'static str,
    pub reward: String,
    pub quality: String,
    pub typicality: String,
    pub calibration: String,
}

/// The gallery, story by story; stories without samples are left out.
pub(crate) fn chapters(report: &Report) -> Vec<Chapter<'_>> {
    [
        (Story::Helped, "Selection helped", "better"),
        (Story::DidNotMatter, "It did not matter", "level"),
        (Story::Failed, "It failed", "worse"),
    ]
    .into_iter()
    .filter_map(|(story, title, class)| {
        let own = report.gallery.iter().filter(|s| s.story == story);
        let cards: Vec<Card> = own.enumerate().map(|(i, s)| card(s, i == 0)).collect();
        (!cards.is_empty()).then_some(Chapter { title, class, cards })
    })
    .collect()
}

fn card(sample: &GallerySample, open: bool) -> Card<'_> {
    Card {
        strip: sample.modalities.iter().map(tile).collect(),
        rounds: sample.rounds.iter().enumerate().map(|(i, r)| round(i + 1, r)).collect(),
        open,
        before_right: sample.prediction_before == sample.truth_class,
        after_right: sample.prediction_after == sample.truth_class,
        sample,
    }
}

pub(crate) fn tile(m: &ShownModality) -> Tile<'_> {
    let (class, badge) = match (m.state, m.accepted) {
        (State::Observed, _) => ("observed", "observed"),
        (State::Recovered, true) => ("accepted", "let in"),
        (State::Recovered, false) => ("rejected", "kept out"),
    };
    Tile { name: &m.name, class, badge, content: view(&m.content), truth: m.truth.as_ref().map(view) }
}

pub(crate) fn view(content: &Content) -> View<'_> {
    match content {
        Content::Picture(picture) => View { picture: Some(picture.data_uri()), text: "" },
        Content::Text(text) => View { picture: None, text },
    }
}

pub(crate) fn round(number_: usize, round: &Round) -> RoundView<'_> {
    let title = format!(
        "Round {number_}: with {} the network reads {} (quality {}, typicality {})",
        round.subset,
        round.predicted_before,
        number(round.quality_before),
        number(round.typicality_before),
    );
    RoundView { title, candidates: round.candidates.iter().map(candidate).collect() }
}

fn candidate(c: &Candidate) -> CandidateView<'_> {
    let class = match c.verdict {
        Verdict::Accepted => "accept",
        Verdict::Rejected => "level",
        Verdict::Waiting => "waiting",
    };
    let sign = if c.reward > 0.0 { "+" } else { "" };
    CandidateView {
        candidate: c,
        class,
        word: tables::verdict(c.verdict),
        reward: format!("{sign}{}", number(c.reward)),
        quality: number(c.quality),
        typicality: number(c.typicality),
        calibration: number(c.calibration),
    }
}
