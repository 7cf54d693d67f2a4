//! Ways of going missing, each drawn once.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use dymo_data::{Samples, Splits, complete};
use dymo_train::experiment::{Experiment, RecoveryKind, Scenario, Shown};
use dymo_train::trust::{HeldOut, Look};

use super::judged;

/// A scenario, and the samples as it leaves them.
pub(crate) struct Case {
    /// Its rate is known, be it one that was found.
    pub scenario: Scenario,
    pub shown: Shown,
}

impl Case {
    /// Lets it happen to samples of an experiment.
    pub(crate) fn new(
        experiment: &Experiment,
        mut scenario: Scenario,
        samples: &Arc<dyn Samples>,
    ) -> anyhow::Result<Self> {
        let place = || format!("{}: {}", experiment.path().display(), scenario.protocol_name);
        let shown = scenario.missing.show(samples, experiment.seed()).with_context(place)?;
        if scenario.rate.is_nan() {
            // Four digits: it is a figure that was found, not one that was set.
            scenario.rate = (shown.rate(&scenario.missing, samples.as_ref())? * 1e4).round() / 1e4;
        }
        Ok(Self { scenario, shown })
    }

    /// All of them.
    pub(crate) fn all(
        experiment: &Experiment,
        scenarios: Vec<Scenario>,
        samples: &Arc<dyn Samples>,
    ) -> anyhow::Result<Vec<Self>> {
        scenarios.into_iter().map(|scenario| Self::new(experiment, scenario, samples)).collect()
    }
}

/// All cases as looks at the same samples.
pub(crate) fn looks<'a>(cases: impl IntoIterator<Item = &'a Case>) -> HeldOut<'a> {
    let look = |case: &'a Case| Look {
        samples: case.shown.samples.as_ref(),
        present: &case.shown.present,
        at_random: case.scenario.missing.is_at_random(),
    };
    HeldOut { looks: cases.into_iter().map(look).collect() }
}

/// The case of the first protocol in which most goes missing.
pub(crate) fn hardest<'a>(cases: &[&'a Case]) -> Option<&'a Case> {
    let name = &cases.first()?.scenario.protocol_name;
    let first = cases.iter().filter(|case| case.scenario.protocol_name == *name);
    first.max_by(|a, b| a.scenario.rate.total_cmp(&b.scenario.rate)).copied()
}

/// That entries are to be filled where nothing ever is.
pub(crate) fn unfilled(experiment: &Experiment, splits: &Splits) -> Option<String> {
    let name = experiment.fill_entries().next().filter(|_| splits.train.schema().modalities().len() == 1)?;
    Some(format!(
        "modality.{name}.fill_entries does nothing here: a table that is all that is observed keeps its gaps, and there is no other modality"
    ))
}

/// Lets everything go missing once, so that what cannot be done is said before anything is trained.
pub(crate) fn rehearse(experiment: &Experiment, splits: &Splits) -> anyhow::Result<()> {
    let retrieves = experiment.recoveries().contains(&RecoveryKind::Retrieval);
    if retrieves && complete(splits.train.as_ref()).next().is_none() {
        bail!(
            "{}: [recovery.retrieval] takes from training samples with every modality, and there is none: leave it out",
            experiment.path().display()
        );
    }
    let samples = judged(experiment, splits);
    Case::all(experiment, experiment.scenarios(samples.schema())?, &samples)?;
    Case::all(experiment, experiment.drawn_scenarios(samples.schema())?, &splits.validation)?;
    Ok(())
}
