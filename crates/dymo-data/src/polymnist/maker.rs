//! PolyMNIST from MNIST's digits, five photographs and a seed.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use dymo_core::Schema;

use super::{CLASSES, MODALITIES, PolyMnistError, SIDE, schema};
use crate::checksum::Checksums;
use crate::idx::{Idx, IdxFileError, LabelledPictures, Limits};
use crate::picture::{Colour, Picture, PictureFileError};
use crate::samples::{ReadError, Samples, check_read};
use crate::stream::{Purpose, Stream};

/// How many of the test digits validate.
pub const VALIDATION: usize = 3_000;

/// Backgrounds, by modality.
const PHOTOGRAPHS: [&str; MODALITIES] = ["coffee.png", "chelsea.png", "astronaut.png", "rocket.jpg", "ihc.png"];
/// A digit's pixel above this is ink.
const INK: u8 = 128;
const CHANNELS: usize = 3;
/// Values in a row of a picture.
const ROW: usize = SIDE * CHANNELS;
/// Draws that one cut takes: its top and its left edge.
const CUT_DRAWS: usize = 2;

/// A part of the data set; digits are not shared between parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// To fit networks and statistics.
    Train,
    /// To choose the best epoch.
    Validation,
    /// To report.
    Test,
}

impl Part {
    /// The number that the part's draws are made under; part of the data.
    fn number(self) -> u8 {
        match self {
            Self::Train => 0,
            Self::Validation => 1,
            Self::Test => 2,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// The three parts of one seed.
#[derive(Debug)]
pub struct PolyMnistSplits {
    /// 60,000 samples, of the training digits.
    pub train: PolyMnist,
    /// 3,000 samples, of 3,000 of the test digits.
    pub validation: PolyMnist,
    /// 7,000 samples, of the other 7,000.
    pub test: PolyMnist,
}

/// One part of PolyMNIST, each picture made when it is read: a pure function of digits, photographs, seed, part,
/// index and modality.
pub struct PolyMnist {
    schema: Schema,
    part: Part,
    digits: Arc<LabelledPictures>,
    photographs: Arc<[Picture]>,
    /// By sample.
    labels: Vec<u8>,
    /// By modality and sample: which picture of `digits`.
    drawn: [Vec<u32>; MODALITIES],
    /// By modality: where photographs are cut.
    cuts: [Stream; MODALITIES],
}

impl PolyMnist {
    /// All three parts, from `datasets/mnist` and `datasets/photographs`, whose checksums are verified. Digits (55 MB)
    /// and photographs are kept in memory, shared by the parts.
    ///
    /// # Errors
    /// A [`PolyMnistError`] that names the file.
    pub fn open(datasets: &Path, seed: u64) -> Result<PolyMnistSplits, PolyMnistError> {
        let mnist = datasets.join("mnist");
        let train = Arc::new(read_digits(&mnist, "train")?);
        let rest = Arc::new(read_digits(&mnist, "t10k")?);
        let photographs: Arc<[Picture]> = read_photographs(&datasets.join("photographs"))?.into();
        let (validation, test) = divide(rest.len(), VALIDATION, seed)?;
        let everything: Vec<usize> = (0..train.len()).collect();
        let make = |digits: &Arc<LabelledPictures>, members: &[usize], part| {
            Self::make(digits.clone(), members, photographs.clone(), part, seed)
        };
        Ok(PolyMnistSplits {
            train: make(&train, &everything, Part::Train)?,
            validation: make(&rest, &validation, Part::Validation)?,
            test: make(&rest, &test, Part::Test)?,
        })
    }

    /// One part, of the digit pictures that `members` lists: sample i has the label of `members[i]`, and for each
    /// modality one of the members of that label.
    ///
    /// # Errors
    /// A [`PolyMnistError`] for digits that are not 28×28 or labelled above 9, members that are not there, and
    /// photographs that are not five coloured ones of at least 28×28.
    pub fn make(
        digits: Arc<LabelledPictures>,
        members: &[usize],
        photographs: Arc<[Picture]>,
        part: Part,
        seed: u64,
    ) -> Result<Self, PolyMnistError> {
        check_digits(&digits, members)?;
        check_photographs(&photographs)?;
        let labels: Vec<u8> = members.iter().map(|&i| digits.labels()[i]).collect();
        let by_class = group(members, &labels);
        let drawn = std::array::from_fn(|modality| {
            let orders = by_class.each_ref().map(|class| class.clone());
            deal(orders, &labels, part, modality, seed)
        });
        let cuts = std::array::from_fn(|modality| Stream::new(seed, Purpose::Crop, [part.number(), 0, modality as u8]));
        Ok(Self { schema: schema()?, part, digits, photographs, labels, drawn, cuts })
    }

    /// Top and left edge of the cut of photograph `modality` for sample `index`.
    fn cut(&self, index: usize, modality: usize) -> [usize; 2] {
        let photograph = &self.photographs[modality];
        let mut draws = self.cuts[modality].item(index, CUT_DRAWS);
        let top = draws.below(photograph.height() - SIDE + 1);
        let left = draws.below(photograph.width() - SIDE + 1);
        [top, left]
    }
}

impl fmt::Debug for PolyMnist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolyMnist({}, {} samples)", self.part, self.labels.len())
    }
}

impl Samples for PolyMnist {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn label(&self, index: usize) -> usize {
        self.labels[index].into()
    }

    fn read(&self, index: usize, modality: usize, out: &mut [f32]) -> Result<(), ReadError> {
        check_read(self, index, modality, out)?;
        let photograph = &self.photographs[modality];
        let digit = self.digits.picture(self.drawn[modality][index] as usize);
        let [top, left] = self.cut(index, modality);
        let rows = out.as_chunks_mut::<ROW>().0.iter_mut().zip(digit.as_chunks::<SIDE>().0);
        for (row, (out, digit)) in rows.enumerate() {
            let start = ((top + row) * photograph.width() + left) * CHANNELS;
            paint(out, &photograph.values()[start..][..ROW], digit);
        }
        Ok(())
    }

    /// Part and number, such as `test/17`.
    fn id(&self, index: usize) -> String {
        format!("{}/{index}", self.part)
    }
}

/// One row: the photograph's colours, inverted under ink. 255 − v in bytes, so that 1 − v is rounded only once.
/// Fixed lengths and no choice in the second loop let the compiler do many values at a time; closures over arrays
/// here cost three times as much.
fn paint(out: &mut [f32; ROW], photograph: &[u8], digit: &[u8; SIDE]) {
    let mut colours = [0; ROW];
    colours.copy_from_slice(photograph);
    for (pixel, &ink) in colours.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(digit) {
        let invert = if ink > INK { 255 } else { 0 };
        pixel[0] ^= invert;
        pixel[1] ^= invert;
        pixel[2] ^= invert;
    }
    for (out, colour) in out.iter_mut().zip(&colours) {
        *out = f32::from(*colour) / 255.0;
    }
}

/// Which of `count` digits validate, and which test.
fn divide(count: usize, validation: usize, seed: u64) -> Result<(Vec<usize>, Vec<usize>), PolyMnistError> {
    if count <= validation {
        return Err(PolyMnistError::TooFewDigits { found: count, validation });
    }
    let mut order: Vec<usize> = (0..count).collect();
    Stream::new(seed, Purpose::Split, [0; 3]).shuffle(&mut order);
    let test = order.split_off(validation);
    Ok((order, test))
}

/// The members of each class, in the order given. Indices fit 32 bits: the reader's limit is far below.
fn group(members: &[usize], labels: &[u8]) -> [Vec<u32>; CLASSES] {
    let mut by_class: [Vec<u32>; CLASSES] = Default::default();
    for (&member, &label) in members.iter().zip(labels) {
        by_class[label as usize].push(member as u32);
    }
    by_class
}

/// The digit picture of every sample in one modality: each class's pictures in a random order, dealt out in turn.
fn deal(mut orders: [Vec<u32>; CLASSES], labels: &[u8], part: Part, modality: usize, seed: u64) -> Vec<u32> {
    for (class, order) in orders.iter_mut().enumerate() {
        let place = [part.number(), class as u8, modality as u8];
        Stream::new(seed, Purpose::Digits, place).shuffle(order);
    }
    let mut next = [0; CLASSES];
    let deal_one = |&label: &u8| {
        let class = label as usize;
        next[class] += 1;
        orders[class][next[class] - 1]
    };
    labels.iter().map(deal_one).collect()
}

fn check_digits(digits: &LabelledPictures, members: &[usize]) -> Result<(), PolyMnistError> {
    if digits.size() != [SIDE, SIDE] {
        return Err(PolyMnistError::DigitSize { found: digits.size() });
    }
    for &index in members {
        match digits.labels().get(index) {
            Some(&label) if usize::from(label) < CLASSES => {}
            Some(&found) => return Err(PolyMnistError::Label { index, found }),
            None => {
                return Err(PolyMnistError::NoSuchDigit { index, count: digits.len() });
            }
        }
    }
    Ok(())
}

fn check_photographs(photographs: &[Picture]) -> Result<(), PolyMnistError> {
    if photographs.len() != MODALITIES {
        return Err(PolyMnistError::PhotographCount { found: photographs.len() });
    }
    for (index, photograph) in photographs.iter().enumerate() {
        let found = [photograph.height(), photograph.width()];
        if found.iter().any(|&side| side < SIDE) || photograph.colour() != Colour::Rgb {
            return Err(PolyMnistError::PhotographSize { index, found, channels: photograph.colour().channels() });
        }
    }
    Ok(())
}

/// Pictures and labels of `train` or `t10k`, from compressed IDX files with verified checksums.
fn read_digits(folder: &Path, name: &str) -> Result<LabelledPictures, PolyMnistError> {
    let checksums = Checksums::of(folder)?;
    let read = |file: String| -> Result<Idx, PolyMnistError> {
        let bytes = checksums.read(&file)?;
        let path = folder.join(file);
        Ok(Idx::read(&bytes[..], Limits::default()).map_err(|source| IdxFileError { path, source })?)
    };
    let pictures = read(format!("{name}-images-idx3-ubyte.gz"))?;
    let labels = read(format!("{name}-labels-idx1-ubyte.gz"))?;
    let path = folder.join(format!("{name}-labels-idx1-ubyte.gz"));
    Ok(LabelledPictures::new(pictures, labels).map_err(|source| IdxFileError { path, source })?)
}

fn read_photographs(folder: &Path) -> Result<Vec<Picture>, PolyMnistError> {
    let checksums = Checksums::of(folder)?;
    let read = |name: &&str| {
        let bytes = checksums.read(name)?;
        Ok(Picture::decode(&bytes, Colour::Rgb)
            .map_err(|source| PictureFileError { path: folder.join(name), source })?)
    };
    PHOTOGRAPHS.iter().map(read).collect()
}

#[cfg(test)]
#[path = "maker_tests.rs"]
mod tests;
