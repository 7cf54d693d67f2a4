//! Where the numbers come from: learning curves, weights, settings, and what a reader must know.

use std::time::Instant;

use dymo_report::{LearningCurve, Provenance};
use dymo_reward::Metric;
use dymo_train::experiment::{RecoveryKind, StatisticsSamples};

use super::Study;
use crate::assemble::BOUND_FLOOR;
use crate::training::metric_name;

impl Study<'_> {
    /// Learning curves of the model: the training loss, and everything on held-out samples.
    pub(super) fn learning_curves(&self) -> Vec<LearningCurve> {
        let mut curves: Vec<LearningCurve> = Vec::new();
        for (stage, history) in self.folder.history() {
            for point in history {
                if point.quantity.starts_with("training: ") && point.quantity != "training: loss" {
                    continue;
                }
                let same = |c: &&mut LearningCurve| c.stage == *stage && c.quantity == point.quantity;
                match curves.iter_mut().find(same) {
                    Some(curve) => curve.points.push((point.epoch, point.value)),
                    None => curves.push(LearningCurve {
                        stage: stage.clone(),
                        quantity: point.quantity.clone(),
                        points: vec![(point.epoch, point.value)],
                    }),
                }
            }
        }
        curves
    }

    pub(super) fn provenance(
        &self,
        recoveries: &[RecoveryKind],
        reader: Metric,
        copies: bool,
        began: Instant,
    ) -> Provenance {
        let table = self.experiment.evaluation();
        let mut notes = vec![
            format!(
                "How often a recovered modality shows the right class is read by the {} fusion network, shown that one modality \
                 and nothing else, on {} samples.",
                metric_name(reader),
                table.coherence_samples
            ),
            format!(
                "The information bound is taken for probabilities mixed with {BOUND_FLOOR} of the uniform distribution, so that \
                 no loss can exceed G; it assumes independent subjects (samples, where nothing else is said) \
                 and says nothing about a single one."
            ),
            "What selection gains is a second opinion: a recovered modality holds nothing that the observed ones do not. The arm \
             of that name asks the recovery model for its opinion directly."
                .to_owned(),
            "The gallery shows the first samples of each story, in the order of the split.".to_owned(),
        ];
        if copies {
            notes.push(
                "Retrieval, the hot deck and a single nearest neighbour fill in what is missing with training samples: what they \
                 show are copies of training data."
                    .into(),
            );
        }
        if table.confidence != 0.95 {
            notes.push(format!(
                "Intervals of this run are at {} %, wherever the page says 95 %.",
                table.confidence * 100.0
            ));
        }
        Provenance {
            title: self.experiment.name().into(),
            command: self.context.command.clone(),
            seed: self.experiment.seed(),
            device: self.context.device_words.clone(),
            threads: self.context.threads,
            duration_seconds: began.elapsed().as_secs_f64(),
            versions: versions(),
            settings_toml: self.experiment.settings(),
            data_note: self.experiment.table().about.clone().unwrap_or_else(|| self.experiment.source_settings()),
            weights_note: self.weights_note(recoveries),
            notes,
        }
    }

    /// Which weights were used, in words.
    fn weights_note(&self, recoveries: &[RecoveryKind]) -> String {
        let mut parts = Vec::new();
        for metric in self.experiment.metrics() {
            if let Ok(part) = self.folder.fusion_part(*metric) {
                parts.push((format!("fusion network, {}", metric_name(*metric)), &part.provenance));
            }
        }
        for kind in recoveries {
            if let Ok(part) = self.folder.recovery_part(*kind) {
                parts.push((format!("{kind} recovery"), &part.provenance));
            }
        }
        let words = parts.iter().map(|(what, p)| {
            format!(
                "{what}: epoch {}, {} steps of {} on {} samples ({})",
                p.epoch, p.steps, p.schedule.batch, p.samples, p.device
            )
        });
        let fitted = self.experiment.metrics().iter().filter_map(|metric| {
            let part = self.folder.fusion_part(*metric).ok()?.statistics.as_ref()?;
            let told = format!(
                "class statistics, {}: {} samples, each for the subsets of modalities that it has",
                metric_name(*metric),
                part.samples
            );
            (part.of == StatisticsSamples::Observed).then_some(told)
        });
        format!("{}: {}.", self.folder.path().display(), words.chain(fitted).collect::<Vec<_>>().join("; "))
    }
}

/// What computed a report.
pub(crate) fn versions() -> Vec<(String, String)> {
    vec![("dymo".into(), env!("CARGO_PKG_VERSION").into()), ("burn".into(), "0.22.1".into())]
}
