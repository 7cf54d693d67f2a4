//! Builds the bytes of a NIfTI file, field by field, so that each can be wrong alone.
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// The order in which numbers are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    Little,
    Big,
}

/// A header and its voxels. The default is valid: 2 × 3 × 2 int16, sform in RAS with 2 mm, no scaling.
#[derive(Debug, Clone)]
pub struct Nifti {
    pub two: bool,
    pub order: Order,
    pub magic: &'static [u8],
    pub dim: [i64; 8],
    pub data_type: i16,
    pub bitpix: i16,
    pub pixdim: [f64; 8],
    pub offset: f64,
    pub slope: f64,
    pub inter: f64,
    pub qform: i16,
    pub sform: i16,
    pub quaternion: [f64; 3],
    pub origin: [f64; 3],
    pub rows: [[f64; 4]; 3],
    pub voxels: Vec<u8>,
}

impl Default for Nifti {
    fn default() -> Self {
        Self {
            two: false,
            order: Order::Little,
            magic: b"n+1\0",
            dim: [3, 2, 3, 2, 1, 1, 1, 1],
            data_type: 4,
            bitpix: 16,
            pixdim: [1.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0],
            offset: 352.0,
            slope: 1.0,
            inter: 0.0,
            qform: 0,
            sform: 1,
            quaternion: [0.0; 3],
            origin: [0.0; 3],
            rows: [[2.0, 0.0, 0.0, -1.0], [0.0, 2.0, 0.0, -2.0], [0.0, 0.0, 2.0, -3.0]],
            voxels: (0..12i16).flat_map(i16::to_le_bytes).collect(),
        }
    }
}

impl Nifti {
    /// The same file in the other version and order of bytes.
    pub fn written(two: bool, order: Order) -> Self {
        let (magic, offset): (&[u8], _) = if two { (b"n+2\0\r\n\x1a\n", 544.0) } else { (b"n+1\0", 352.0) };
        let voxels = (0..12i16).flat_map(|value| ordered(value.to_le_bytes(), order)).collect();
        Self { two, order, magic, offset, voxels, ..Self::default() }
    }

    /// The file: header, zeros up to the voxels, voxels.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        let zeros = (self.offset - bytes.len() as f64).clamp(0.0, 4096.0) as usize;
        bytes.resize(bytes.len() + zeros, 0);
        bytes.extend(&self.voxels);
        bytes
    }

    pub fn header(&self) -> Vec<u8> {
        if self.two { self.header_2() } else { self.header_1() }
    }

    fn header_1(&self) -> Vec<u8> {
        let mut page = Page { bytes: vec![0; 348], order: self.order };
        page.put(0, 348i32.to_le_bytes());
        (0..8).for_each(|i| page.put(40 + 2 * i, (self.dim[i] as i16).to_le_bytes()));
        page.put(70, self.data_type.to_le_bytes());
        page.put(72, self.bitpix.to_le_bytes());
        page.f32s(76, &self.pixdim);
        page.f32s(108, &[self.offset, self.slope, self.inter]);
        page.bytes[123] = 2;
        page.put(252, self.qform.to_le_bytes());
        page.put(254, self.sform.to_le_bytes());
        page.f32s(256, &self.quaternion);
        page.f32s(268, &self.origin);
        page.f32s(280, self.rows.as_flattened());
        page.bytes[344..344 + self.magic.len()].copy_from_slice(self.magic);
        page.bytes
    }

    fn header_2(&self) -> Vec<u8> {
        let mut page = Page { bytes: vec![0; 540], order: self.order };
        page.put(0, 540i32.to_le_bytes());
        page.bytes[4..4 + self.magic.len()].copy_from_slice(self.magic);
        page.put(12, self.data_type.to_le_bytes());
        page.put(14, self.bitpix.to_le_bytes());
        (0..8).for_each(|i| page.put(16 + 8 * i, self.dim[i].to_le_bytes()));
        page.f64s(104, &self.pixdim);
        page.put(168, (self.offset as i64).to_le_bytes());
        page.f64s(176, &[self.slope, self.inter]);
        page.put(344, i32::from(self.qform).to_le_bytes());
        page.put(348, i32::from(self.sform).to_le_bytes());
        page.f64s(352, &self.quaternion);
        page.f64s(376, &self.origin);
        page.f64s(400, self.rows.as_flattened());
        page.put(500, 2i32.to_le_bytes());
        page.bytes
    }
}

struct Page {
    bytes: Vec<u8>,
    order: Order,
}

impl Page {
    fn put<const N: usize>(&mut self, at: usize, little: [u8; N]) {
        self.bytes[at..at + N].copy_from_slice(&ordered(little, self.order));
    }

    fn f32s(&mut self, at: usize, values: &[f64]) {
        values.iter().enumerate().for_each(|(i, &value)| self.put(at + 4 * i, (value as f32).to_le_bytes()));
    }

    fn f64s(&mut self, at: usize, values: &[f64]) {
        values.iter().enumerate().for_each(|(i, value)| self.put(at + 8 * i, value.to_le_bytes()));
    }
}

/// A little-endian number in the given order.
pub fn ordered<const N: usize>(mut little: [u8; N], order: Order) -> [u8; N] {
    if order == Order::Big {
        little.reverse();
    }
    little
}

/// One gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes all bytes");
    encoder.finish().expect("a vector takes all bytes")
}
