//! A folder of DICOM slices as one volume: uncompressed, of one series, in parallel planes at equal distances. `dicom-object` reads the
//! files; geometry and order are settled here.
use super::{Affine, Limits, Volume, VolumeError};
use dicom_object::{DefaultDicomObject, OpenFileOptions, Tag};
use ndarray::{Array4, ShapeBuilder};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const SERIES: Tag = Tag(0x0020, 0x000E);
const POSITION: Tag = Tag(0x0020, 0x0032);
const DIRECTIONS: Tag = Tag(0x0020, 0x0037);
const SAMPLES: Tag = Tag(0x0028, 0x0002);
const FRAMES: Tag = Tag(0x0028, 0x0008);
const ROWS: Tag = Tag(0x0028, 0x0010);
const COLUMNS: Tag = Tag(0x0028, 0x0011);
const SPACING: Tag = Tag(0x0028, 0x0030);
const ALLOCATED: Tag = Tag(0x0028, 0x0100);
const STORED: Tag = Tag(0x0028, 0x0101);
const SIGNED: Tag = Tag(0x0028, 0x0103);
const INTERCEPT: Tag = Tag(0x0028, 0x1052);
const SLOPE: Tag = Tag(0x0028, 0x1053);
const PIXELS: Tag = Tag(0x7FE0, 0x0010);

/// Implicit and explicit, little- and big-endian: what needs no decoder.
const UNCOMPRESSED: [&str; 3] = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"];
/// Largest part of the distance between slices by which one of them may be off.
const UNEVEN: f64 = 0.01;

/// One file.
struct Slice {
    path: PathBuf,
    series: String,
    rows: usize,
    columns: usize,
    /// Where the first pixel lies, millimetres to the left, to the back and up.
    position: [f64; 3],
    /// Where rows and columns of the picture run to.
    directions: [[f64; 3]; 2],
    /// Between rows, and between columns.
    spacing: [f64; 2],
    values: Vec<f32>,
}

/// The volume in a folder; files in it that are no DICOM are passed over.
pub(super) fn folder(path: &Path, limits: &Limits) -> Result<Volume, VolumeError> {
    let failed = |cause| VolumeError::Io { action: "list it", cause };
    let mut files: Vec<PathBuf> =
        fs::read_dir(path).map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    let (mut slices, mut bytes, mut voxels) = (Vec::new(), 0, 0);
    for file in files {
        // Before anything is read: the library takes the lengths that a file states on trust.
        bytes += fs::metadata(&file).map_or(0, |file| file.len());
        if bytes > limits.bytes {
            return Err(VolumeError::TooManyBytes { found: bytes, limit: limits.bytes });
        }
        let Some(slice) = read(&file)? else { continue };
        voxels += slice.values.len() as u64;
        if voxels > limits.voxels {
            return Err(VolumeError::TooManyVoxels { found: voxels, limit: limits.voxels });
        }
        slices.push(slice);
    }
    assemble(slices, path)
}

/// A slice; `None` for a file without DICOM's mark.
fn read(path: &Path) -> Result<Option<Slice>, VolumeError> {
    let bytes = fs::read(path).map_err(|cause| VolumeError::Io { action: "read it", cause })?;
    if bytes.get(128..132) != Some(b"DICM") {
        return Ok(None);
    }
    // The library is not known never to panic at a damaged file: that is an error of the file, too.
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        let object = OpenFileOptions::new().from_reader(bytes.as_slice()).map_err(|error| error.to_string())?;
        slice(path, &object)
    }));
    parsed.unwrap_or_else(|_| Err("damaged".into())).map(Some).map_err(|reason| refused(path, reason))
}

fn refused(path: &Path, reason: String) -> VolumeError {
    let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    VolumeError::Dicom { file, reason }
}

fn slice(path: &Path, object: &DefaultDicomObject) -> Result<Slice, String> {
    let syntax = object.meta().transfer_syntax().trim_end_matches('\0').to_owned();
    if !UNCOMPRESSED.contains(&syntax.as_str()) {
        return Err(format!(
            "its pixels are compressed (transfer syntax {syntax}), unpack them with dcmdjpeg or gdcmconv --raw"
        ));
    }
    let numbers = |tag: Tag| object.element(tag).ok().and_then(|element| element.to_multi_float64().ok());
    let number = |tag: Tag| numbers(tag).and_then(|numbers| numbers.first().copied());
    let some = |tag: Tag, name: &str, count: usize| {
        let found = numbers(tag).filter(|numbers| numbers.len() == count && numbers.iter().all(|n| n.is_finite()));
        found.ok_or_else(|| format!("it has no {name}"))
    };
    let whole = |tag: Tag, name: &str| Ok::<_, String>(some(tag, name, 1)?[0] as usize);
    let (rows, columns) = (whole(ROWS, "Rows")?, whole(COLUMNS, "Columns")?);
    if number(FRAMES).unwrap_or(1.0) != 1.0 || number(SAMPLES).unwrap_or(1.0) != 1.0 {
        return Err("it holds several frames or colours, one grey slice a file is wanted".into());
    }
    let position = some(POSITION, "ImagePositionPatient", 3)?;
    let directions = some(DIRECTIONS, "ImageOrientationPatient", 6)?;
    let spacing = some(SPACING, "PixelSpacing", 2)?;
    let allocated = whole(ALLOCATED, "BitsAllocated")?;
    let stored = number(STORED).map_or(allocated, |bits| bits as usize).clamp(1, allocated.max(1));
    let pixels = object.element(PIXELS).map_err(|_| "it has no pixels".to_owned())?;
    let pixels = pixels.to_bytes().map_err(|error| error.to_string())?;
    let raw: Vec<u32> = match allocated {
        8 => pixels.iter().map(|byte| u32::from(*byte)).collect(),
        // The library has brought words to this machine's order.
        16 => pixels.as_chunks::<2>().0.iter().map(|word| u32::from(u16::from_ne_bytes(*word))).collect(),
        other => return Err(format!("BitsAllocated is {other}, wanted 8 or 16")),
    };
    let count = rows.checked_mul(columns).filter(|count| *count > 0 && *count <= raw.len());
    let count = count.ok_or_else(|| format!("{} pixels for {rows} rows of {columns}", raw.len()))?;
    let signed = number(SIGNED) == Some(1.0);
    // A data element of odd length is padded by one byte.
    let value = |word: u32| {
        let shift = 32 - stored as u32;
        if signed { f64::from((word << shift) as i32 >> shift) } else { f64::from(word << shift >> shift) }
    };
    let (slope, intercept) = (number(SLOPE).unwrap_or(1.0), number(INTERCEPT).unwrap_or(0.0));
    let series = object.element(SERIES).ok().and_then(|element| Some(element.to_str().ok()?.into_owned()));
    Ok(Slice {
        path: path.to_owned(),
        series: series.unwrap_or_default(),
        rows,
        columns,
        position: [position[0], position[1], position[2]],
        directions: [[directions[0], directions[1], directions[2]], [directions[3], directions[4], directions[5]]],
        spacing: [spacing[0], spacing[1]],
        values: raw[..count].iter().map(|word| (slope * value(*word) + intercept) as f32).collect(),
    })
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Orders the slices along their common normal and stacks them.
fn assemble(mut slices: Vec<Slice>, path: &Path) -> Result<Volume, VolumeError> {
    let Some(first) = slices.first() else {
        return Err(refused(path, "there is no DICOM file in the folder".into()));
    };
    let (series, rows, columns) = (first.series.clone(), first.rows, first.columns);
    let (directions, spacing) = (first.directions, first.spacing);
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-4;
    for slice in &slices {
        let other = if slice.series != series {
            "series"
        } else if (slice.rows, slice.columns) != (rows, columns) {
            "number of rows or columns"
        } else if !slice.directions.as_flattened().iter().zip(directions.as_flattened()).all(|(a, b)| near(*a, *b)) {
            "orientation"
        } else if !slice.spacing.iter().zip(spacing).all(|(a, b)| near(*a, b)) {
            "pixel spacing"
        } else {
            continue;
        };
        return Err(refused(
            &slice.path,
            format!("it has another {other} than its neighbours; keep one series a folder"),
        ));
    }
    let normal = cross(directions[0], directions[1]);
    let along = |slice: &Slice| dot(slice.position, normal);
    slices.sort_by(|a, b| along(a).total_cmp(&along(b)));
    let steps: Vec<f64> = slices.windows(2).map(|pair| along(&pair[1]) - along(&pair[0])).collect();
    // A single slice has no distance to the next; as thick as its pixels are wide is as good as any.
    let step = if steps.is_empty() { spacing[1] } else { steps.iter().sum::<f64>() / steps.len() as f64 };
    if let Some(place) = steps.iter().position(|found| (found - step).abs() > UNEVEN * step.abs() || *found <= 0.0) {
        let reason = format!(
            "it is {:.3} from the slice before it, the others {step:.3} apart on average; one may be missing or twice",
            steps[place]
        );
        return Err(refused(&slices[place + 1].path, reason));
    }
    let data = Array4::from_shape_vec(
        (columns, rows, slices.len(), 1).f(),
        slices.iter().flat_map(|slice| slice.values.iter().copied()).collect(),
    );
    let data = data.map_err(|error| refused(path, error.to_string()))?;
    // From DICOM's left, back, up to the house's right, front, up.
    let origin = slices[0].position;
    let row = |axis: usize, sign: f64| {
        let steps = [directions[0][axis] * spacing[1], directions[1][axis] * spacing[0], normal[axis] * step];
        [sign * steps[0], sign * steps[1], sign * steps[2], sign * origin[axis]]
    };
    let affine: Affine = [row(0, -1.0), row(1, -1.0), row(2, 1.0), [0.0, 0.0, 0.0, 1.0]];
    Volume::new(data, affine)
}
