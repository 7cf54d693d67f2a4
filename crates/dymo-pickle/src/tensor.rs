//! Tensors as views into their storage.

use half::{bf16, f16};

use crate::error::TensorError;

/// Sort of a tensor's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 16 bits, five of them exponent.
    F16,
    /// 16 bits, eight of them exponent.
    Bf16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// True or false, a byte each.
    Bool,
}

/// Storage class, dtype and sort.
const NAMES: [(&str, &str, Element); 10] = [
    ("HalfStorage", "float16", Element::F16),
    ("BFloat16Storage", "bfloat16", Element::Bf16),
    ("FloatStorage", "float32", Element::F32),
    ("DoubleStorage", "float64", Element::F64),
    ("ByteStorage", "uint8", Element::U8),
    ("CharStorage", "int8", Element::I8),
    ("ShortStorage", "int16", Element::I16),
    ("IntStorage", "int32", Element::I32),
    ("LongStorage", "int64", Element::I64),
    ("BoolStorage", "bool", Element::Bool),
];

impl Element {
    /// Whether it stands for real numbers, of whatever precision.
    pub fn is_real(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }

    pub(crate) fn of_storage(class: &str) -> Option<Self> {
        NAMES.iter().find(|(storage, _, _)| *storage == class).map(|row| row.2)
    }

    pub(crate) fn of_dtype(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, dtype, _)| *dtype == name).map(|row| row.2)
    }

    /// One number from its bytes, in the machine's own order after `swap`.
    pub(crate) fn as_f64(self, bytes: &[u8], big_endian: bool) -> f64 {
        let mut full = [0u8; 8];
        let n = bytes.len().min(8);
        for (place, byte) in full[..n].iter_mut().enumerate() {
            *byte = bytes[if big_endian { n - 1 - place } else { place }];
        }
        let two = [full[0], full[1]];
        let four = [full[0], full[1], full[2], full[3]];
        match self {
            Self::F16 => f16::from_le_bytes(two).to_f64(),
            Self::Bf16 => bf16::from_le_bytes(two).to_f64(),
            Self::F32 => f64::from(f32::from_le_bytes(four)),
            Self::F64 => f64::from_le_bytes(full),
            Self::U8 => f64::from(full[0]),
            Self::I8 => f64::from(full[0] as i8),
            Self::I16 => f64::from(i16::from_le_bytes(two)),
            Self::I32 => f64::from(i32::from_le_bytes(four)),
            Self::I64 => i64::from_le_bytes(full) as f64,
            Self::Bool => f64::from(u8::from(full[0] != 0)),
        }
    }
}

/// Values that a tensor may have beyond those of its storage (a stride of 0 repeats them).
const MOST_REPEATED: usize = 1 << 20;

/// A tensor in an open file. Nothing is gathered before it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    pub(crate) element: Element,
    pub(crate) offset: usize,
    pub(crate) shape: &'a [usize],
    pub(crate) strides: &'a [usize],
    pub(crate) storage: &'a [u8],
    pub(crate) big_endian: bool,
}

impl<'a> TensorView<'a> {
    /// Sort of its numbers.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Extents.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// Its bytes as they lie in the file, little end first, if they lie in row order without gaps.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        let count = self.count().ok()?;
        let mut wanted = 1;
        for (extent, stride) in self.shape.iter().zip(self.strides).rev() {
            if *extent != 1 && *stride != wanted && count > 0 {
                return None;
            }
            wanted *= extent;
        }
        let size = self.element.size();
        let slice = self.storage.get(self.offset * size..(self.offset + count) * size);
        if self.big_endian && size > 1 { None } else { slice }
    }

    /// Its values in row order, rounded to single precision; booleans are 0 and 1.
    ///
    /// # Errors
    /// Extents that do not fit its storage.
    pub fn to_f32(&self) -> Result<Vec<f32>, TensorError> {
        if let (Element::F32, Some(bytes)) = (self.element, self.bytes()) {
            let (numbers, _) = bytes.as_chunks::<4>();
            return Ok(numbers.iter().map(|b| f32::from_le_bytes(*b)).collect());
        }
        self.gather(|value| value as f32)
    }

    /// Its values in row order, in double precision; booleans are 0 and 1.
    ///
    /// # Errors
    /// Extents that do not fit its storage.
    pub fn to_f64(&self) -> Result<Vec<f64>, TensorError> {
        self.gather(|value| value)
    }

    /// Its values in row order, of a tensor of booleans or bytes: what is not zero is true.
    ///
    /// # Errors
    /// Numbers of another sort; extents that do not fit its storage.
    pub fn to_bool(&self) -> Result<Vec<bool>, TensorError> {
        match self.element {
            Element::Bool | Element::U8 => self.gather(|value| value != 0.0),
            found => Err(TensorError::Type { found, wanted: "booleans" }),
        }
    }

    /// Number of values, after every place that they lie at has been checked. Tensors share storages and repeat what is in them:
    /// whoever gathers many sums this up first.
    ///
    /// # Errors
    /// Extents that do not fit its storage.
    pub fn count(&self) -> Result<usize, TensorError> {
        let stored = self.storage.len() / self.element.size();
        let outside = || TensorError::OutOfBounds {
            shape: self.shape.to_vec(),
            strides: self.strides.to_vec(),
            offset: self.offset,
            stored,
        };
        let count = self.shape.iter().try_fold(1usize, |n, x| n.checked_mul(*x)).ok_or_else(outside)?;
        if count == 0 {
            return Ok(0);
        }
        let last = self
            .shape
            .iter()
            .zip(self.strides)
            .try_fold(self.offset, |at, (extent, stride)| at.checked_add((extent - 1).checked_mul(*stride)?))
            .ok_or_else(outside)?;
        if last >= stored {
            return Err(outside());
        }
        if count > stored.max(MOST_REPEATED) {
            return Err(TensorError::Stretched { shape: self.shape.to_vec(), stored });
        }
        Ok(count)
    }

    fn gather<T>(&self, convert: impl Fn(f64) -> T) -> Result<Vec<T>, TensorError> {
        let count = self.count()?;
        let size = self.element.size();
        let mut values = Vec::with_capacity(count);
        let mut places = vec![0usize; self.shape.len()];
        let mut at = self.offset;
        while values.len() < count {
            let bytes = self.storage.get(at * size..(at + 1) * size).unwrap_or(&[]);
            values.push(convert(self.element.as_f64(bytes, self.big_endian)));
            // The next place, the last dimension running fastest.
            for (d, place) in places.iter_mut().enumerate().rev() {
                *place += 1;
                at += self.strides[d];
                if *place < self.shape[d] {
                    break;
                }
                at -= self.strides[d] * self.shape[d];
                *place = 0;
            }
        }
        Ok(values)
    }
}
