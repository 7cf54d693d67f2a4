//! Hearts: two volumes (the ventricle filled, and emptied) and a table. A folder of real ones is named by the user; without one a
//! phantom stands in, and says so everywhere. Cross-validated by patient, because patients are few.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::Order;
use super::folder::Folder;
use super::phantom::{self, State};
use super::split::folds;
use super::table::Table;

/// Five folds, dealt ten times.
const REPEATS: usize = 10;
const FOLDS: usize = 5;

/// Measures of a real manifest that may stand beside any label.
const SAFE: [&str; 3] = ["slices", "pool_intensity_ed", "pool_intensity_es"];

/// Measures of a real manifest from the outlines of the cavity, by which heart failure is defined, wholly or nearly. They stand
/// beside a label only among patients who all have heart failure.
const DEFINING: [&str; 7] = [
    "edv_ml",
    "esv_ml",
    "ejection_fraction",
    "max_ed_area_mm2",
    "max_es_area_mm2",
    "apex_to_mid_area",
    "cavity_radius_mm",
];

/// Heart failure and infarction, in words.
const FAILURE: [&str; 2] = ["no heart failure", "heart failure"];
const INFARCTION: [&str; 2] = ["no infarction", "infarction"];

struct Patient {
    id: String,
    pathology: String,
    fails: bool,
    /// Known of real patients.
    infarction: Option<bool>,
    /// Files at the end of filling and of ejection.
    phases: [Vec<u8>; 2],
    safe: Vec<String>,
    defining: Vec<String>,
}

/// Fills `folder` with volumes, `manifest.csv` (heart failure), `pathology.csv` and, of real patients, `infarction.csv`.
pub(crate) fn make(order: &Order, folder: &mut Folder) -> Result<String> {
    let (patients, columns, origin) = match &order.from {
        Some(from) => {
            let patients = real(from)?;
            let origin = format!("{} patients from the folder named with --from", patients.len());
            (patients, SAFE.to_vec(), origin)
        }
        None => {
            let patients = (0..phantom::PATIENTS).map(|index| made(order.seed, index)).collect::<Result<Vec<_>>>()?;
            let origin = format!("PHANTOM: {} made-up hearts, no patients; name real ones with --from", patients.len());
            (patients, phantom::COLUMNS.to_vec(), origin)
        }
    };
    for patient in &patients {
        for (file, bytes) in files(&patient.id).iter().zip(&patient.phases) {
            folder.write(file, bytes)?;
        }
    }
    let by_failure = |patient: &Patient| FAILURE[usize::from(patient.fails)].to_owned();
    let by_pathology = |patient: &Patient| patient.pathology.clone();
    let everyone: Vec<&Patient> = patients.iter().collect();
    // Pathology is finer than heart failure: stratified by it, both tables have the same folds.
    folder.write_table("manifest.csv", &table(&everyone, by_failure, by_pathology, &columns, &[], order.seed))?;
    folder.write_table("pathology.csv", &table(&everyone, by_pathology, by_pathology, &columns, &[], order.seed))?;
    let failing: Vec<&Patient> = patients.iter().filter(|p| p.fails && p.infarction.is_some()).collect();
    if !failing.is_empty() {
        let by_infarction = |patient: &Patient| INFARCTION[usize::from(patient.infarction == Some(true))].to_owned();
        let table = table(&failing, by_infarction, by_infarction, &columns, &DEFINING, order.seed);
        folder.write_table("infarction.csv", &table)?;
    }
    Ok(origin)
}

/// One row a patient: `split` is the first fold of the first repeat, `split_r01_f1` … are all of them.
fn table(
    patients: &[&Patient],
    label: impl Fn(&Patient) -> String,
    stratum: impl Fn(&Patient) -> String,
    safe: &[&str],
    defining: &[&str],
    seed: u64,
) -> Table {
    let ids: Vec<String> = patients.iter().map(|patient| patient.id.clone()).collect();
    let strata: Vec<String> = patients.iter().map(|patient| stratum(patient)).collect();
    let splits = folds(&strata, &ids, REPEATS, FOLDS, seed);
    let split_names =
        (0..REPEATS * FOLDS).map(|place| format!("split_r{:02}_f{}", place / FOLDS + 1, place % FOLDS + 1));
    let columns = ["ed", "es"].iter().chain(safe).chain(defining).map(|name| (*name).to_owned());
    let mut table = Table::new(columns.chain(split_names));
    for (index, patient) in patients.iter().enumerate() {
        let measures = patient.safe.iter().chain(patient.defining.iter().take(defining.len())).cloned();
        let parts = splits.iter().map(|split| split[index].to_owned());
        let cells = files(&patient.id).into_iter().chain(measures).chain(parts);
        table.add(&patient.id, &label(patient), splits[0][index], cells);
    }
    table
}

fn files(id: &str) -> [String; 2] {
    ["ed", "es"].map(|phase| format!("images/{id}.{phase}.nii.gz"))
}

fn made(seed: u64, index: usize) -> Result<Patient> {
    let phantom = phantom::patient(seed, index)?;
    let pathology = match phantom.state {
        State::Failing => "failing",
        State::Thickened => "thickened",
        State::Normal => "normal",
    };
    Ok(Patient {
        id: format!("phantom-{:02}", index + 1),
        pathology: pathology.to_owned(),
        fails: phantom.state == State::Failing,
        infarction: None,
        phases: phantom.phases,
        safe: phantom.cells,
        defining: Vec::new(),
    })
}

/// Reads `from/manifest.csv` and the volumes that it names.
fn real(from: &Path) -> Result<Vec<Patient>> {
    let path = from.join("manifest.csv");
    let mut reader = csv::Reader::from_path(&path).with_context(|| path.display().to_string())?;
    let header = reader.headers().with_context(|| path.display().to_string())?.clone();
    let place = |name: &str| {
        let found = header.iter().position(|column| column == name);
        found.with_context(|| format!("{} has no column {name}", path.display()))
    };
    let [id, pathology, failure, infarction] = ["id", "pathology", "heart_failure", "infarction"].map(place);
    let (id, pathology, failure, infarction) = (id?, pathology?, failure?, infarction?);
    let phases = [place("ed")?, place("es")?];
    let safe = SAFE.into_iter().map(place).collect::<Result<Vec<_>>>()?;
    let defining = DEFINING.into_iter().map(place).collect::<Result<Vec<_>>>()?;
    let mut patients = Vec::new();
    let mut ids = BTreeSet::new();
    for (row, record) in reader.records().enumerate() {
        let line = row + 2;
        let record = record.with_context(|| path.display().to_string())?;
        let cells = |places: &[usize]| places.iter().map(|place| record[*place].to_owned()).collect();
        let own = &record[id];
        let plain = !own.is_empty() && own.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        ensure!(plain, "{}, line {line}: id {own:?} is more than letters, digits, - and _", path.display());
        ensure!(ids.insert(own.to_owned()), "{}, line {line}: id {own} comes twice", path.display());
        let flag = |place: usize| match &record[place] {
            "0" => Ok(false),
            "1" => Ok(true),
            other => bail!("{}, line {line}, column {}: {other:?}, wanted 0 or 1", path.display(), &header[place]),
        };
        let read = |place: usize| {
            let file = from.join(&record[place]);
            fs::read(&file).with_context(|| format!("{}, line {line}: {}", path.display(), file.display()))
        };
        patients.push(Patient {
            id: own.to_owned(),
            pathology: record[pathology].to_owned(),
            fails: flag(failure)?,
            infarction: Some(flag(infarction)?),
            phases: [read(phases[0])?, read(phases[1])?],
            safe: cells(&safe),
            defining: cells(&defining),
        });
    }
    Ok(patients)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::folder::Receipt;

    const HEADER: &str = "id,pathology,heart_failure,infarction,ed,es,slices,edv_ml,esv_ml,ejection_fraction,max_ed_area_mm2,\
                          max_es_area_mm2,apex_to_mid_area,pool_intensity_ed,pool_intensity_es,cavity_radius_mm\n";

    /// Twelve patients, six of them with heart failure; `change` is made to the manifest.
    fn source(change: impl Fn(String) -> String) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut text = HEADER.to_owned();
        for index in 0..12 {
            let [failure, infarction] = [usize::from(index < 6), usize::from(index < 3)];
            text += &format!("P-{index},{failure}{infarction},{failure},{infarction},{index}.ed,{index}.es");
            text += &format!(",9,900{index},1,1,1,1,1,8{index},7{index},1\n");
            for phase in ["ed", "es"] {
                fs::write(folder.path().join(format!("{index}.{phase}")), format!("{index} {phase}")).unwrap();
            }
        }
        fs::write(folder.path().join("manifest.csv"), change(text)).unwrap();
        folder
    }

    fn prepare(from: Option<&Path>) -> (tempfile::TempDir, Result<String>) {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::begin(&place.path().join("data")).unwrap();
        let order = Order { from: from.map(Path::to_owned), seed: 7, packages: place.path().to_owned() };
        let origin = make(&order, &mut folder);
        folder
            .finish(&Receipt { recipe: "", command: String::new(), seed: 7, origin: String::new(), packages: vec![] })
            .unwrap();
        (place, origin)
    }

    #[test]
    fn what_defines_the_label_is_not_beside_it() {
        let (place, origin) = prepare(Some(source(|text| text).path()));
        assert!(origin.unwrap().starts_with("12 patients"));
        let text = |name: &str| fs::read_to_string(place.path().join("data").join(name)).unwrap();
        for name in ["manifest.csv", "pathology.csv"] {
            let text = text(name);
            assert!(text.starts_with("id,label,split,ed,es,slices,pool_intensity_ed,pool_intensity_es,split_r01_f1,"));
            assert!(DEFINING.iter().all(|column| !text.contains(column)) && !text.contains("900"));
            assert_eq!(text.lines().count(), 13);
        }
        let infarction = text("infarction.csv");
        assert!(DEFINING.iter().all(|column| infarction.contains(column)) && infarction.contains(",9003,"));
        assert_eq!((infarction.lines().count(), infarction.matches(",infarction,").count()), (7, 3));
        assert_eq!(text("images/P-3.es.nii.gz"), "3 es");
        assert_eq!(text("manifest.csv").lines().next().unwrap().split(',').count(), 3 + 2 + 3 + 50);
    }

    #[test]
    fn a_phantom_says_so_everywhere() {
        let (place, origin) = prepare(None);
        assert!(origin.unwrap().starts_with("PHANTOM"));
        let data = place.path().join("data");
        let text = fs::read_to_string(data.join("manifest.csv")).unwrap();
        assert!(text.lines().skip(1).all(|line| line.starts_with("phantom-")) && text.lines().count() == 61);
        assert!(!data.join("infarction.csv").exists() && data.join("images/phantom-60.es.nii.gz").is_file());
    }

    #[test]
    fn what_is_wrong_in_the_folder_is_told_with_its_line() {
        let refused = |reason: &str, change: &dyn Fn(String) -> String| {
            let message = format!("{:#}", prepare(Some(source(change).path())).1.unwrap_err());
            assert!(message.contains(reason), "{message} / {reason}");
        };
        refused("no column edv_ml", &|text| text.replace("edv_ml", "x"));
        refused("line 4: id \"../P\"", &|text| text.replace("P-2", "../P"));
        refused("line 4: id P-1 comes twice", &|text| text.replace("P-2", "P-1"));
        refused("line 3, column heart_failure: \"2\"", &|text| text.replace("P-1,11,1,", "P-1,11,2,"));
        refused("line 2: ", &|text| text.replace("0.ed", "gone.ed"));
        let nowhere = tempfile::tempdir().unwrap();
        assert!(prepare(Some(nowhere.path())).1.is_err());
    }
}
