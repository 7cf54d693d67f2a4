//! A page that explains predictions one by one. It is written as they come: a beginning, a piece of HTML for each sample, an end,
//! so that a table of any length needs no more memory than one sample.

use askama::Template;

use crate::error::ReportError;
use crate::findings::percent;
use crate::gallery::{Round, ShownModality};
use crate::page::cards::{RoundView, View, round, tile, view};

/// The beginning of the page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExplainedRun {
    /// Title of the page.
    pub title: String,
    /// The command that was given.
    pub command: String,
    /// `(name, words)`: model, recovery, what decides, and the like.
    pub facts: Vec<(String, String)>,
    /// What a reader must know, the limits of the page among it.
    pub notes: Vec<String>,
}

/// One sample, explained.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExplainedSample {
    /// How the sample is called.
    pub id: String,
    /// Why there is no prediction; everything below is then not read.
    pub error: Option<String>,
    /// What is odd about it; may be empty.
    pub warning: String,
    /// The class predicted.
    pub prediction: String,
    /// The class predicted from what was observed.
    pub prediction_from_observed: String,
    /// Probability of the prediction as the network gives it.
    pub probability: f64,
    /// The same, calibrated; `None` where nothing was fitted.
    pub confidence: Option<f64>,
    /// The prediction set; `None` where none was fitted.
    pub set: Option<Vec<String>>,
    /// What the set promises, in words.
    pub promise: String,
    /// How the prediction moved, beginning with what was observed.
    pub steps: Vec<Step>,
    /// What was let in or kept out and why, a sentence each.
    pub decisions: Vec<String>,
    /// What to acquire next, the most telling first.
    pub acquire: Vec<String>,
    /// Its modalities; none beyond the number of samples that are shown with pictures.
    pub modalities: Vec<ExplainedModality>,
    /// Selection round by round; as the modalities.
    pub rounds: Vec<Round>,
}

/// The answer for what had been let in so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What joined: "observed: scan", "note".
    pub joined: String,
    /// The class predicted.
    pub predicted: String,
    /// Its probability.
    pub probability: f64,
    /// Probability of the class that is predicted in the end.
    pub probability_of_final: f64,
}

/// A modality as a person can look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedModality {
    /// Name, where it came from, what it looks like.
    pub shown: ShownModality,
    /// The cells of a table, in place of its content.
    pub cells: Vec<ExplainedCell>,
}

/// A value of a table beside what was observed in training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedCell {
    /// Name of the column.
    pub name: String,
    /// The value, in its unit.
    pub value: String,
    /// What was observed: "34 to 88", or the categories.
    pub usual: String,
    /// Whether the value lies outside.
    pub outside: bool,
}

#[derive(Template)]
#[template(path = "explain_head.html")]
struct Head<'a> {
    run: &'a ExplainedRun,
}

#[derive(Template)]
#[template(path = "explain_sample.html")]
struct One<'a> {
    sample: &'a ExplainedSample,
    moved: bool,
    probability: String,
    confidence: Option<String>,
    set: Option<String>,
    steps: Vec<StepView<'a>>,
    tiles: Vec<TileView<'a>>,
    rounds: Vec<RoundView<'a>>,
}

struct StepView<'a> {
    step: &'a Step,
    probability: String,
    of_final: String,
}

struct TileView<'a> {
    name: &'a str,
    class: &'static str,
    badge: &'static str,
    view: View<'a>,
    cells: &'a [ExplainedCell],
}

#[derive(Template)]
#[template(path = "explain_tail.html")]
struct Tail<'a> {
    words: &'a str,
}

impl ExplainedRun {
    /// The beginning of the page, up to the first sample.
    ///
    /// # Errors
    /// [`ReportError::Page`], which no value is known to cause.
    pub fn head(&self) -> Result<String, ReportError> {
        Ok(Head { run: self }.render()?)
    }

    /// The end of the page: `words` say how much of the run it shows.
    ///
    /// # Errors
    /// As [`ExplainedRun::head`].
    pub fn tail(words: &str) -> Result<String, ReportError> {
        Ok(Tail { words }.render()?)
    }
}

impl ExplainedSample {
    /// Its piece of the page.
    ///
    /// # Errors
    /// As [`ExplainedRun::head`].
    pub fn html(&self) -> Result<String, ReportError> {
        let step =
            |step| StepView { step, probability: sure(step.probability), of_final: sure(step.probability_of_final) };
        let one = One {
            sample: self,
            moved: self.prediction != self.prediction_from_observed,
            probability: sure(self.probability),
            confidence: self.confidence.map(sure),
            set: self.set.as_ref().map(|set| if set.is_empty() { "no class".into() } else { set.join(", ") }),
            steps: self.steps.iter().map(step).collect(),
            tiles: self.modalities.iter().map(TileView::of).collect(),
            rounds: self.rounds.iter().enumerate().map(|(i, r)| round(i + 1, r)).collect(),
        };
        Ok(one.render()?)
    }
}

/// A probability in per cent that is never rounded up to certainty.
fn sure(probability: f64) -> String {
    if (0.9995..1.0).contains(&probability) { "over 99.9\u{a0}%".into() } else { percent(probability) }
}

impl<'a> TileView<'a> {
    fn of(modality: &'a ExplainedModality) -> Self {
        let tile = tile(&modality.shown);
        Self {
            name: tile.name,
            class: tile.class,
            badge: tile.badge,
            view: view(&modality.shown.content),
            cells: &modality.cells,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Picture, State};

    fn sample() -> ExplainedSample {
        let shown = |name: &str, content, accepted| ShownModality {
            name: name.into(),
            state: State::Recovered,
            accepted,
            content,
            truth: None,
        };
        let picture = Picture::from_values([1, 2, 1], &[0.0, 1.0]).expect("a picture");
        let cell = |name: &str, value: &str, outside| ExplainedCell {
            name: name.into(),
            value: value.into(),
            usual: "34 to 88".into(),
            outside,
        };
        ExplainedSample {
            id: "<b>s1</b>".into(),
            prediction: "ill".into(),
            prediction_from_observed: "well".into(),
            probability: 0.91,
            confidence: Some(0.84),
            set: Some(vec!["ill".into(), "well".into()]),
            promise: "at least 90 %".into(),
            steps: vec![Step {
                joined: "observed: scan".into(),
                predicted: "well".into(),
                probability: 0.6,
                probability_of_final: 0.4,
            }],
            decisions: vec!["clinic kept out: quality fell".into()],
            acquire: vec!["observing clinic would change".into()],
            modalities: vec![
                ExplainedModality { shown: shown("scan", Content::Picture(picture), true), cells: Vec::new() },
                ExplainedModality {
                    shown: shown("clinic", Content::Text(String::new()), false),
                    cells: vec![cell("age", "99", true), cell("weight", "70", false)],
                },
            ],
            ..ExplainedSample::default()
        }
    }

    #[test]
    fn a_sample_says_what_why_and_how_it_moved() {
        let html = sample().html().expect("a piece of a page");
        for words in [
            "&#60;b&#62;s1",
            "84.0\u{a0}%",
            "ill, well",
            "at least 90 %",
            "observed: scan",
            "data:image/png;base64,",
            "99",
            "observed 34 to 88",
            "outside",
            "let in",
            "kept out",
            "clinic kept out: quality fell",
            "observing clinic would change",
        ] {
            assert!(html.contains(words), "{words} is not in {html}");
        }
        assert_eq!(html.matches("class=\"outside\"").count(), 1);
    }

    #[test]
    fn no_rounding_makes_certain() {
        assert_eq!([0.9994, 0.9996].map(sure), ["99.9\u{a0}%", "over 99.9\u{a0}%"]);
    }

    #[test]
    fn an_error_is_all_there_is() {
        let broken = ExplainedSample { error: Some("line 3: no such file".into()), ..sample() };
        let html = broken.html().expect("a piece of a page");
        assert!(html.contains("line 3: no such file") && !html.contains("84.0"), "{html}");
    }

    #[test]
    fn pieces_make_a_whole_page() {
        let run = ExplainedRun { title: "t".into(), notes: vec!["<script>".into()], ..ExplainedRun::default() };
        let page =
            run.head().expect("a head") + &sample().html().expect("one") + &ExplainedRun::tail("all").expect("end");
        assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
        assert!(!page.contains("<script"));
        assert_eq!(page.matches("<article").count(), page.matches("</article>").count());
        assert_eq!(page.matches("<main").count(), page.matches("</main>").count());
    }
}
