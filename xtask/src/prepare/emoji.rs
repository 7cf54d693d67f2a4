//! Emoji: a picture and a name each. Two tasks over the same samples and parts: the category (nine classes), and whether a face
//! or a person is shown (two classes); the second in the layout of CelebA's files, too.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use super::Order;
use super::folder::Folder;
use super::package::sha256_hex;
use super::sheet::{Emoji, Sheet, png};
use super::split::{PARTS, groups, stratified};
use super::table::Table;

/// Five patches of skin colours: no class to learn.
const LEFT_OUT: &str = "Component";

/// Words in which variants of one emoji differ. Variants look alike and must not train and test.
const VARIANTS: [&str; 14] = [
    "man",
    "woman",
    "men",
    "women",
    "person",
    "people",
    "boy",
    "girl",
    "facing",
    "right",
    "left",
    "rightwards",
    "leftwards",
    "and",
];

/// The two-class task, and the attribute that holds its answer.
const TASK: &str = "Face_Or_Person";
const ANSWERS: [&str; 2] = ["something else", "face or person"];

/// A word of so many names is an attribute in CelebA's layout.
const ATTRIBUTE_NAMES: usize = 15;
const NO_ATTRIBUTES: [&str; 2] = ["with", "and"];

/// Size of CelebA's aligned pictures; where an emoji of `ENLARGED` pixels lies in the part that is usually cut out of them
/// (rows 35 to 181, columns 15 to 161).
const CELEBA_SIZE: [u32; 2] = [178, 218];
const ENLARGED: u32 = 128;
const CORNER: [i64; 2] = [24, 44];
const JPEG_QUALITY: u8 = 92;

/// One emoji, read and sorted in.
struct Sample {
    id: String,
    name: String,
    category: String,
    person: bool,
    part: &'static str,
    picture: RgbImage,
}

/// Fills `folder` with pictures, `manifest.csv`, `person.csv` and `celeba/`.
pub(crate) fn make(order: &Order, folder: &mut Folder) -> Result<String> {
    from_sheet(&Sheet::of(order)?, order.seed, folder)
}

fn from_sheet(sheet: &Sheet, seed: u64, folder: &mut Folder) -> Result<String> {
    let samples = samples(sheet, seed)?;
    let [mut categories, mut persons] = [(); 2].map(|()| Table::new(["picture", "name"]));
    for sample in &samples {
        let file = format!("pictures/{}.png", sample.id);
        folder.write(&file, &png(&sample.picture)?)?;
        let cells = [file, sample.name.clone()];
        categories.add(&sample.id, &sample.category, sample.part, cells.clone());
        persons.add(&sample.id, ANSWERS[usize::from(sample.person)], sample.part, cells);
    }
    folder.write_table("manifest.csv", &categories)?;
    folder.write_table("person.csv", &persons)?;
    like_celeba(&samples, folder)?;
    Ok(format!("{} emoji of Noto Emoji with their names; drawn pictures, no photographs", samples.len()))
}

fn samples(sheet: &Sheet, seed: u64) -> Result<Vec<Sample>> {
    let taken: Vec<&Emoji> = sheet.emoji.iter().filter(|e| e.has_img_google && e.category != LEFT_OUT).collect();
    let pictures = taken.iter().map(|emoji| sheet.picture(emoji)).collect::<Result<Vec<_>>>()?;
    let ids: Vec<String> = taken.iter().map(|emoji| emoji.unified.to_lowercase()).collect();
    for id in &ids {
        ensure!(id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'), "{id:?} is no list of code points");
    }
    // Both tasks share their parts, so these are stratified by both labels.
    let labels: Vec<String> = taken.iter().map(|emoji| format!("{}/{}", emoji.category, shows_person(emoji))).collect();
    let look = |picture: &RgbImage| sha256_hex(picture.as_raw());
    let keys: Vec<Vec<String>> = taken.iter().zip(&pictures).map(|(e, p)| vec![without_variants(e), look(p)]).collect();
    let parts = stratified(&labels, &ids, &groups(&keys), seed);
    let rest = ids.into_iter().zip(parts).zip(pictures);
    Ok(taken
        .iter()
        .zip(rest)
        .map(|(emoji, ((id, part), picture))| Sample {
            id,
            // Names of flags alone are not written in capitals, which would be an answer of its own.
            name: emoji.name.to_lowercase(),
            category: emoji.category.clone(),
            person: shows_person(emoji),
            part,
            picture,
        })
        .collect())
}

/// A human face, a person or a part of a body.
fn shows_person(emoji: &Emoji) -> bool {
    emoji.category == "People & Body" || emoji.subcategory.starts_with("face-")
}

/// What variants of one emoji have in common.
fn without_variants(emoji: &Emoji) -> String {
    let name = emoji.name.to_lowercase();
    let rest: Vec<&str> = words(&name).filter(|word| !VARIANTS.contains(word)).collect();
    let shared = if rest.is_empty() { name.clone() } else { rest.join(" ") };
    format!("{}: {shared}", emoji.subcategory)
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// `img_align_celeba/`, `list_attr_celeba.txt`, `list_eval_partition.txt`, and a table of texts.
fn like_celeba(samples: &[Sample], folder: &mut Folder) -> Result<()> {
    let attributes = frequent_words(samples);
    let mut list = format!("{}\n{TASK}", samples.len());
    for word in &attributes {
        list += &format!(" {}{}", word[..1].to_uppercase(), &word[1..]);
    }
    list.push('\n');
    let mut partition = String::new();
    let mut texts = csv::Writer::from_writer(Vec::new());
    texts.write_record(["image_id", "text"])?;
    for (index, sample) in samples.iter().enumerate() {
        let file = format!("{:06}.jpg", index + 1);
        folder.write(&format!("celeba/img_align_celeba/{file}"), &enlarged(&sample.picture)?)?;
        let own: BTreeSet<&str> = words(&sample.name).collect();
        list += &file;
        for holds in [sample.person].into_iter().chain(attributes.iter().map(|word| own.contains(word.as_str()))) {
            list += if holds { "  1" } else { " -1" };
        }
        list.push('\n');
        let part = PARTS.iter().position(|part| *part == sample.part).unwrap_or_default();
        partition += &format!("{file} {part}\n");
        texts.write_record([&file, &sample.name])?;
    }
    folder.write("celeba/list_attr_celeba.txt", list.as_bytes())?;
    folder.write("celeba/list_eval_partition.txt", partition.as_bytes())?;
    folder.write("celeba/list_attr_text_256_False_True_celeba.csv", &texts.into_inner()?)?;
    println!("   celeba/: {} pictures, {} attributes", samples.len(), attributes.len() + 1);
    Ok(())
}

/// Words of ASCII letters that many names have, in alphabetical order.
fn frequent_words(samples: &[Sample]) -> Vec<String> {
    let mut names_with: BTreeMap<&str, usize> = BTreeMap::new();
    for sample in samples {
        let own: BTreeSet<&str> = words(&sample.name).collect();
        own.into_iter().for_each(|word| *names_with.entry(word).or_default() += 1);
    }
    let says_something =
        |word: &str| word.len() > 2 && word.bytes().all(|b| b.is_ascii_lowercase()) && !NO_ATTRIBUTES.contains(&word);
    let frequent = names_with.into_iter().filter(|(word, names)| *names >= ATTRIBUTE_NAMES && says_something(word));
    frequent.map(|(word, _)| word.to_owned()).collect()
}

/// A JPEG of CelebA's size with the emoji where a face would be.
fn enlarged(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut canvas = RgbImage::from_pixel(CELEBA_SIZE[0], CELEBA_SIZE[1], Rgb([255; 3]));
    let large = imageops::resize(picture, ENLARGED, ENLARGED, FilterType::CatmullRom);
    imageops::replace(&mut canvas, &large, CORNER[0], CORNER[1]);
    let mut bytes = Vec::new();
    canvas.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::folder::Receipt;
    use crate::prepare::sheet::tests::made_up;

    const EMOJI: [[&str; 4]; 9] = [
        ["GRINNING FACE", "1F600", "Smileys & Emotion", "face-smiling"],
        ["RED HEART", "2764-FE0F", "Smileys & Emotion", "heart"],
        ["MAN RUNNING", "1F3C3-200D-2642", "People & Body", "person-activity"],
        ["WOMAN RUNNING FACING RIGHT", "1F3C3-200D-2640", "People & Body", "person-activity"],
        ["Åland Islands Flag", "1F1E6-1F1FD", "Flags", "country-flag"],
        ["Norway Flag", "1F1F3-1F1F4", "Flags", "country-flag"],
        ["SKIN", "1F3FB", "Component", "skin-tone"],
        ["DOG FACE", "1F436", "Animals & Nature", "animal-mammal"],
        ["CAT, FACE", "1F431", "Animals & Nature", "animal-mammal"],
    ];

    #[test]
    fn two_tasks_and_the_layout_of_celeba() {
        let place = tempfile::tempdir().unwrap();
        let done = place.path().join("data");
        let mut folder = Folder::begin(&done).unwrap();
        from_sheet(&made_up(&EMOJI), 1, &mut folder).unwrap();
        folder
            .finish(&Receipt { recipe: "", command: String::new(), seed: 1, origin: String::new(), packages: vec![] })
            .unwrap();
        let text = |name: &str| std::fs::read_to_string(done.join(name)).unwrap();
        let categories = text("manifest.csv");
        assert!(
            categories.contains("\n1f600,Smileys & Emotion,train,pictures/1f600.png,grinning face\n"),
            "{categories}"
        );
        assert!(categories.contains("åland islands flag") && !categories.contains("skin"));
        let persons = text("person.csv");
        assert_eq!(persons.matches(",face or person,").count(), 3);
        let list = text("celeba/list_attr_celeba.txt");
        assert!(list.starts_with("8\nFace_Or_Person\n000001.jpg  1\n000002.jpg -1\n"), "{list}");
        assert_eq!(text("celeba/list_eval_partition.txt").lines().count(), 8);
        assert!(text("celeba/list_attr_text_256_False_True_celeba.csv").contains("\n000008.jpg,\"cat, face\"\n"));
        let picture = image::open(done.join("celeba/img_align_celeba/000002.jpg")).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (178, 218));
        let near = |x, y, wanted: [u8; 3]| {
            picture.get_pixel(x, y).0.into_iter().zip(wanted).all(|(found, wanted)| found.abs_diff(wanted) < 12)
        };
        assert!(near(5, 5, [255; 3]) && near(88, 108, [100, 0, 7]));
    }

    #[test]
    fn variants_share_what_is_left_of_their_names() {
        let sheet = made_up(&EMOJI);
        assert_eq!(without_variants(&sheet.emoji[2]), without_variants(&sheet.emoji[3]));
        let people = made_up(&[["MAN", "1", "c", "s"], ["WOMAN", "2", "c", "s"]]);
        assert_ne!(without_variants(&people.emoji[0]), without_variants(&people.emoji[1]));
    }

    #[test]
    fn words_of_many_names_are_attributes() {
        let sample = |name: &str| Sample {
            id: String::new(),
            name: name.into(),
            category: String::new(),
            person: false,
            part: "train",
            picture: RgbImage::new(1, 1),
        };
        let mut samples: Vec<Sample> = (0..15).map(|_| sample("flag with été no face-face")).collect();
        samples.extend((0..14).map(|_| sample("rare")));
        assert_eq!(frequent_words(&samples), ["face", "flag"]);
    }
}
