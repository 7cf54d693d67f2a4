//! Released class statistics: a dictionary of `prototypes` `[S, C, D]`, `overall_prototypes` `[C, D]`, `dist_std` `[S, C]` and
//! `subset2id`, whose keys are tuples of M booleans with True = missing.

use dymo_core::ModalitySet;
use dymo_pickle::{PickleFile, Value};
use dymo_reward::{ClassStatistics, DEFAULT_TEMPERATURE, Metric, Parts};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::ImportError;

/// The entries, without the subsets.
const TENSORS: [&str; 3] = ["prototypes", "overall_prototypes", "dist_std"];
/// The subsets in a file of PyTorch, and in SafeTensors (`[S, M]`, 1 = missing).
const SUBSETS: [&str; 2] = ["subset2id", "subset_missing"];

/// Extents and values.
type Numbers = (Vec<usize>, Vec<f32>);

/// Entries that only class statistics have: `prototypes` is among a network's weights, too.
const TELLING: [&str; 5] = ["overall_prototypes", "dist_std", "subset2id", "id2subset", "subset_missing"];

/// Whether a file holds class statistics, rather than weights, be they whole or not.
pub fn looks_like_statistics(bytes: &[u8]) -> bool {
    if let Ok(file) = SafeTensors::deserialize(bytes) {
        return TELLING.iter().any(|name| file.tensor(name).is_ok());
    }
    let Ok(file) = PickleFile::read(bytes) else { return false };
    let root = file.root();
    root.get("state_dict").is_none() && TELLING.iter().any(|name| root.get(name).is_some())
}

/// Reads released class statistics, from a file of PyTorch or from SafeTensors. The temperature is the published 0.1.
///
/// # Errors
/// [`ImportError`]: an entry is missing or does not fit the others, or a subset has no statistics.
pub fn read_statistics(bytes: &[u8], metric: Metric) -> Result<ClassStatistics, ImportError> {
    let ([prototypes, overall, spread], subsets) = match SafeTensors::deserialize(bytes) {
        Ok(file) => from_safetensors(&file)?,
        Err(_) => from_pickle(&PickleFile::read(bytes)?)?,
    };
    let [rows, classes, width] = prototypes.0[..] else {
        return Err(entry("prototypes", format!("extents {:?}", prototypes.0), "[subsets, classes, width]"));
    };
    for (name, found, wanted) in
        [("overall_prototypes", &overall.0, vec![classes, width]), ("dist_std", &spread.0, vec![rows, classes])]
    {
        if *found != wanted {
            return Err(entry(name, format!("extents {found:?}"), format!("{wanted:?}")));
        }
    }
    if subsets.len() != rows {
        return Err(entry(SUBSETS[0], format!("{} subsets", subsets.len()), format!("one for each of {rows} rows")));
    }
    let modalities = subsets.first().map_or(0, Vec::len);
    let statistics = ClassStatistics::try_from(Parts {
        metric,
        temperature: DEFAULT_TEMPERATURE,
        modalities,
        classes,
        width,
        subsets: subsets.iter().map(|missing| ModalitySet::from_missing(missing)).collect(),
        prototypes: prototypes.1,
        overall: overall.1,
        spread: spread.1,
        counts: None,
    })?;
    check_subsets(&statistics)?;
    Ok(statistics)
}

/// Every subset has its statistics, as released ones do: selection asks about any of them.
fn check_subsets(statistics: &ClassStatistics) -> Result<(), ImportError> {
    /// Subsets named.
    const SHOWN: usize = 8;
    let all = (1u64 << statistics.modalities()) - 1;
    let count = all - statistics.subsets().len() as u64;
    if count == 0 {
        return Ok(());
    }
    let subsets = (1..=ModalitySet::full(statistics.modalities()).bits()).map(ModalitySet::from_bits);
    let absent: Vec<_> = subsets.filter(|subset| statistics.row(*subset).is_none()).take(SHOWN).collect();
    let more = count - absent.len() as u64;
    Err(ImportError::Subsets { absent, more })
}

fn entry(name: &'static str, found: impl Into<String>, wanted: impl Into<String>) -> ImportError {
    ImportError::Entry { name, found: found.into(), wanted: wanted.into() }
}

/// The three tensors, and for each row which modalities are missing.
type Found = ([Numbers; 3], Vec<Vec<bool>>);

fn from_pickle(file: &PickleFile<'_>) -> Result<Found, ImportError> {
    let root = file.root();
    let all = TENSORS.iter().chain(&SUBSETS[..1]);
    let missing: Vec<&'static str> = all.copied().filter(|name| root.get(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(ImportError::Missing { names: missing });
    }
    let read = |name: &'static str| {
        let value = root.get(name);
        if let Some(numbers) = value.and_then(Value::other_numbers) {
            return Err(entry(name, numbers, "real numbers"));
        }
        let tensor = value.and_then(Value::as_tensor).ok_or_else(|| entry(name, "something else", "a tensor"))?;
        if !tensor.element().is_real() {
            return Err(entry(name, format!("{:?}", tensor.element()), "real numbers"));
        }
        let values = tensor.to_f32().map_err(|e| entry(name, e.to_string(), "a whole tensor"))?;
        Ok::<Numbers, ImportError>((tensor.shape().to_vec(), values))
    };
    let tensors = [read(TENSORS[0])?, read(TENSORS[1])?, read(TENSORS[2])?];
    let subsets = root.get(SUBSETS[0]).map(subsets).unwrap_or_default();
    Ok((
        tensors,
        subsets.ok_or_else(|| entry(SUBSETS[0], "other keys", "tuples of as many booleans, numbered from 0"))?,
    ))
}

/// A dictionary from tuples of booleans to rows, as a list by row.
fn subsets(table: Value<'_>) -> Option<Vec<Vec<bool>>> {
    let mut rows: Vec<(usize, Vec<bool>)> = Vec::new();
    for (key, row) in table.entries() {
        rows.push((row.as_usize()?, key.items().map(Value::as_bool).collect::<Option<_>>()?));
    }
    rows.sort();
    let whole = rows.iter().enumerate().all(|(place, (row, _))| place == *row);
    let even = rows.windows(2).all(|pair| pair[0].1.len() == pair[1].1.len());
    (whole && even && fits(rows.first()?.1.len())).then(|| rows.into_iter().map(|(_, missing)| missing).collect())
}

/// As many modalities as a set holds.
fn fits(modalities: usize) -> bool {
    (1..=ModalitySet::MAX).contains(&modalities)
}

fn from_safetensors(file: &SafeTensors<'_>) -> Result<Found, ImportError> {
    let all = TENSORS.iter().chain(&SUBSETS[1..]);
    let missing: Vec<&'static str> = all.copied().filter(|name| file.tensor(name).is_err()).collect();
    if !missing.is_empty() {
        return Err(ImportError::Missing { names: missing });
    }
    let read = |name: &'static str| match file.tensor(name) {
        Ok(view) if view.dtype() == Dtype::F32 => {
            let values = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            Ok((view.shape().to_vec(), values))
        }
        _ => Err(entry(name, "another type", "single-precision numbers")),
    };
    let tensors = [read(TENSORS[0])?, read(TENSORS[1])?, read(TENSORS[2])?];
    let subsets = match file.tensor(SUBSETS[1]) {
        Ok(view) => match view.shape()[..] {
            [_, modalities] if matches!(view.dtype(), Dtype::U8 | Dtype::BOOL) && fits(modalities) => {
                view.data().chunks_exact(modalities).map(|row| row.iter().map(|b| *b != 0).collect()).collect()
            }
            _ => {
                return Err(entry(
                    SUBSETS[1],
                    format!("{:?} {:?}", view.dtype(), view.shape()),
                    "bytes [subsets, modalities]",
                ));
            }
        },
        Err(_) => Vec::new(),
    };
    Ok((tensors, subsets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_read_are_told_with_entry_and_type() {
        // The container before PyTorch 1.6, with one storage of two bytes.
        let tensor = "ctorch._utils\n_rebuild_tensor_v3\n((Vstorage\nctorch.storage\nUntypedStorage\nV0\nVcpu\nI2\ntQI0\n(I2\nt(I1\nt\
                      I00\nNctorch\nfloat8_e4m3fn\ntR";
        let values = format!("(dVprototypes\n{tensor}sVoverall_prototypes\nNsVdist_std\nNsVsubset2id\nNs.");
        let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
        let storage = [&2u64.to_le_bytes()[..], &[0; 2]].concat();
        let file = [&magic[..], b"I1001\n.", b"(d.", values.as_bytes(), b"(lV0\na.", &storage].concat();
        let message = read_statistics(&file, Metric::Cosine).unwrap_err().to_string();
        assert!(message.contains("prototypes: float8_e4m3fn, real numbers"), "{message}");
    }
}
