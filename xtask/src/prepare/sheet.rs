//! The sheet of emoji pictures and the list of what is where on it, for the recipes that take pictures from it.

use std::io::Cursor;

use anyhow::{Context, Result};
use image::{ImageFormat, ImageReader, Limits, Rgb, RgbImage, RgbaImage};
use serde::Deserialize;

use super::Order;
use super::package::{Manager, Package};

/// Carries sheets of four makers; only that of Noto Emoji is read, whose licence allows it (see the data sets' READMEs).
pub(crate) const PACKAGE: Package = Package {
    manager: Manager::Npm,
    name: "emoji-datasource",
    version: "16.0.0",
    file: "emoji-datasource-16.0.0.tgz",
    sha256: "2006725061dc0098daa832d65f854a7bec0740af2eb47cb5b23d89f7e2c849f9",
};

const LIST: &str = "package/emoji.json";
const PICTURES: &str = "package/img/google/sheets/32.png";

/// Side of a picture. On the sheet, each has a border of one pixel around it.
pub(crate) const SIDE: u32 = 32;

/// One emoji, as the list describes it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Emoji {
    pub(crate) name: String,
    /// Code points in hexadecimal digits, joined by `-`.
    pub(crate) unified: String,
    pub(crate) category: String,
    pub(crate) subcategory: String,
    sheet_x: u32,
    sheet_y: u32,
    /// Whether the sheet has the maker's own picture and not that of another.
    pub(crate) has_img_google: bool,
}

/// The list and the pictures.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) emoji: Vec<Emoji>,
    pictures: RgbaImage,
}

impl Sheet {
    /// Reads the package.
    pub(crate) fn of(order: &Order) -> Result<Self> {
        let members = order.members(&PACKAGE, &[LIST, PICTURES])?;
        Self::read(&members[LIST], &members[PICTURES])
    }

    /// Reads the list (JSON) and the sheet (PNG).
    pub(crate) fn read(list: &[u8], pictures: &[u8]) -> Result<Self> {
        let emoji = serde_json::from_slice(list).context(LIST)?;
        let mut reader = ImageReader::with_format(Cursor::new(pictures), ImageFormat::Png);
        let mut limits = Limits::default();
        (limits.max_image_width, limits.max_image_height, limits.max_alloc) = (Some(8192), Some(8192), Some(256 << 20));
        reader.limits(limits);
        Ok(Self { emoji, pictures: reader.decode().context(PICTURES)?.into_rgba8() })
    }

    /// The picture of an emoji of the list, laid over white.
    ///
    /// # Errors
    /// When the list names a place that is not on the sheet.
    pub(crate) fn picture(&self, emoji: &Emoji) -> Result<RgbImage> {
        let corner = |place: u32| place.checked_mul(SIDE + 2).and_then(|corner| corner.checked_add(1));
        let inside = |corner: &u32, side: u32| corner.checked_add(SIDE).is_some_and(|end| end <= side);
        let (width, height) = self.pictures.dimensions();
        let left = corner(emoji.sheet_x).filter(|left| inside(left, width));
        let top = corner(emoji.sheet_y).filter(|top| inside(top, height));
        let (left, top) = left.zip(top).with_context(|| format!("{} has no place on the sheet", emoji.name))?;
        Ok(RgbImage::from_fn(SIDE, SIDE, |x, y| over_white(self.pictures.get_pixel(left + x, top + y).0)))
    }
}

fn over_white([red, green, blue, alpha]: [u8; 4]) -> Rgb<u8> {
    let alpha = u32::from(alpha);
    Rgb([red, green, blue].map(|value| ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8))
}

/// A PNG file of a picture.
pub(crate) fn png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use image::Rgba;

    /// A sheet of three by three pictures in one colour each, and its emoji by name, code, category and subcategory.
    pub(crate) fn made_up(emoji: &[[&str; 4]]) -> Sheet {
        let place = |index: usize| [index % 3, index / 3];
        let entry = |(index, [name, unified, category, subcategory]): (usize, &[&str; 4])| {
            let [x, y] = place(index);
            serde_json::json!({
                "name": name, "unified": unified, "category": category, "subcategory": subcategory,
                "sheet_x": x, "sheet_y": y, "has_img_google": true, "something_else": null,
            })
        };
        let list: Vec<_> = emoji.iter().enumerate().map(entry).collect();
        let pictures = RgbaImage::from_fn(3 * (SIDE + 2), 3 * (SIDE + 2), |x, y| {
            let border = [x, y].iter().any(|place| matches!(place % (SIDE + 2), 0 | 33));
            if border { Rgba([0; 4]) } else { Rgba([(x / 34 * 100) as u8, (y / 34 * 100) as u8, 7, 255]) }
        });
        let mut bytes = Vec::new();
        pictures.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
        Sheet::read(&serde_json::to_vec(&list).unwrap(), &bytes).unwrap()
    }

    #[test]
    fn a_picture_is_cut_without_its_border() {
        let sheet = made_up(&[["A", "1", "c", "s"], ["B", "2", "c", "s"], ["C", "3", "c", "s"], ["D", "4", "c", "s"]]);
        for (index, colour) in [[0, 0, 7], [100, 0, 7], [200, 0, 7], [0, 100, 7]].into_iter().enumerate() {
            let picture = sheet.picture(&sheet.emoji[index]).unwrap();
            assert!(picture.dimensions() == (32, 32) && picture.pixels().all(|pixel| pixel.0 == colour));
        }
    }

    #[test]
    fn a_place_outside_the_sheet_is_told() {
        let mut sheet = made_up(&[["A", "1", "c", "s"]]);
        for place in [3, u32::MAX] {
            sheet.emoji[0].sheet_x = place;
            assert!(sheet.picture(&sheet.emoji[0]).is_err());
        }
    }

    #[test]
    fn what_is_transparent_is_white() {
        assert_eq!(over_white([0, 0, 0, 0]).0, [255; 3]);
        assert_eq!(over_white([10, 20, 30, 255]).0, [10, 20, 30]);
        assert_eq!(over_white([0, 0, 0, 128]).0, [127; 3]);
    }
}
