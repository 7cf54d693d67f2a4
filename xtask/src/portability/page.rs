//! `docs/results/portability.md`.

use super::backend::Backend;
use super::golden::Case;
use super::row::{Built, Row, Step};
use super::training::Training;
use crate::machine;

/// What was learnt on the way, written by hand.
const REMARKS: &str = include_str!("remarks.md");

/// The whole page.
pub(crate) fn write(rows: &[Row]) -> String {
    let mut page = String::from("# Other backends\n\n");
    page += "Written by `cargo xtask portability`; the remarks at the end by hand. Each backend is a build of its own. It is given the golden\n";
    page += "cases (decisions and numbers of the published code; the largest difference may be 1e-4) and a short training of small networks,\n";
    page += "whose model is then evaluated once more on the CPU. *selecting* is samples in a second, everything recovered, median of 9 runs\n";
    page += "after one to warm up; *training* is samples in a second, first steps and validation included. Speeds are those of this machine,\n";
    page += "with whatever else was running on it.\n\n";
    page += &format!("* Processor: {}\n\n", machine::processor());
    page += &table(rows);
    page += &notes(rows);
    page += REMARKS;
    page
}

fn table(rows: &[Row]) -> String {
    let cases = names(
        rows.iter()
            .filter_map(|row| done(&row.golden))
            .flatten()
            .filter(|c| c.selected_per_second.is_some())
            .map(|c| &c.name),
    );
    let stages = names(rows.iter().filter_map(|row| done(&row.training)).flat_map(|t| &t.stages).map(|s| &s.name));
    let mut head =
        vec!["".to_owned(), "built".into(), "golden cases".into(), "largest difference".into(), "training".into()];
    head.extend(cases.iter().map(|name| format!("selecting, {name}")));
    head.extend(stages.iter().map(|name| format!("training, {name}")));
    // Words to the left, numbers to the right.
    let numbers = |column: usize| column == 3 || column > 4;
    let rule = |column: usize| if numbers(column) { "---:" } else { "---" }.to_owned();
    let mut text = line(&head) + &line(&(0..head.len()).map(rule).collect::<Vec<_>>());
    for row in rows {
        let mut cells = vec![
            row.backend.title().to_owned(),
            built(&row.built),
            golden(&row.golden),
            difference(&row.golden),
            trained(&row.training),
        ];
        cells.extend(cases.iter().map(|name| {
            let case = done(&row.golden).into_iter().flatten().find(|case| case.name == *name);
            speed(case.and_then(|case| case.selected_per_second))
        }));
        cells.extend(stages.iter().map(|name| {
            let stage = done(&row.training).and_then(|t| t.stages.iter().find(|stage| stage.name == *name));
            speed(stage.map(|stage| stage.samples_per_second))
        }));
        text += &line(&cells);
    }
    text + "\n"
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Each once, in the order in which they come.
fn names<'a>(all: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in all {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn done<T>(step: &Step<T>) -> Option<&T> {
    match step {
        Step::Done(value) => Some(value),
        _ => None,
    }
}

/// A cell: what was done, or that it was not; the notes below the table say why.
fn cell<T>(step: &Step<T>, words: impl FnOnce(&T) -> String) -> String {
    match step {
        Step::Done(value) => words(value),
        Step::Failed(_) => "**failed**".into(),
        Step::Left(_) => "–".into(),
    }
}

fn built(step: &Step<Built>) -> String {
    cell(step, |built| if built.compiled { "yes".into() } else { "type-checked".into() })
}

fn golden(step: &Step<Vec<Case>>) -> String {
    cell(step, |cases| format!("{} of {} same", cases.iter().filter(|case| case.same).count(), cases.len()))
}

fn difference(step: &Step<Vec<Case>>) -> String {
    cell(step, |cases| {
        let finite = cases.iter().all(|case| case.largest_difference.is_some());
        let largest = cases.iter().filter_map(|case| case.largest_difference).fold(0.0, f64::max);
        if finite { format!("{largest:.1e}") } else { "not a number".into() }
    })
}

fn trained(step: &Step<Training>) -> String {
    cell(step, |training| {
        let losses =
            training.stages.iter().map(|stage| format!("{} {:.2} → {:.2}", stage.name, stage.loss.0, stage.loss.1));
        format!("loss of {}", losses.collect::<Vec<_>>().join(", of "))
    })
}

fn speed(rate: Option<f64>) -> String {
    match rate {
        Some(rate) if rate >= 10.0 => format!("{rate:.0}"),
        Some(rate) => format!("{rate:.1}"),
        None => "–".into(),
    }
}

/// A sentence for everything that the table cannot say.
fn notes(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let mut say = |words: String| text += &format!("* {}: {}\n", row.backend.title(), words.trim_end_matches('.'));
        let reasons = [reason(&row.built), reason(&row.golden), reason(&row.training)];
        let remark = done(&row.built).and_then(|built| built.remark.as_deref());
        let mut said: Vec<&str> = Vec::new();
        for why in remark.into_iter().chain(reasons.into_iter().flatten()) {
            if !said.contains(&why) {
                said.push(why);
                say(why.to_owned());
            }
        }
        for case in done(&row.golden).into_iter().flatten().filter(|case| !case.same) {
            say(format!("{} differs: {}", case.name, case.words));
        }
        if let (Some(training), true) = (done(&row.training), row.backend != Backend::Cpu) {
            let points = training.from_cpu * 100.0;
            say(format!(
                "the trained model evaluated on the CPU: no accuracy differs by more than {points:.1} points on {} samples",
                training.evaluated
            ));
        }
    }
    text + "\n"
}

fn reason<T>(step: &Step<T>) -> Option<&str> {
    match step {
        Step::Done(_) => None,
        Step::Failed(why) | Step::Left(why) => Some(why),
    }
}

#[cfg(test)]
mod tests {
    use super::super::training::Stage;
    use super::*;

    #[test]
    fn every_kind_of_row_is_in_the_table() {
        let case = |name: &str, same, largest_difference| Case {
            name: name.into(),
            same,
            largest_difference,
            selected_per_second: Some(1234.5),
            words: "3 differing actions".into(),
        };
        let stage = Stage { name: "guided".into(), loss: (9.0, 7.0), samples_per_second: 4.25 };
        let rows = [
            Row {
                backend: Backend::Cpu,
                built: Step::Done(Built { seconds: 3.0, compiled: true, remark: None }),
                golden: Step::Done(vec![case("a-cosine", true, Some(2e-6)), case("b-euclid", false, None)]),
                training: Step::Done(Training { stages: vec![stage.clone()], from_cpu: 0.0, evaluated: 200 }),
            },
            Row {
                training: Step::Done(Training { stages: vec![stage], from_cpu: 0.005, evaluated: 200 }),
                ..Row::left(Backend::Tch, "none".into())
            },
            Row {
                golden: Step::Failed("error: out of memory".into()),
                ..Row::left(Backend::Wgpu, "install it".into())
            },
            Row {
                built: Step::Done(Built { seconds: 3.0, compiled: false, remark: Some("no driver".into()) }),
                ..Row::left(Backend::Cuda, "no driver".into())
            },
        ];
        let page = write(&rows);
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(lines.len(), 6, "{page}");
        let widths: Vec<usize> = lines.iter().map(|line| line.matches('|').count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{page}");
        assert_eq!(
            lines[0],
            "|  | built | golden cases | largest difference | training | selecting, a-cosine | selecting, b-euclid | training, guided |"
        );
        assert_eq!(
            lines[2],
            "| CPU, pure Rust (`--device cpu`) | yes | 1 of 2 same | not a number | loss of guided 9.00 → 7.00 | 1234 | 1234 | 4.2 |"
        );
        assert!(lines[3].contains("loss of guided"));
        assert_eq!(lines[4], "| WGPU (`--device wgpu`) | – | **failed** | **failed** | – | – | – | – |");
        assert!(lines[5].contains("type-checked"));
        for note in [
            "b-euclid differs: 3 differing actions",
            "0.5 points on 200 samples",
            "error: out of memory",
            "install it",
            "no driver",
        ] {
            assert_eq!(page.matches(note).count(), 1, "{note}: {page}");
        }
    }
}
