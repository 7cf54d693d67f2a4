//! Samples that are decoded once: training asks for every file once an epoch.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use dymo_core::{ModalitySet, Schema};

use crate::samples::{ReadError, Samples, check_read};

/// The samples of another data set, of which pictures and volumes stay in memory as they were read first, until there is no more
/// room; what came later is read anew each time.
pub struct Kept {
    whole: Arc<dyn Samples>,
    /// Modalities that come from files; tables and texts are in memory as they are.
    files: ModalitySet,
    /// By sample and modality.
    values: Vec<OnceLock<Box<[f32]>>>,
    /// Values for which there is room.
    room: AtomicUsize,
}

impl Kept {
    /// Keeps at most `bytes` of values.
    pub fn new(whole: Arc<dyn Samples>, bytes: usize) -> Self {
        let modalities = whole.schema().modalities();
        let files: ModalitySet = (0..modalities.len()).filter(|m| modalities[*m].kind().is_pictorial()).collect();
        let places = if files.is_empty() { 0 } else { whole.len().saturating_mul(modalities.len()) };
        let values = (0..places).map(|_| OnceLock::new()).collect();
        Self { whole, files, values, room: AtomicUsize::new(bytes / size_of::<f32>()) }
    }

    /// Takes room for so many values, if there is any left.
    fn take(&self, values: usize) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(values)).is_ok()
    }
}

impl Samples for Kept {
    fn schema(&self) -> &Schema {
        self.whole.schema()
    }

    fn len(&self) -> usize {
        self.whole.len()
    }

    fn behind(&self, index: usize) -> Option<(&dyn Samples, usize)> {
        Some((self.whole.as_ref(), index))
    }

    fn label(&self, index: usize) -> usize {
        self.whole.label(index)
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        check_read(self, index, modality, out)?;
        if !self.files.contains(modality) {
            return self.whole.read(index, modality, out);
        }
        let place = &self.values[index * self.schema().modalities().len() + modality];
        if let Some(values) = place.get() {
            out.copy_from_slice(values);
            return Ok(());
        }
        self.whole.read(index, modality, out)?;
        if self.take(out.len()) && place.set(out.into()).is_err() {
            // Another thread was quicker with the same values.
            self.room.fetch_add(out.len(), Ordering::Relaxed);
        }
        Ok(())
    }

    fn id(&self, index: usize) -> String {
        self.whole.id(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_core::{Kind, Modality};

    /// Grey 1×2 pictures and a text; counts how often they are read. Sample 2 cannot be.
    struct Counting {
        schema: Schema,
        reads: Arc<AtomicUsize>,
    }

    impl Samples for Counting {
        fn schema(&self) -> &Schema {
            &self.schema
        }

        fn len(&self) -> usize {
            3
        }

        fn label(&self, index: usize) -> usize {
            index % 2
        }

        fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
            check_read(self, index, modality, out)?;
            self.reads.fetch_add(1, Ordering::Relaxed);
            if index == 2 {
                return Err(ReadError::Missing { id: self.id(index), modality: modality.to_string() });
            }
            out.fill((10 * index + modality) as f32);
            Ok(())
        }

        fn id(&self, index: usize) -> String {
            index.to_string()
        }
    }

    fn kept(bytes: usize) -> (Kept, Arc<AtomicUsize>) {
        let modalities = vec![
            Modality::new("picture", Kind::Image { height: 1, width: 2, channels: 1 }),
            Modality::new("text", Kind::Text { length: 1, symbols: 2, vocabulary: None }),
        ];
        let schema = Schema::new(modalities, vec!["a".into(), "b".into()]).expect("a schema");
        let reads = Arc::new(AtomicUsize::new(0));
        let samples = Counting { schema, reads: reads.clone() };
        (Kept::new(Arc::new(samples), bytes), reads)
    }

    /// How often the samples below were read for all of it, twice.
    fn reads(bytes: usize) -> usize {
        let (kept, reads) = kept(bytes);
        let mut out = [0.0; 2];
        for _ in 0..2 {
            for (index, modality) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                kept.read(index, modality, &mut out).expect("values");
                assert_eq!(out, [(10 * index + modality) as f32; 2]);
            }
        }
        reads.load(Ordering::Relaxed)
    }

    #[test]
    fn pictures_are_read_once_while_there_is_room() {
        assert_eq!(reads(1 << 20), 6, "two pictures once, two texts twice");
        assert_eq!(reads(8), 7, "room for one picture");
        assert_eq!(reads(0), 8);
    }

    #[test]
    fn what_cannot_be_read_is_asked_again() {
        let (kept, reads) = kept(1 << 20);
        for _ in 0..2 {
            assert!(matches!(kept.read(2, 0, &mut [0.0; 2]), Err(ReadError::Missing { .. })));
        }
        assert_eq!(reads.load(Ordering::Relaxed), 2);
        assert!(matches!(kept.read(3, 0, &mut [0.0; 2]), Err(ReadError::Index { .. })));
        assert!(matches!(kept.read(0, 0, &mut [0.0; 3]), Err(ReadError::Room { .. })));
    }
}
