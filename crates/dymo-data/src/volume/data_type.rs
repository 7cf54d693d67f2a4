//! The kinds of number that voxels are stored as.
use super::VolumeError;
use nifti::NiftiType;
use serde::Serialize;

/// The kinds of number that are read; the serialised and printed names are NumPy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each variant is its own description")]
pub enum DataType {
    Uint8,
    Int8,
    Uint16,
    Int16,
    Uint32,
    Int32,
    Uint64,
    Int64,
    Float32,
    Float64,
}

/// One row per number type: ours, NIfTI's, the printed name. Everything else about a type follows from its row.
const TYPES: [(DataType, NiftiType, &str); 10] = [
    (DataType::Uint8, NiftiType::Uint8, "uint8"),
    (DataType::Int8, NiftiType::Int8, "int8"),
    (DataType::Uint16, NiftiType::Uint16, "uint16"),
    (DataType::Int16, NiftiType::Int16, "int16"),
    (DataType::Uint32, NiftiType::Uint32, "uint32"),
    (DataType::Int32, NiftiType::Int32, "int32"),
    (DataType::Uint64, NiftiType::Uint64, "uint64"),
    (DataType::Int64, NiftiType::Int64, "int64"),
    (DataType::Float32, NiftiType::Float32, "float32"),
    (DataType::Float64, NiftiType::Float64, "float64"),
];

impl DataType {
    /// NumPy's name of the type.
    pub fn name(self) -> &'static str {
        TYPES[self as usize].2
    }

    /// Bytes of one voxel.
    pub fn bytes(self) -> usize {
        self.nifti().size_of()
    }

    pub(super) fn nifti(self) -> NiftiType {
        TYPES[self as usize].1
    }

    pub(super) fn of_code(code: i16) -> Result<Self, VolumeError> {
        let refuse = |name, remedy| Err(VolumeError::DataType { code, name, remedy });
        match (TYPES.iter().find(|row| row.1 as i16 == code), code) {
            (Some(row), _) => Ok(row.0),
            (None, 0) => refuse("unknown", "write the file anew with a data type"),
            (None, 1) => refuse("one bit a voxel", "convert it to uint8"),
            (None, 32 | 1792 | 2048) => refuse("complex", "write its magnitude or its real part as float32"),
            (None, 128 | 2304) => refuse("colour", "write one channel or the brightness as uint8"),
            (None, 1536) => refuse("float128", "convert it to float32"),
            _ => refuse("not in the standard", "convert it to float32"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_own_row() {
        for (row, &(ours, theirs, name)) in TYPES.iter().enumerate() {
            assert_eq!((ours as usize, ours.name()), (row, name));
            assert_eq!(DataType::of_code(theirs as i16).unwrap(), ours);
        }
        assert_eq!(TYPES.map(|row| row.0.bytes()), [1, 1, 2, 2, 4, 4, 8, 8, 4, 8]);
    }

    #[test]
    fn what_is_no_real_number_is_named() {
        for (code, word) in
            [(0, "unknown"), (1, "bit"), (32, "complex"), (128, "colour"), (1536, "float128"), (-3, "standard")]
        {
            let message = DataType::of_code(code).unwrap_err().to_string();
            assert!(message.contains(word), "{code}: {message}");
        }
    }
}
