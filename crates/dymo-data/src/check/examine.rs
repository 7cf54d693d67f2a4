//! One file: can it be read, what does it show, and what is its checksum.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::report::Geometry;
use crate::checksum::{first_16, short_hash};
use crate::manifest::{Form, Told};
use crate::picture::{Colour, Crop, Picture, PictureError, file_bytes};
use crate::samples::ReadError;
use crate::volume::{AffineSource, Limits, Volume};

/// What is known of a file that can be read.
pub(super) struct Facts {
    pub(super) geometry: Geometry,
    pub(super) told: Told,
    pub(super) content: u128,
}

/// Opens the file of an image or a volume; `None` for other forms.
pub(super) fn examine(form: &Form, path: &Path) -> Option<Result<Facts, ReadError>> {
    match form {
        Form::Image { colour, crop, .. } => {
            Some(picture(path, *colour, *crop).map_err(|source| source.of(path).into()))
        }
        Form::Volume { .. } => Some(volume(path)),
        Form::Table { .. } | Form::Text { .. } => None,
    }
}

fn picture(path: &Path, colour: Colour, crop: Option<Crop>) -> Result<Facts, PictureError> {
    let bytes = file_bytes(path)?;
    let (picture, losses) = Picture::decode_with_losses(&bytes, colour)?;
    let size = vec![picture.height(), picture.width()];
    let geometry = Geometry { size, spacing_thousandths: Vec::new(), orientation: String::new(), known: true };
    // As training does: what lies outside the part that is read shows nothing, and a part that is not there stops it.
    let part = match crop {
        Some(crop) => picture.cropped(crop)?,
        None => picture,
    };
    let told = Told::of_picture(&part, losses);
    Ok(Facts { geometry, told, content: short_hash(&bytes) })
}

fn volume(path: &Path) -> Result<Facts, ReadError> {
    let volume = Volume::read(path, &Limits::default())?;
    // Of the voxels, not of the file: the same scan compressed anew is the same scan.
    let mut hash = Sha256::new();
    volume.data().iter().for_each(|voxel| hash.update(voxel.to_le_bytes()));
    let geometry = Geometry {
        size: volume.grid().to_vec(),
        spacing_thousandths: volume.spacing().iter().map(|step| (step * 1000.0).round() as u64).collect(),
        orientation: volume.orientation().to_string(),
        known: volume.affine_source() != AffineSource::Assumed,
    };
    let content = first_16(&hash.finalize());
    Ok(Facts { geometry, told: Told::of_volume(&volume), content })
}
