//! What everything trains on: samples with a label and some of the modalities of a [`Schema`].

use std::path::PathBuf;
use std::sync::Arc;

use dymo_core::{ModalitySet, Schema};
use rayon::prelude::*;
use thiserror::Error;

use crate::checksum::{content_of, short_hash};
use crate::picture::PictureFileError;
use crate::text::TextError;
use crate::volume::VolumeError;

/// Samples that can be read in any order, from any thread.
///
/// Law 1: reading the same index and modality gives the same values, whatever was read before.
/// Law 2: `read` succeeds or says why for every modality in `observed`, and refuses the others.
/// Law 3: a label is below the number of classes of the schema.
pub trait Samples: Send + Sync {
    /// Modalities and classes.
    fn schema(&self) -> &Schema;

    /// How many samples there are.
    fn len(&self) -> usize;

    /// For samples that are those of another data set, shown in another way: that one, and where sample `index` stands there. What is not
    /// told here is then told by it.
    fn behind(&self, _index: usize) -> Option<(&dyn Samples, usize)> {
        None
    }

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of sample `index`.
    ///
    /// # Panics
    /// May panic when there is no such sample, as indexing a slice does.
    fn label(&self, index: usize) -> usize;

    /// The class of sample `index` if it is known, which it is unless the samples are there to be predicted;
    /// [`label`](Self::label) is then any class.
    fn known_label(&self, index: usize) -> Option<usize> {
        match self.behind(index) {
            Some((samples, index)) => samples.known_label(index),
            None => Some(self.label(index)),
        }
    }

    /// The modalities that sample `index` has; all of them, unless the data set knows better.
    fn observed(&self, index: usize) -> ModalitySet {
        match self.behind(index) {
            Some((samples, index)) => samples.observed(index),
            None => self.schema().full(),
        }
    }

    /// Writes one modality of sample `index` into `out`, `[height, width, channels]`, images in 0..1. `out` has
    /// exactly [`Kind::values`](dymo_core::Kind::values) places. In a table, NaN is a missing entry.
    ///
    /// # Errors
    /// A [`ReadError`]; `out` then holds anything.
    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError>;

    /// The file that a modality of sample `index` is read from, where it is one of its own.
    fn file(&self, index: usize, modality: usize) -> Option<PathBuf> {
        self.behind(index).and_then(|(samples, index)| samples.file(index, modality))
    }

    /// A name of sample `index` that a person can find it by.
    fn id(&self, index: usize) -> String;

    /// A number that stays with sample `index` wherever it stands: what is drawn at random for it depends on this. Its place, unless
    /// the data set knows names.
    fn number(&self, index: usize) -> u64 {
        match self.behind(index) {
            Some((samples, index)) => samples.number(index),
            None => index as u64,
        }
    }

    /// A number that the samples of one subject (a patient with several scans) share. Each is a subject of its own, unless the data set
    /// knows better.
    fn subject(&self, index: usize) -> u64 {
        match self.behind(index) {
            Some((samples, index)) => samples.subject(index),
            None => self.number(index),
        }
    }
}

/// The subjects of `indices`, in their order.
pub fn subjects(samples: &dyn Samples, indices: &[usize]) -> Vec<u64> {
    indices.iter().map(|&index| samples.subject(index)).collect()
}

/// The number of a sample of this name.
pub(crate) fn number_of(id: &str) -> u64 {
    short_hash(id.as_bytes()) as u64
}

/// Reads one modality of many samples, in parallel, into `out`: `[indices.len(), height, width, channels]`, in the
/// order of `indices`. `out` is resized; its memory is used again.
///
/// # Errors
/// The [`ReadError`] of the first of `indices` (in their order) that cannot be read.
pub fn read_batch(
    samples: &dyn Samples,
    indices: &[usize],
    modality: usize,
    out: &mut Vec<f32>,
) -> Result<(), ReadError> {
    let values = values_of(samples, modality)?;
    let total = indices.len().checked_mul(values).ok_or(ReadError::BatchTooLarge { samples: indices.len(), values })?;
    out.resize(total, 0.0);
    out.par_chunks_exact_mut(values)
        .zip(indices)
        .map(|(out, &index)| samples.read(index, modality, out))
        .find_map_first(Result::err)
        .map_or(Ok(()), Err)
}

/// The labels of `indices`, in their order.
pub fn labels(samples: &dyn Samples, indices: &[usize]) -> Vec<usize> {
    indices.iter().map(|&index| samples.label(index)).collect()
}

/// A checksum of all that is known of samples without decoding files: names, classes, subjects, what is observed of each, the values of
/// tables and texts, and the files of pictures and volumes. A file that cannot be read is passed over: whoever reads it will say so.
///
/// # Errors
/// The [`ReadError`] of the first table or text that cannot be read.
pub fn fingerprint(samples: &dyn Samples) -> Result<String, ReadError> {
    let modalities = samples.schema().modalities();
    let of_sample = |index: usize| -> Result<u128, ReadError> {
        let known = [samples.number(index), samples.label(index) as u64, samples.subject(index)];
        let observed = samples.observed(index);
        let mut bytes = known.map(u64::to_le_bytes).concat();
        bytes.extend(observed.bits().to_le_bytes());
        for m in observed.iter() {
            if modalities[m].kind().is_pictorial() {
                let seen = samples.file(index, m).and_then(|path| content_of(&path).ok());
                bytes.extend(seen.unwrap_or_default().to_le_bytes());
                continue;
            }
            let mut values = vec![0.0; modalities[m].kind().values()];
            samples.read(index, m, &mut values)?;
            bytes.extend(values.iter().flat_map(|value: &f32| value.to_le_bytes()));
        }
        Ok(short_hash(&bytes))
    };
    let hashes = (0..samples.len()).into_par_iter().map(of_sample).collect::<Result<Vec<u128>, ReadError>>()?;
    Ok(crate::checksum::sha256_hex(&hashes.into_iter().flat_map(u128::to_le_bytes).collect::<Vec<u8>>()))
}

/// The samples that lack nothing, in their order.
pub fn complete(samples: &dyn Samples) -> impl Iterator<Item = usize> {
    let full = samples.schema().full();
    (0..samples.len()).filter(move |&index| samples.observed(index) == full)
}

/// Values of one sample of a modality.
fn values_of(samples: &dyn Samples, modality: usize) -> Result<usize, ReadError> {
    let modalities = samples.schema().modalities();
    match modalities.get(modality) {
        Some(found) => Ok(found.kind().values()),
        None => Err(ReadError::Modality { modality, count: modalities.len() }),
    }
}

/// The checks that every [`Samples::read`] begins with: the sample, the modality and the room for it.
pub(crate) fn check_read(samples: &dyn Samples, index: usize, modality: usize, out: &[f32]) -> Result<(), ReadError> {
    if index >= samples.len() {
        return Err(ReadError::Index { index, count: samples.len() });
    }
    let wanted = values_of(samples, modality)?;
    if out.len() != wanted {
        return Err(ReadError::Room { found: out.len(), wanted });
    }
    Ok(())
}

/// At most `n` of some samples, in their order: those of the smallest numbers. Tables are often sorted by class, and their first rows say
/// nothing of the others; numbers come from names there, which knows no order.
pub fn at_most(samples: &dyn Samples, indices: impl IntoIterator<Item = usize>, n: usize) -> Vec<usize> {
    let mut chosen: Vec<(usize, usize)> = indices.into_iter().enumerate().collect();
    if chosen.len() > n {
        chosen.sort_by_key(|(place, index)| (samples.number(*index), *place));
        chosen.truncate(n);
        chosen.sort_unstable();
    }
    chosen.into_iter().map(|(_, index)| index).collect()
}

/// Some of the samples of another data set, in an order of their own.
#[derive(Clone)]
pub struct Subset {
    whole: Arc<dyn Samples>,
    indices: Vec<usize>,
}

impl Subset {
    /// Sample i is sample `indices[i]` of `whole`; an index may come up more than once.
    ///
    /// # Errors
    /// [`ReadError::Index`] for the first index that `whole` does not have.
    pub fn new(whole: Arc<dyn Samples>, indices: Vec<usize>) -> Result<Self, ReadError> {
        let count = whole.len();
        match indices.iter().find(|&&index| index >= count) {
            Some(&index) => Err(ReadError::Index { index, count }),
            None => Ok(Self { whole, indices }),
        }
    }

    /// The first `n` samples, or all where there are fewer.
    pub fn first(whole: Arc<dyn Samples>, n: usize) -> Self {
        let indices = (0..whole.len().min(n)).collect();
        Self { whole, indices }
    }

    /// `n` of the samples whatever order they stand in, see [`at_most`].
    pub fn some(whole: Arc<dyn Samples>, n: usize) -> Self {
        let indices = at_most(whole.as_ref(), 0..whole.len(), n);
        Self { whole, indices }
    }

    /// Where the samples are in the whole.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl Samples for Subset {
    fn schema(&self) -> &Schema {
        self.whole.schema()
    }

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn behind(&self, index: usize) -> Option<(&dyn Samples, usize)> {
        Some((self.whole.as_ref(), self.indices[index]))
    }

    fn label(&self, index: usize) -> usize {
        self.whole.label(self.indices[index])
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        check_read(self, index, modality, out)?;
        self.whole.read(self.indices[index], modality, out)
    }

    fn id(&self, index: usize) -> String {
        self.whole.id(self.indices[index])
    }
}

/// Why a modality of a sample was not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No such sample.
    #[error("sample {index} asked for, there are {count} (counted from 0)")]
    Index {
        /// Asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// No such modality.
    #[error("modality {modality} asked for, there are {count} (counted from 0)")]
    Modality {
        /// Asked for.
        modality: usize,
        /// How many there are.
        count: usize,
    },
    /// The output has another length than the modality.
    #[error("room for {found} values given, the modality has {wanted}")]
    Room {
        /// Length of the output.
        found: usize,
        /// Values of the modality.
        wanted: usize,
    },
    /// A batch that no memory can hold.
    #[error("{samples} samples of {values} values cannot be addressed, read smaller batches")]
    BatchTooLarge {
        /// Samples in the batch.
        samples: usize,
        /// Values of each.
        values: usize,
    },
    /// The sample does not have the modality; see [`Samples::observed`].
    #[error("sample {id} has no {modality}, recover it or leave it out")]
    Missing {
        /// The sample's [`Samples::id`].
        id: String,
        /// The modality's name.
        modality: String,
    },
    /// The picture behind it cannot be read.
    #[error(transparent)]
    Picture(#[from] PictureFileError),
    /// The volume behind it cannot be read.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The text has no place in the output.
    #[error(transparent)]
    Text(#[from] TextError),
    /// One of the above, and the cell of the table that asked for it.
    #[error("{}, line {line}, column {column}: {source}", table.display())]
    Cell {
        /// The table.
        table: PathBuf,
        /// Its line, counted from 1.
        line: u64,
        /// The column.
        column: String,
        /// What is wrong.
        source: Box<ReadError>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::{Kind, Modality};

    /// Two grey 1×2 pictures a sample, values `[index, modality]`; sample 3 cannot be read.
    struct Counting(Schema);

    fn counting() -> Arc<dyn Samples> {
        let kind = Kind::Image { height: 1, width: 2, channels: 1 };
        let modalities = vec![Modality::new("a", kind.clone()), Modality::new("b", kind)];
        let classes = vec!["even".to_owned(), "odd".to_owned()];
        Arc::new(Counting(Schema::new(modalities, classes).unwrap()))
    }

    impl Samples for Counting {
        fn schema(&self) -> &Schema {
            &self.0
        }
        fn len(&self) -> usize {
            100
        }
        fn label(&self, index: usize) -> usize {
            index % 2
        }
        fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
            check_read(self, index, modality, out)?;
            if index == 3 {
                let (id, modality) = (self.id(index), "b".to_owned());
                return Err(ReadError::Missing { id, modality });
            }
            out.copy_from_slice(&[index as f32, modality as f32]);
            Ok(())
        }
        fn id(&self, index: usize) -> String {
            index.to_string()
        }
    }

    /// What a wrapper does not tell, the samples behind it tell.
    #[test]
    fn numbers_and_subjects_come_through_wrappers() {
        struct Named(Arc<dyn Samples>);
        impl Samples for Named {
            fn schema(&self) -> &Schema {
                self.0.schema()
            }
            fn len(&self) -> usize {
                self.0.len()
            }
            fn label(&self, index: usize) -> usize {
                self.0.label(index)
            }
            fn known_label(&self, index: usize) -> Option<usize> {
                (index > 4).then(|| self.label(index))
            }
            fn observed(&self, index: usize) -> ModalitySet {
                ModalitySet::single(index % 2)
            }
            fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
                self.0.read(index, modality, out)
            }
            fn id(&self, index: usize) -> String {
                self.0.id(index)
            }
            fn number(&self, index: usize) -> u64 {
                1000 + index as u64
            }
            fn subject(&self, index: usize) -> u64 {
                index as u64 / 10
            }
        }
        let named: Arc<dyn Samples> = Arc::new(Named(counting()));
        let subset: Arc<dyn Samples> = Arc::new(Subset::new(named, vec![42, 3]).unwrap());
        let kept: Arc<dyn Samples> = Arc::new(crate::Kept::new(subset, 1 << 20));
        assert_eq!((kept.number(0), kept.subject(0), kept.observed(1)), (1042, 4, ModalitySet::single(1)));
        assert_eq!(subjects(kept.as_ref(), &[1, 0]), [0, 4]);
        assert_eq!((kept.known_label(0), kept.known_label(1)), (Some(0), None));
        assert_eq!((counting().number(7), counting().subject(7)), (7, 7), "without names a place is the number");
    }

    #[test]
    fn a_batch_keeps_the_order_of_its_indices() {
        let mut out = vec![9.0; 1000];
        read_batch(&*counting(), &[7, 5, 7], 1, &mut out).unwrap();
        assert_eq!(out, [7.0, 1.0, 5.0, 1.0, 7.0, 1.0]);
        read_batch(&*counting(), &[], 0, &mut out).unwrap();
        assert!(out.is_empty());
    }

    #[test]
    fn a_batch_reports_its_first_error() {
        let mut out = Vec::new();
        for _ in 0..20 {
            let error = read_batch(&*counting(), &[0, 1, 3, 100, 3], 0, &mut out).unwrap_err();
            assert!(matches!(error, ReadError::Missing { .. }), "{error}");
        }
        let error = read_batch(&*counting(), &[0], 2, &mut out).unwrap_err();
        assert!(matches!(error, ReadError::Modality { modality: 2, count: 2 }));
    }

    #[test]
    fn a_subset_renumbers() {
        let subset = Subset::new(counting(), vec![8, 5]).unwrap();
        let mut out = [0.0; 2];
        subset.read(1, 0, &mut out).unwrap();
        assert_eq!((subset.len(), subset.label(1), subset.id(1).as_str(), out), (2, 1, "5", [5.0, 0.0]));
        assert!(matches!(subset.read(2, 0, &mut out), Err(ReadError::Index { index: 2, count: 2 })));
        assert!(matches!(subset.read(0, 0, &mut [0.0]), Err(ReadError::Room { found: 1, wanted: 2 })));
        assert!(matches!(Subset::new(counting(), vec![0, 100]), Err(ReadError::Index { index: 100, count: 100 })));
        assert_eq!(Subset::first(counting(), 3).indices(), [0, 1, 2]);
        assert_eq!(Subset::first(counting(), 1000).len(), 100);
        assert_eq!(Subset::some(counting(), 3).indices(), [0, 1, 2], "numbers are places there");
    }
}
