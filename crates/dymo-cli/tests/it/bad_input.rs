//! What is broken is refused with exit code 2 and one message that names the file and what to do; nothing is left half written.

use dymo_data::checksum::sha256_hex;

use crate::place::{EXPERIMENT, Place, Ran, cut, datasets};

const EVALUATE: &str = "evaluate experiment.toml --model model --out results";

fn nothing_written(place: &Place) {
    assert_eq!(place.names("results"), Vec::<String>::new());
}

#[test]
fn settings_with_an_unknown_key() {
    let place = Place::new();
    place.write("experiment.toml", format!("{EXPERIMENT}\n[selektion]\n"));
    let ran = place.run("train fusion experiment.toml --out model");
    ran.refused(&["experiment.toml", "line ", "selektion", "^"]);
    assert_eq!(place.names("model"), Vec::<String>::new());
}

#[test]
fn settings_with_a_value_that_cannot_be() {
    let place = Place::new();
    place
        .run("train fusion experiment.toml --out model --epochs 0")
        .refused(&["experiment.toml", "fusion.schedule.epochs is 0"]);
    place
        .run("evaluate experiment.toml --out r --rates 1.5")
        .refused(&["evaluation.rates is 1.5", "from 0 to below 1"]);
    place.run("data masks experiment.toml --missing 5 --out masks.csv").refused(&["would leave nothing"]);
    place.run("evaluate experiment.toml --out r").refused(&["no model is named", "--model DIR"]);
    // What is trained already is not trained over unasked.
    place.write("trained.toml", format!("model = \"shipped\"\n{EXPERIMENT}"));
    place.run("train trained.toml").refused(&["trained.toml: its `model` is ", "say with --out DIR"]);
}

#[test]
fn files_that_are_not_there() {
    let place = Place::new();
    place.run("train fusion absent.toml --out model").refused(&["absent.toml", "name the TOML file"]);
    place.run(EVALUATE).refused(&["model: there is no model", "dymo train"]);
    place.run("inspect absent.nii.gz").refused(&["absent.nii.gz", "name a file"]);
    place.run("report absent").refused(&["absent/report.json", "an evaluation has written"]);
    place.run("predict absent experiment.toml").refused(&["there is no model"]);
    nothing_written(&place);
}

/// A slip of the hand costs no table.
/// A folder may hold files of the names that a report or a model has: they are not ours to write over.
#[test]
fn files_of_others_are_spared_by_reports_and_models() {
    let place = Place::with_model();
    place.write("records.csv", "patient,age\n1,50\n");
    let lost = ["records.csv", "it is there and of no report of dymo"];
    place.run("evaluate experiment.toml --model model --out .").refused(&lost);
    place.run("train experiment.toml --out fresh --results .").refused(&lost);
    assert!(!place.path("fresh").exists(), "it is said before anything is trained");
    std::fs::rename(place.path("experiment.toml"), place.path("settings.toml")).expect("renamed");
    place
        .run("evaluate settings.toml --model model --out .")
        .refused(&["settings.toml", "is a file that is read here"]);
    std::fs::create_dir(place.path("notes")).expect("a folder");
    place.write("notes/README.md", "my notes");
    place.run("train fusion settings.toml --out notes").refused(&["notes/README.md", "of no model"]);
    // A report is written over by the next one, and a model's files by none of predict's.
    for _ in 0..2 {
        place.run("evaluate settings.toml --model model --out report").well();
    }
    for out in ["model/model.json", "model/SHA256SUMS", "model/evaluation/report.json", "./model/../model/history.json"]
    {
        place.run(&format!("predict model settings.toml --out {out}")).refused(&["is a file of the model"]);
    }
    place.run("model verify model").well();
    place.run("predict model settings.toml --out model/mine.csv").well();
}

#[test]
fn nothing_is_written_over_what_is_read() {
    let place = Place::with_model();
    let experiment = std::fs::read(place.path("experiment.toml")).expect("the experiment");
    for command in [
        "predict model experiment.toml --out experiment.toml",
        "predict model experiment.toml --out p.csv --explain ./experiment.toml",
        "data masks experiment.toml --rate 0.5 --out experiment.toml",
        "data sheet experiment.toml --out experiment.toml",
    ] {
        place.run(command).refused(&["experiment.toml", "is a file that is read here", "name another"]);
        assert!(std::fs::read(place.path("experiment.toml")).expect("it is there") == experiment, "{command}");
    }
    place.run("predict model experiment.toml --out p.csv --explain p.csv").refused(&["p.csv", "one file"]);
    place.write("t.csv", "id,label,x\na,u,1\nb,v,2\n");
    place.run("data init t.csv --out t.csv --force").refused(&["t.csv", "is a file that is read here"]);
}

#[test]
fn a_model_without_what_is_asked_for() {
    let place = Place::with_model();
    let with = |name: &str, text: &str| place.write(name, EXPERIMENT.replace("[\"cosine\"]", text));
    with("euclid.toml", "[\"euclid\"]");
    place
        .run("evaluate euclid.toml --model model --out results")
        .refused(&["euclid metric", "dymo train fusion --metric euclid"]);
    let mopoe =
        EXPERIMENT.replace("shared = 8\nprivate = 4", "latent = 4").replace("recovery.guided", "recovery.mopoe");
    place.write("mopoe.toml", mopoe);
    place
        .run("evaluate mopoe.toml --model model --out results")
        .refused(&["no mopoe recovery", "dymo train recovery mopoe"]);
    nothing_written(&place);
}

#[test]
fn weights_that_were_cut() {
    let place = Place::with_model();
    cut(&place.path("model/guided.safetensors"), 9);
    place.run(EVALUATE).refused(&["model/guided.safetensors has sha256", "damaged"]);
    nothing_written(&place);
}

/// Puts the right checksum of a file into the list.
fn sign(place: &Place, name: &str) {
    let digits = sha256_hex(&std::fs::read(place.path("model").join(name)).unwrap());
    let list = std::fs::read_to_string(place.path("model/SHA256SUMS")).unwrap();
    let line = |line: &str| if line.ends_with(name) { format!("{digits}  {name}\n") } else { format!("{line}\n") };
    place.write("model/SHA256SUMS", list.lines().map(line).collect::<String>());
}

#[test]
fn weights_that_are_not_numbers() {
    let place = Place::with_model();
    let path = place.path("model/fusion-cosine.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    sign(&place, "fusion-cosine.safetensors");
    place.run(EVALUATE).refused(&["fusion-cosine.safetensors", "not finite", "train again"]);
    nothing_written(&place);
}

#[test]
fn a_model_of_another_format() {
    let place = Place::with_model();
    let text = std::fs::read_to_string(place.path("model/model.json")).unwrap();
    place.write("model/model.json", text.replacen("\"format\": 1", "\"format\": 99", 1));
    sign(&place, "model.json");
    place.run(EVALUATE).refused(&["model.json: format 99", "reads 1"]);
    place.write("model/model.json", "{");
    sign(&place, "model.json");
    place.run("inspect model").refused(&["model.json: not a model", "fetch the file again"]);
}

#[test]
fn masks_that_cannot_be() {
    let place = Place::with_model();
    let predict = "predict model experiment.toml --samples 2 --masks masks.csv --out predictions.csv";
    let cases = [
        ("m0,m1,m2,m3,m4\n0,0,0,0,1\n1,1,1,1,1\n", "line 3: every modality is missing"),
        ("0,0,0,1\n", "line 1: 4 columns, wanted 5"),
        ("0,0,0,0,x\n", "line 1, column 5: \"x\""),
        ("0,0,0,0,1\n", "1 rows for 2 samples"),
    ];
    for (text, message) in cases {
        place.write("masks.csv", text);
        place.run(predict).refused(&["masks.csv", message]);
    }
    assert!(!place.path("predictions.csv").exists());
    for rate in ["1", "1.5", "NaN", "-0.1"] {
        let ran = place.run(&format!("data masks experiment.toml --rate={rate} --out drawn.csv"));
        ran.refused(&["--rate", "wanted a number from 0 to below 1"]);
    }
}

/// Rows of a mask file are found by their ids; a sample without one is told in its row.
#[test]
fn a_sample_that_no_mask_row_names() {
    let place = Place::with_model();
    let predict =
        |out: &str| place.run(&format!("predict model experiment.toml --samples 3 --masks masks.csv --out {out}"));
    place.write("masks.csv", "m0,m1,m2,m3,m4\n0,1,1,1,1\n1,0,1,1,1\n1,1,0,1,1\n");
    predict("ordered.csv").well();
    let ordered = std::fs::read_to_string(place.path("ordered.csv")).expect("predictions");
    let ids: Vec<&str> = ordered.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    let rows = [(ids[2], "1,1,0,1,1"), (ids[0], "0,1,1,1,1"), (ids[1], "1,0,1,1,1")];
    let text = |rows: &[(&str, &str)]| {
        let rows: Vec<String> = rows.iter().map(|(id, flags)| format!("{id},{flags}\n")).collect();
        format!("id,m0,m1,m2,m3,m4\n{}", rows.concat())
    };
    place.write("masks.csv", text(&rows));
    predict("named.csv").well();
    assert_eq!(std::fs::read_to_string(place.path("named.csv")).expect("predictions"), ordered);
    place.write("masks.csv", text(&rows[..2]));
    predict("one-less.csv").well();
    let one_less = std::fs::read_to_string(place.path("one-less.csv")).expect("predictions");
    assert_eq!(one_less.matches("the mask file has no row with the id").count(), 1, "{one_less}");
}

#[test]
fn tables_that_cannot_be() {
    let place = Place::with_model();
    place.write("table.csv", "id,label,split,left\n");
    place.run("predict model table.csv --out p.csv").refused(&["table.csv", "m0"]);
    place.write("table.csv", "id,label,split,m0,m1,m2,m3,m4\n");
    place.run("predict model table.csv --out p.csv").refused(&["table.csv", "no sample"]);
    assert!(!place.path("p.csv").exists());

    // What is wrong with a row is that row's answer.
    place.write("cut.png", b"\x89PNG\r\n\x1a\n\0\0");
    place.write("table.csv", "id,m0,m1,m2,m3,m4\na,absent.png,,,,\nb,cut.png,,,,\n");
    let ran = place.run("predict model table.csv --out p.csv").well();
    assert!(ran.out.contains("2 of 2 rows have no prediction"), "{}", ran.out);
    let table = std::fs::read_to_string(place.path("p.csv")).unwrap();
    assert!(table.contains("absent.png") && table.contains("cut.png"), "{table}");
}

/// A copy of the data sets in which one file of digits is cut.
#[test]
#[cfg(unix)]
fn digits_that_were_cut() {
    let place = Place::new();
    let images = "train-images-idx3-ubyte.gz";
    std::fs::create_dir_all(place.path("broken/mnist")).unwrap();
    std::os::unix::fs::symlink(format!("{}/photographs", datasets()), place.path("broken/photographs")).unwrap();
    for entry in std::fs::read_dir(format!("{}/mnist", datasets())).unwrap().flatten() {
        std::fs::copy(entry.path(), place.path("broken/mnist").join(entry.file_name())).unwrap();
    }
    cut(&place.path("broken/mnist").join(images), 100);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dymo"));
    command
        .args(["train", "fusion", "experiment.toml", "--out", "model", "--datasets", "broken"])
        .current_dir(place.path(""));
    let ran = Ran::of(&command.output().unwrap());
    ran.refused(&["broken/mnist", images, "damaged"]);
    assert_eq!(place.names("model"), Vec::<String>::new());
    place.run(&format!("inspect broken/mnist/{images}")).refused(&[images]);
    std::fs::write(place.path("short-idx1-ubyte"), b"\0\0\x08\x01\0\0\0\x09abc").unwrap();
    place.run("inspect short-idx1-ubyte").refused(&["short-idx1-ubyte"]);
}

/// A volume of 2 × 3 × 4 voxels of 16 bits.
fn volume() -> Vec<u8> {
    let mut bytes = vec![0; 352];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348i32.to_le_bytes());
    for (place, extent) in [3i16, 2, 3, 4, 1, 1, 1, 1].iter().enumerate() {
        put(40 + 2 * place, &extent.to_le_bytes());
    }
    put(70, &4i16.to_le_bytes());
    put(72, &16i16.to_le_bytes());
    for place in 0..8 {
        put(76 + 4 * place, &1f32.to_le_bytes());
    }
    put(108, &352f32.to_le_bytes());
    put(344, b"n+1\0");
    bytes.extend((0..24i16).flat_map(i16::to_le_bytes));
    bytes
}

#[test]
fn volumes_whole_and_cut() {
    let place = Place::new();
    place.write("scan.nii", volume());
    let out = place.run("inspect scan.nii").well().out;
    assert!(out.contains("shape        2 x 3 x 4") && out.contains("values       0 to 23"), "{out}");
    assert!(place.path("scan.png").exists());
    std::fs::remove_file(place.path("scan.png")).unwrap();
    cut(&place.path("scan.nii"), 7);
    place.run("inspect scan.nii").refused(&["scan.nii"]);
    assert!(!place.path("scan.png").exists());
    place.write("notes.txt", "not a volume");
    // What of a picture is not read is said here, too.
    image::ImageBuffer::<image::Luma<u16>, _>::from_pixel(3, 2, image::Luma([300]))
        .save(place.path("deep.png"))
        .unwrap();
    let out = place.run("inspect deep.png").well().out;
    assert!(
        out.contains("values of 16 bits, of which the upper 8 are read; the largest is 300 of 65535; write"),
        "{out}"
    );
    place.run("inspect notes.txt").refused(&["notes.txt", "NIfTI"]);
}

/// Nobody loses a scan, a table or a picture to a look at a scan.
#[test]
fn a_look_at_a_volume_replaces_nothing_unasked() {
    let place = Place::new();
    place.write("scan.nii", volume());
    place.write("scan.png", "precious");
    place.write("table.csv", "id,label\n");
    let read = |name: &str| std::fs::read(place.path(name)).unwrap();
    let out = place.run("inspect scan.nii").well().out;
    assert!(out.contains("picture      scan-2.png") && read("scan.png") == b"precious", "{out}");
    // The same picture once more is no other.
    assert!(place.run("inspect scan.nii").well().out.contains("picture      scan-2.png"));
    place.run("inspect scan.nii --picture scan-2.png").well();
    place.run("inspect scan.nii --picture scan.nii").refused(&["scan.nii: --picture is a file that is read here"]);
    place.run("inspect scan.nii --picture scan.nii --force").refused(&["scan.nii: --picture is a file that is read"]);
    place.run("inspect scan.nii --picture table.csv").refused(&["table.csv: it is there", "--picture", "--force"]);
    assert!(read("scan.nii") == volume() && read("table.csv") == b"id,label\n");
    place.run("inspect scan.nii --picture scan.png --force").well();
    assert_eq!(read("scan.png"), read("scan-2.png"));
    assert!(!place.path("scan-3.png").exists());
}

/// An experiment that was corrected by hand, and a model of another training, stay unless it is said that they go.
#[test]
fn conversions_and_copies_replace_nothing_unasked() {
    let place = Place::with_model();
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    std::fs::create_dir_all(place.path("celeba/img_align_celeba")).unwrap();
    place.write("celeba/list_attr_celeba.txt", "2\nBald Smiling\n000001.jpg -1 1\n000002.jpg 1 -1\n");
    place.write("celeba/list_eval_partition.txt", "000001.jpg 0\n000002.jpg 1\n");
    let convert = "data convert celeba celeba --attribute Smiling --out faces";
    place.run(convert).well();
    for name in ["faces/experiment.toml", "faces/manifest.csv"] {
        let written = read(name);
        place.write(name, "mine");
        place.run(convert).refused(&["it is there, and would be written over", "--out", "--force"]);
        assert_eq!(read(name), "mine");
        place.run(&format!("{convert} --force")).well();
        assert_eq!(read(name), written);
    }
    let export = "export model --out shipped";
    std::fs::create_dir(place.path("shipped")).unwrap();
    place.write("shipped/notes.txt", "mine");
    place.run(export).well();
    assert_eq!(read("shipped/notes.txt"), "mine");
    place.run(export).refused(&["shipped/model.json: it is there", "--out", "--force"]);
    place.run(&format!("{export} --force")).well();
    for name in ["README.md", "model.json", "guided.safetensors"] {
        std::fs::remove_dir_all(place.path("shipped")).unwrap();
        std::fs::create_dir(place.path("shipped")).unwrap();
        place.write(&format!("shipped/{name}"), "mine");
        place.run(export).refused(&[name, "it is there", "--force"]);
        assert_eq!(place.names("shipped"), [name]);
        assert_eq!(read(&format!("shipped/{name}")), "mine");
    }
    place.run("export model --out model --force").refused(&["model: --out is the model itself"]);
    place.run("model verify model").well();
}

#[test]
fn a_checkpoint_that_was_cut_or_belongs_elsewhere() {
    let place = Place::new();
    let train = "train recovery guided experiment.toml --out model --epochs 1";
    place.run(train).well();
    let (checkpoint, weights) =
        (place.path("model/checkpoints/guided.checkpoint"), place.path("model/guided.safetensors"));
    let before = std::fs::read(&weights).unwrap();
    place.run(&format!("{train} --resume --seed 7")).refused(&["guided.checkpoint", "another run"]);
    cut(&checkpoint, 1000);
    place.run(&format!("{train} --resume")).refused(&["guided.checkpoint", "delete it to start again"]);
    assert_eq!(std::fs::read(&weights).unwrap(), before, "the model is as it was");
    place.run("inspect model").well();
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk() {
    let place = Place::with_model();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.command("predict model experiment.toml --samples 3 --quiet").stdout(full).output().unwrap();
    Ran::of(&output).refused(&["cannot write to standard output", "No space left"]);
    place.write("occupied", "a file where a folder is wanted");
    place
        .run("evaluate experiment.toml --model model --samples 20 --out occupied/results")
        .refused(&["occupied/results"]);
    place.run("train fusion experiment.toml --out occupied/model --epochs 1").refused(&["occupied/model"]);
}
