//! A NIfTI-1 file of unsigned bytes, for volumes that our own code makes.

use std::io::Write;

use anyhow::{Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The header, and four bytes that say: no extension follows.
const HEADER: usize = 348;
const OFFSET: usize = HEADER + 4;

/// NIfTI's code for unsigned bytes, and their width in bits.
const UNSIGNED_BYTE: [i16; 2] = [2, 8];
/// NIfTI's codes: millimetres; coordinates of the scanner.
const MILLIMETRES: u8 = 2;
const SCANNER: i16 = 1;

/// Voxels `[x, y, slice]`, x running fastest, and their size.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) shape: [usize; 3],
    /// Millimetres.
    pub(crate) spacing: [f32; 3],
    pub(crate) voxels: Vec<u8>,
}

impl Stack {
    /// The file, gzip-compressed; `description` (79 bytes at most) stands in its header. The world's origin is the first voxel.
    ///
    /// # Errors
    /// When the voxels are not as many as the shape says, or a number does not fit the header.
    pub(crate) fn to_nii_gz(&self, description: &str) -> Result<Vec<u8>> {
        let wanted: usize = self.shape.iter().product();
        ensure!(self.voxels.len() == wanted, "{} voxels, wanted {wanted}", self.voxels.len());
        ensure!(description.len() < 80, "the description has {} bytes, at most 79 fit", description.len());
        let mut header = [0; OFFSET];
        let mut put = |place: usize, bytes: &[u8]| header[place..place + bytes.len()].copy_from_slice(bytes);
        put(0, &(HEADER as i32).to_le_bytes());
        put(40, &3i16.to_le_bytes());
        for axis in 0..7 {
            let side = self.shape.get(axis).map_or(Ok(1), |side| i16::try_from(*side))?;
            put(42 + 2 * axis, &side.to_le_bytes());
        }
        put(70, &UNSIGNED_BYTE[0].to_le_bytes());
        put(72, &UNSIGNED_BYTE[1].to_le_bytes());
        put(76, &1f32.to_le_bytes());
        for (axis, spacing) in self.spacing.iter().enumerate() {
            put(80 + 4 * axis, &spacing.to_le_bytes());
            // The affine's rows are four numbers each; here only the diagonal is not zero.
            put(280 + (4 * axis + axis) * 4, &spacing.to_le_bytes());
        }
        put(108, &(OFFSET as f32).to_le_bytes());
        put(112, &1f32.to_le_bytes());
        put(123, &[MILLIMETRES]);
        put(148, description.as_bytes());
        put(254, &SCANNER.to_le_bytes());
        put(344, b"n+1\0");
        let mut file = GzEncoder::new(Vec::new(), Compression::new(6));
        file.write_all(&header)?;
        file.write_all(&self.voxels)?;
        Ok(file.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dymo_data::volume::{Limits, Volume};

    #[test]
    fn the_workspace_reads_what_is_written() {
        let voxels: Vec<u8> = (0..60).collect();
        let stack = Stack { shape: [5, 4, 3], spacing: [2.5, 1.5, 8.0], voxels: voxels.clone() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nii.gz");
        std::fs::write(&path, stack.to_nii_gz("made up").unwrap()).unwrap();
        let volume = Volume::read(&path, &Limits::default()).unwrap();
        assert_eq!((volume.grid(), volume.frames()), ([5, 4, 3], 1));
        assert_eq!(volume.spacing(), [2.5, 1.5, 8.0]);
        for (x, y, z) in [(0, 0, 0), (4, 0, 0), (1, 3, 0), (2, 1, 2)] {
            assert_eq!(volume.data()[[x, y, z, 0]], f32::from(voxels[x + 5 * (y + 4 * z)]));
        }
    }

    #[test]
    fn one_refusal_per_rule() {
        let stack = |shape, voxels| Stack { shape, spacing: [1.0; 3], voxels: vec![0; voxels] };
        assert!(stack([2, 2, 2], 7).to_nii_gz("").is_err());
        assert!(stack([40_000, 1, 1], 40_000).to_nii_gz("").is_err());
        assert!(stack([1, 1, 1], 1).to_nii_gz(&"x".repeat(80)).is_err());
    }
}
