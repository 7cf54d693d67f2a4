//! The model card: `README.md`, written from what `model.json` says and from nothing else.

use std::fmt::Write;

use dymo_reward::Edges;

use super::error::metric_name;
use super::{Contents, Provenance};
use crate::experiment::StatisticsSamples;
use crate::trainer::Schedule;

/// The card as Markdown.
pub(super) fn write(contents: &Contents) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = fill(&mut text, contents);
    text
}

fn modalities(count: usize) -> String {
    match count {
        1 => "one modality".into(),
        n => format!("{n} modalities, any of which may be missing,"),
    }
}

fn fill(out: &mut String, contents: &Contents) -> std::fmt::Result {
    let Contents { name, schema, fusion, recovery, .. } = contents;
    writeln!(out, "# Model card: {name}\n")?;
    writeln!(
        out,
        "Classifies samples of {} into {} classes. What is missing is recovered, and selected sample by sample (DyMo). This file \
         is written by `dymo` together with the weights.\n",
        modalities(schema.modalities().len()),
        schema.classes().len()
    )?;
    writeln!(out, "* **Modalities**")?;
    for modality in schema.modalities() {
        let shape = modality.kind().shape();
        writeln!(
            out,
            "    * `{}`, {} × {} × {} (height, width, channels)",
            modality.name(),
            shape[0],
            shape[1],
            shape[2]
        )?;
    }
    writeln!(out, "* **Classes**: {}\n", schema.classes().join(", "))?;
    writeln!(
        out,
        "| part | file | weights of epoch | of at most | steps | batch | learning rate | samples | seed | hours | device |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|---|")?;
    for part in fusion {
        row(out, &format!("fusion network, {}", metric_name(part.metric)), &part.file, &part.provenance)?;
    }
    for part in recovery {
        row(out, &format!("recovery, {}", part.model.kind()), &part.file, &part.provenance)?;
    }
    writeln!(out)?;
    for part in fusion.iter().filter(|part| !part.provenance.pretrained.is_empty()) {
        let list = part.provenance.pretrained.join("; ");
        writeln!(out, "`{}` started from published weights: {list}.\n", part.file)?;
    }
    for part in fusion {
        match &part.statistics {
            Some(s) if s.samples == 0 => writeln!(out, "`{}`: class statistics of `{}`, imported.", s.file, part.file)?,
            Some(s) => writeln!(
                out,
                "`{}`: class statistics of `{}`, fitted on {} training samples{}.",
                s.file,
                part.file,
                s.samples,
                match s.of {
                    StatisticsSamples::Complete => "",
                    StatisticsSamples::Observed => ", each for the subsets of modalities that it has",
                }
            )?,
            None => writeln!(out, "`{}` has no class statistics yet: run `dymo fit-statistics`.", part.file)?,
        }
        if part.edges == Edges::Published {
            writeln!(
                out,
                "Where numbers run out, decisions with `{}` are those of the published code; `edges = \"defined\"` under \
                 `[selection]` of an experiment takes ours instead.",
                part.file
            )?;
        }
    }
    for part in &contents.trust {
        writeln!(
            out,
            "`{}`: threshold on the reward, temperature and prediction sets for {} recovery and the {} metric, fitted on {} held-out samples.",
            part.file,
            part.recovery,
            metric_name(part.metric),
            part.samples
        )?;
    }
    for part in recovery.iter().filter(|part| part.model.holds_samples()) {
        writeln!(out, "`{}` **holds training samples as they are**: give it away only where they may go.", part.file)?;
    }
    if let Some(sample) = &contents.sample {
        writeln!(
            out,
            "\n`{}`: inputs of {} test samples, without names and labels, and in `{}` what the model answers: `dymo model verify` \
             asks again.",
            sample.inputs, sample.samples, sample.answers
        )?;
    }
    data(out, contents)?;
    out.push_str(if contents.trust.is_empty() { UNCALIBRATED } else { CALIBRATED });
    out.push_str(LIMITS);
    Ok(())
}

fn row(out: &mut String, part: &str, file_name: &str, p: &Provenance) -> std::fmt::Result {
    if let Some(file) = &p.imported {
        return writeln!(out, "| {part}, imported from {file} | `{}` | {} | | | | | | | | |", file_name, p.epoch);
    }
    if p.schedule == Schedule::in_one_go() {
        let (hours, Provenance { seed, steps, samples, device, .. }) = (p.seconds / 3600.0, p);
        return writeln!(
            out,
            "| {part} | `{file_name}` | | | {steps} | | | {samples} | {seed} | {hours:.2} | {device} |"
        );
    }
    let Provenance { seed, schedule, epoch, steps, seconds, samples, device, .. } = p;
    let (epochs, batch, rate, hours) = (schedule.epochs, schedule.batch, schedule.learning_rate, seconds / 3600.0);
    writeln!(
        out,
        "| {part} | `{file_name}` | {epoch} | {epochs} | {steps} | {batch} | {rate} | {samples} | {seed} | {hours:.2} | {device} |"
    )
}

/// The data settings, once where all parts agree.
fn data(out: &mut String, contents: &Contents) -> std::fmt::Result {
    let parts = contents.fusion.iter().map(|p| &p.provenance).chain(contents.recovery.iter().map(|p| &p.provenance));
    let mut settings: Vec<&str> = parts.map(|p| p.data.as_str()).collect();
    settings.sort_unstable();
    settings.dedup();
    writeln!(
        out,
        "\n## Data\n\nTrained on samples of these data; how many, and how many of them complete, stands beside each part above.\n"
    )?;
    for text in settings {
        writeln!(out, "```toml\n{}\n```\n", text.trim_end())?;
    }
    Ok(())
}

const UNCALIBRATED: &str = "\
Nothing is fitted on held-out samples yet (`dymo calibrate`): probabilities are not calibrated, and nothing is promised of them.
";

const CALIBRATED: &str = "\
What was fitted on held-out samples holds for samples like those, with modalities missing in the same way.
";

const LIMITS: &str = "
## Use and limits

```text
dymo inspect FOLDER/model.json           what is in it
dymo model verify FOLDER                 whether it is what was written, and answers as it did then
dymo evaluate EXPERIMENT.toml --model FOLDER --out RESULTS
dymo predict FOLDER DATA --out predictions.csv
```

The weights know the data named above and nothing else; results on other data are unknown. Recovered modalities are guesses of a
generative model: a picture that looks real may show the wrong class, most often where much is missing. Selection is greedy and
rests on class statistics that assume one mode a class.
`sha256sum --check SHA256SUMS` tells whether the files are those that were written.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_modality_is_never_missing() {
        assert_eq!(modalities(1), "one modality");
        assert_eq!(modalities(2), "2 modalities, any of which may be missing,");
    }
}
