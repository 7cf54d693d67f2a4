//! A volume at a glance: its three middle slices side by side.
use super::{AffineSource, Interpolation, Plane, Volume, VolumeError, intensity, letters, resample};
use crate::whole;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use ndarray::{ArrayView2, Axis};
use std::path::Path;

/// The longer side of the largest panel, in pixels: as the volume has voxels, within these bounds.
const PANEL: std::ops::RangeInclusive<f64> = 192.0..=512.0;
/// Dark space between panels and around letters.
const GAP: usize = 4;
/// Side of one dot of a letter.
const DOT: usize = 2;

/// A grey picture, row by row from the top, one byte a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// The middle sagittal, coronal and axial slice of the first frame, from left to right, each as in a reading room:
/// the patient's left at the right, superior (axial: anterior) up, sagittal with anterior at the left. Pixels are
/// square in space. Black is the 1st percentile, white the 99th. Letters name the directions; where the file does not
/// know left from right, they are left out.
pub fn middle_slices(volume: &Volume) -> Picture {
    let window = intensity::percentiles(volume.first_frame().iter().copied(), 1.0, 99.0);
    let longest = (0..3).map(|axis| volume.grid()[axis] as f64 * volume.spacing()[axis]).fold(0.0, f64::max);
    let finest = volume.spacing().into_iter().fold(f64::INFINITY, f64::min);
    let pixel = longest / (longest / finest).clamp(*PANEL.start(), *PANEL.end());
    let lettered = volume.affine_source() != AffineSource::Assumed;
    let panel = |plane, letters: [char; 4]| {
        let mut panel = slice(volume, plane, pixel, window);
        if lettered {
            panel.name_sides(letters);
        }
        panel
    };
    side_by_side(&[
        panel(Plane::Sagittal, ['A', 'P', 'S', 'I']),
        panel(Plane::Coronal, ['R', 'L', 'S', 'I']),
        panel(Plane::Axial, ['R', 'L', 'A', 'P']),
    ])
}

/// One plane's middle slice at `pixel` units a pixel.
fn slice(volume: &Volume, plane: Plane, pixel: f64, window: (f64, f64)) -> Picture {
    let (view, spacing) = plane.view(volume);
    let middle = view.len_of(Axis(2)) / 2;
    let slice = view.slice(ndarray::s![.., .., middle..=middle]);
    let side = |axis: usize| ((slice.len_of(Axis(axis)) as f64 * spacing[axis] / pixel).round() as usize).max(1);
    let grid = [side(0), side(1), 1];
    let resampled = resample::regrid(slice, grid, [Interpolation::Smooth; 3]);
    Picture::of(resampled.index_axis(Axis(2), 0), window)
}

fn side_by_side(panels: &[Picture]) -> Picture {
    let height = panels.iter().map(|panel| panel.height).max().unwrap_or(0) + 2 * GAP;
    let width = panels.iter().map(|panel| panel.width + GAP).sum::<usize>() + GAP;
    let mut whole = Picture { width, height, pixels: vec![0; width * height] };
    let mut left = GAP;
    for panel in panels {
        let top = (height - panel.height) / 2;
        for (row, pixels) in panel.pixels.chunks_exact(panel.width).enumerate() {
            let at = (top + row) * width + left;
            whole.pixels[at..at + panel.width].copy_from_slice(pixels);
        }
        left += panel.width + GAP;
    }
    whole
}

impl Picture {
    /// `[columns, rows]` to grey levels; a window without width shows black and white only, NaN is black.
    fn of(slice: ArrayView2<'_, f32>, (black, white): (f64, f64)) -> Self {
        let (width, height) = slice.dim();
        let span = (white - black).max(f64::MIN_POSITIVE);
        let grey = |&value: &f32| ((f64::from(value) - black) / span * 255.0).round().clamp(0.0, 255.0) as u8;
        Self { width, height, pixels: slice.t().iter().map(grey).collect() }
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Row by row from the top, one byte a pixel, 0 black.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The picture as a PNG file's bytes.
    ///
    /// # Errors
    /// [`VolumeError::Picture`] if the encoder refuses.
    pub fn to_png(&self) -> Result<Vec<u8>, VolumeError> {
        let mut png = Vec::new();
        let (width, height) = (self.width as u32, self.height as u32); // at most 3 · 512 and some gaps
        PngEncoder::new(&mut png)
            .write_image(&self.pixels, width, height, ExtendedColorType::L8)
            .map_err(|cause| VolumeError::Picture { cause: cause.to_string() })?;
        Ok(png)
    }

    /// Writes a PNG file, whole or not at all.
    ///
    /// # Errors
    /// [`VolumeError::InFile`] around what the encoder or the system said.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<(), VolumeError> {
        let path = path.as_ref();
        let png = self.to_png()?;
        whole::write(path, png).map_err(|cause| VolumeError::Io { action: "write it", cause }.in_file(path))
    }

    /// Letters in the middle of the left, right, upper and lower edge, where two fit with as much space between them.
    fn name_sides(&mut self, [left, right, top, bottom]: [char; 4]) {
        let (w, h) = (letters::WIDTH * DOT + 2 * GAP, letters::HEIGHT * DOT + 2 * GAP);
        let (wide, high) = (self.width, self.height);
        if wide >= 3 * w && high >= h {
            self.draw(left, GAP, (high - h) / 2 + GAP);
            self.draw(right, wide - w + GAP, (high - h) / 2 + GAP);
        }
        if wide >= w && high >= 3 * h {
            self.draw(top, (wide - w) / 2 + GAP, GAP);
            self.draw(bottom, (wide - w) / 2 + GAP, high - h + GAP);
        }
    }

    /// A white letter on a dark rim, so that it reads on any ground.
    fn draw(&mut self, letter: char, left: usize, top: usize) {
        for (rim, grey) in [(1, 0), (0, 255)] {
            for (x, y) in letters::dots(letter) {
                for row in (top + y * DOT) - rim..top + (y + 1) * DOT + rim {
                    let from = row * self.width + left + x * DOT - rim;
                    self.pixels[from..from + DOT + 2 * rim].fill(grey);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    /// 20 × 30 × 10 voxels of 1 × 1 × 4 mm, dark but for one octant: right, anterior, superior.
    fn octant() -> Volume {
        let data =
            Array4::from_shape_fn((20, 30, 10, 1), |(x, y, z, _)| f32::from(u8::from(x >= 10 && y >= 15 && z >= 5)));
        let affine = [[1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 4., 0.], [0., 0., 0., 1.]];
        Volume::new(data, affine).unwrap()
    }

    #[test]
    fn pixels_are_square_in_space() {
        let picture = middle_slices(&octant());
        // The longest side, 40 mm, takes 192 pixels: 4.8 a millimetre.
        assert_eq!((picture.width(), picture.height()), (144 + 96 + 96 + 4 * GAP, 192 + 2 * GAP));
        assert_eq!(picture.pixels().len(), picture.width() * picture.height());
    }

    #[test]
    fn a_voxel_is_a_pixel_within_bounds() {
        let affine = [[1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]];
        for (voxels, pixels) in [(300, 300), (900, 512)] {
            let volume = Volume::new(Array4::zeros((voxels, 2, 2, 1)), affine).unwrap();
            // The first panel looks along the long axis; the other two are as wide as it is long.
            assert!(middle_slices(&volume).width().abs_diff(2 * pixels + 4 * GAP) <= 2);
        }
    }

    #[test]
    fn the_bright_octant_lies_where_a_reader_looks_for_it() {
        let picture = middle_slices(&octant());
        let at = |x: usize, y: usize| picture.pixels()[y * picture.width() + x];
        // A quarter in from each corner of each panel.
        let corners = |left: usize, top: usize, width: usize, height: usize| {
            let (x, y) = ([left + width / 4, left + 3 * width / 4], [top + height / 4, top + 3 * height / 4]);
            [at(x[0], y[0]), at(x[1], y[0]), at(x[0], y[1]), at(x[1], y[1])]
        };
        assert_eq!(corners(GAP, GAP, 144, 192), [255, 0, 0, 0], "sagittal: anterior left, superior up");
        assert_eq!(corners(2 * GAP + 144, GAP, 96, 192), [255, 0, 0, 0], "coronal: right at the left, superior up");
        assert_eq!(corners(3 * GAP + 240, GAP + 24, 96, 144), [255, 0, 0, 0], "axial: right at the left, anterior up");
    }

    #[test]
    fn odd_volumes_are_drawn_too() {
        let affine = [[1e-8, 0., 0., 0.], [0., 1e8, 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]];
        for value in [f32::NAN, f32::INFINITY, f32::MAX, 0.0] {
            let volume = Volume::new(Array4::from_elem((1, 1, 1, 1), value), affine).unwrap();
            let picture = middle_slices(&volume);
            assert!(picture.width() < 2000 && picture.height() < 2000);
        }
    }

    #[test]
    fn the_png_says_the_same() {
        let picture = middle_slices(&octant());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("middle.png");
        picture.write_png(&path).unwrap();
        let read = image::open(&path).unwrap().into_luma8();
        assert_eq!((read.width() as usize, read.height() as usize), (picture.width(), picture.height()));
        assert_eq!(read.as_raw(), picture.pixels());
        let error = picture.write_png(path.join("below a file.png")).unwrap_err();
        assert!(matches!(error.problem(), VolumeError::Io { action: "write it", .. }));
    }
}
