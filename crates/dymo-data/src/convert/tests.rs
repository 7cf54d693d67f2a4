use super::*;
use crate::manifest::{Manifest, Split};
use crate::npy::bytes_of;
use crate::picture::{Colour, Picture};
use crate::samples::Samples;
use std::fs;

/// A pickled list (protocol 2), as `pickle.dumps` writes short ones.
fn pickled(items: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let items: Vec<u8> = items.flatten().collect();
    [&b"\x80\x02]("[..], &items, b"e."].concat()
}

fn pickled_texts(texts: &[String]) -> Vec<u8> {
    let text = |text: &String| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    pickled(texts.iter().map(text))
}

fn pickled_numbers(numbers: &[u8]) -> Vec<u8> {
    pickled(numbers.iter().map(|&number| vec![b'K', number]))
}

/// A NumPy array of bytes, as `pickle.dumps(np.array([...], "u1"), protocol=4)` is.
fn pickled_array(numbers: &[u8]) -> Vec<u8> {
    let count = numbers.len() as u8;
    let head = b"\x80\x04\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x94\x93\x94K\x00\x85\x94C\x01b\x94\x87\x94R\x94(K\x01K";
    let dtype = b"\x85\x94h\x03\x8c\x05dtype\x94\x93\x94\x8c\x02u1\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01|\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94b\x89C";
    [&head[..], &[count], dtype, &[count], numbers, b"\x94t\x94b."].concat()
}

/// Four cars a part, in the files of the released layout; pictures are named by paths of another machine.
fn cars() -> (tempfile::TempDir, ArrayLayout) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut lengths = vec![22, 13, 3, 12];
    lengths.extend([1; 13]);
    fs::write(at("tabular_lengths_all_views_physical_reordered.pt"), pickled_numbers(&lengths)).unwrap();
    fs::create_dir_all(at("views/red")).unwrap();
    for (part, base) in [("train", 0u8), ("val", 10), ("test", 20)] {
        let paths: Vec<String> = (0..4).map(|i| format!("/home/someone/dvm/views/red/{}.jpg", base + i)).collect();
        fs::write(at(&format!("{part}_paths_all_views.pt")), pickled_texts(&paths)).unwrap();
        let labels = if part == "val" { pickled_array } else { pickled_numbers };
        fs::write(at(&format!("labels_model_all_{part}_all_views.pt")), labels(&[0, 1, 2, 0])).unwrap();
        let row = |i: u8| {
            let numbers: String = (0..13).map(|c| format!(",{}.5", i32::from(i) - c)).collect();
            format!("{i}.0,1.0,2.0,11.0{numbers}\n")
        };
        let table: String = (0..4).map(row).collect();
        fs::write(at(&format!("dvm_features_{part}_noOH_all_views_physical_jittered_50_reordered.csv")), table)
            .unwrap();
        for i in 0..4 {
            let array = bytes_of("|u1", false, "(2, 2, 3)", &[base + i + 1; 12]);
            fs::write(at(&format!("views/red/{}.npy", base + i)), array).unwrap();
        }
    }
    let layout = ArrayLayout::cars(folder.path());
    (folder, layout)
}

fn open(converted: &Converted) -> Manifest {
    #[derive(serde::Deserialize)]
    struct Experiment {
        data: Source,
    }
    let text = fs::read_to_string(&converted.experiment).unwrap();
    let experiment: Experiment = toml::from_str(&text).unwrap();
    match experiment.data.rooted(converted.experiment.parent().unwrap()) {
        Source::Manifest(settings) => Manifest::open(&settings).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn cars_become_a_table_that_is_read() {
    let (folder, mut layout) = cars();
    let mut missing = vec![0u8; 4 * 17];
    missing[4] = 1;
    fs::write(folder.path().join("mask.npy"), bytes_of("|b1", false, "(4, 17)", &missing)).unwrap();
    layout.train.mask = Some(folder.path().join("mask.npy"));
    let converted = arrays(&layout, &folder.path().join("out")).unwrap();
    assert_eq!(converted.parts, [4, 4, 4]);
    let samples = open(&converted);
    assert_eq!(samples.schema().classes(), ["0", "1", "2"]);
    let columns = samples.schema().modalities()[1].kind();
    assert_eq!(columns.columns().unwrap()[0].cardinality(), Some(22));
    let mut row = [0.0; 17];
    samples.read(0, 1, &mut row).unwrap();
    assert_eq!(row[..4], [0.0, 1.0, 2.0, 11.0]);
    // Training values 0.5 to 3.5: mean 2, deviation √1.25; the first is masked.
    assert!(row[4].is_nan());
    samples.read(1, 1, &mut row).unwrap();
    assert!((row[4] + 0.5 / 1.25f32.sqrt()).abs() < 1e-6, "{row:?}");
    let mut image = vec![0.0; 128 * 128 * 3];
    samples.read(samples.part(Split::Test)[3], 0, &mut image).unwrap();
    assert!(image.iter().all(|&value| value == 24.0 / 255.0));
}

#[test]
fn cars_lose_what_their_mask_files_take_away() {
    let (folder, layout) = cars();
    let layout = layout.with_car_masks(folder.path(), "value_0.3");
    let refused = arrays(&layout, &folder.path().join("out")).unwrap_err().to_string();
    assert!(refused.contains("missing_mask") && refused.contains("reordered_dvm_value_0.3.npy"), "{refused}");
    fs::create_dir(folder.path().join("missing_mask")).unwrap();
    for (part, gap) in [(&layout.train, 0), (&layout.validation, 5), (&layout.test, 16)] {
        let mut missing = vec![0u8; 4 * 17];
        missing[17 + gap] = 1;
        fs::write(part.mask.as_ref().unwrap(), bytes_of("|b1", false, "(4, 17)", &missing)).unwrap();
    }
    let samples = open(&arrays(&layout, &folder.path().join("out")).unwrap());
    let gaps = |index: usize| -> Vec<usize> {
        let mut row = [0.0; 17];
        samples.read(index, 1, &mut row).unwrap();
        (0..17).filter(|at| row[*at].is_nan()).collect()
    };
    let found = Split::ALL.map(|part| gaps(samples.part(part)[1]));
    assert_eq!((found, gaps(0)), ([vec![0], vec![5], vec![16]], vec![]));
}

#[test]
fn a_layout_is_a_file_of_its_own_and_lists_may_be_text() {
    let (folder, layout) = cars();
    let text = toml::to_string(&layout).unwrap();
    let again: ArrayLayout = toml::from_str(&text).unwrap();
    assert_eq!(again.clone().rooted(folder.path()), layout);
    fs::write(folder.path().join("labels.txt"), "0\n1\n\n1\n0\n").unwrap();
    let mut own = again;
    own.test.labels = folder.path().join("labels.txt");
    own.classes = ["a", "b", "c"].map(String::from).into();
    let samples = open(&arrays(&own, &folder.path().join("out")).unwrap());
    assert_eq!((samples.label(9), samples.schema().classes()), (1, &["a".to_owned(), "b".into(), "c".into()][..]));
}

#[test]
fn files_that_do_not_belong_together_are_told() {
    let (folder, layout) = cars();
    let out = folder.path().join("out");
    let refused = |change: &dyn Fn(&mut ArrayLayout)| {
        let mut layout = layout.clone();
        change(&mut layout);
        let message = arrays(&layout, &out).unwrap_err().to_string();
        assert!(!out.join("manifest.csv").exists(), "{message}");
        message
    };
    let at = |name: &str, content: &[u8]| {
        fs::write(folder.path().join(name), content).unwrap();
        folder.path().join(name)
    };
    let three = at("three.pt", &pickled_numbers(&[0, 1, 2]));
    assert!(refused(&|l| l.train.labels = three.clone()).contains("4 paths, wanted 3"));
    let words = at("words.txt", b"zero\n");
    assert!(refused(&|l| l.train.labels = words.clone()).contains("line 1: \"zero\"; wanted a list of labels"));
    assert!(refused(&|l| l.train.labels = "/nowhere".into()).contains("it should hold labels"));
    assert!(refused(&|l| l.classes = vec!["a".into(), "b".into()]).contains("\"2\", wanted 0 to 1"));
    assert!(refused(&|l| l.columns = vec!["a".into()]).contains("17 columns, wanted 1"));
    let mask = at("mask.npy", &bytes_of("|b1", false, "(2, 2)", &[0; 4]));
    assert!(refused(&|l| l.test.mask = Some(mask.clone())).contains("[2, 2], the table has [4, 17]"));
    let broken = at("broken.npy", b"no");
    assert!(refused(&|l| l.test.mask = Some(broken.clone())).contains("broken.npy"));
    let table = at("table.csv", format!("99,1,2,11{}\n", ",1".repeat(13)).as_bytes());
    assert!(
        refused(&|l| l.test.table = table.clone()).contains("column Color: \"99\", wanted a whole number from 0 to 21")
    );
    // Lines are those of an editor: both errors of a row, that of a number and that of a category, stand in the fourth.
    for (cell, wanted) in [("99", "a whole number"), ("red", "a number")] {
        let (good, bad) = (format!("1,1,2,11{}", ",1".repeat(13)), format!("{cell},1,2,11{}", ",1".repeat(13)));
        for end in ["\n", "\r\n"] {
            let lines = at("lines.csv", [&good, "", "", &bad, ""].join(end).as_bytes());
            let told = refused(&|l| l.test.table = lines.clone());
            assert!(told.contains("lines.csv, line 4, column ") && told.contains(wanted), "{end:?}: {told}");
        }
    }
    let narrow = at("narrow.csv", b"1,2\n");
    assert!(refused(&|l| l.test.table = narrow.clone()).contains("2 columns in a row, wanted 17"));
    let broken = at("broken.pt", b"\x80\x02](K");
    assert!(refused(&|l| l.train.labels = broken.clone()).contains("broken.pt"));
}

fn celebrities(csv: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("img_align_celeba")).unwrap();
    let picture = Picture::new(218, 178, Colour::Rgb, vec![50; 218 * 178 * 3]).unwrap();
    for i in 1..=3 {
        picture.save_png(&at(&format!("img_align_celeba/00000{i}.jpg"))).unwrap();
    }
    if csv {
        fs::write(
            at("list_attr_celeba.csv"),
            "image_id,Bald,Blond_Hair,Big_Nose\n000001.jpg,-1,1,1\n000002.jpg,1,-1,-1\n000003.jpg,-1,-1,1\n",
        )
        .unwrap();
        fs::write(at("list_eval_partition.csv"), "image_id,partition\n000001.jpg,0\n000002.jpg,1\n000003.jpg,2\n")
            .unwrap();
        fs::write(
            at("list_attr_text_256_False_True_celeba.csv"),
            "image_id,text\n000001.jpg,**big nose**\n000002.jpg,bald\n000003.jpg,****\n",
        )
        .unwrap();
    } else {
        fs::write(
            at("list_attr_celeba.txt"),
            "3\nBald Blond_Hair Big_Nose \n000001.jpg -1  1  1\n000002.jpg  1 -1 -1\n000003.jpg -1 -1 -1\n",
        )
        .unwrap();
        fs::write(at("list_eval_partition.txt"), "000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n").unwrap();
    }
    folder
}

#[test]
fn faces_become_pictures_and_text() {
    for csv in [false, true] {
        let folder = celebrities(csv);
        let converted = faces(folder.path(), &FaceOptions::default(), &folder.path().join("out")).unwrap();
        let samples = open(&converted);
        assert_eq!((converted.parts, samples.label(0), samples.label(1)), ([1, 1, 1], 1, 0));
        assert_eq!(samples.schema().classes(), ["not Blond_Hair", "Blond_Hair"]);
        let mut image = vec![0.0; 64 * 64 * 3];
        samples.read(0, 0, &mut image).unwrap();
        assert!(image.iter().all(|&value| value == 50.0 / 255.0));
        let table = fs::read_to_string(&converted.table).unwrap();
        let wanted = if csv { "000001.jpg,big nose" } else { "\"Blond Hair, Big Nose\"" };
        assert!(table.contains(wanted) && table.contains("000003.jpg,no attribute"), "{table}");
    }
    let folder = celebrities(false);
    let hidden = FaceOptions { hide_attribute: true, ..FaceOptions::default() };
    let converted = faces(folder.path(), &hidden, &folder.path().join("out")).unwrap();
    assert!(!fs::read_to_string(&converted.table).unwrap().contains("Blond Hair"));
}

#[test]
fn wrong_attribute_files_are_told() {
    let refused = |name: &str, content: &str| {
        let folder = celebrities(false);
        fs::write(folder.path().join(name), content).unwrap();
        faces(folder.path(), &FaceOptions::default(), &folder.path().join("out")).unwrap_err().to_string()
    };
    assert!(
        refused("list_attr_celeba.txt", "1\nBald Big_Nose\n000001.jpg -1 1\n")
            .contains("wanted an attribute Blond_Hair")
    );
    assert!(
        refused("list_attr_celeba.txt", "1\nBald Blond_Hair\n000001.jpg -1\n")
            .contains("1 attributes in a row, wanted 2")
    );
    assert!(
        refused("list_attr_celeba.txt", "1\nBald Blond_Hair\n000001.jpg -1 7\n")
            .contains("column Blond_Hair: \"7\", wanted 1 or -1")
    );
    assert!(
        refused("list_attr_celeba.txt", "1\nBald Blond_Hair\n000009.jpg -1 1\n").contains("a picture of the partition")
    );
    assert!(refused("list_attr_celeba.txt", "").contains("no line with names"));
    assert!(refused("list_eval_partition.txt", "000001.jpg 0\n000002.jpg 5\n").contains("\"5\", wanted 0, 1 or 2"));
}
