//! A Parquet file as rows of cells: a row group at a time, every value as a person would write it into CSV.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use csv::ByteRecord;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;

use super::ManifestError;
use super::records::Broken;

/// A file that is being read.
pub(super) struct Columnar {
    names: Vec<String>,
    rows: RowIter<'static>,
    done: u64,
    all: u64,
    bytes: u64,
}

impl Columnar {
    /// Reads the footer.
    pub(super) fn open(path: &Path, file: File) -> Result<Self, ManifestError> {
        let refuse = |reason: String| ManifestError::Parquet { path: path.to_owned(), reason };
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        let reader = guarded(|| SerializedFileReader::new(file)).map_err(refuse)?;
        let metadata = reader.metadata().file_metadata();
        let columns = metadata.schema().get_fields();
        if let Some(nested) = columns.iter().find(|column| !column.is_primitive()) {
            return Err(refuse(format!(
                "column {:?} holds lists or records, one value a cell is wanted; take it out or make columns of it",
                nested.name()
            )));
        }
        let names = columns.iter().map(|column| column.name().trim().to_owned()).collect();
        let all = u64::try_from(metadata.num_rows()).unwrap_or(0);
        let rows = guarded(|| Ok(RowIter::from_file_into(Box::new(reader)))).map_err(refuse)?;
        Ok(Self { names, rows, done: 0, all, bytes })
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Bytes read so far, by the share of rows.
    pub(super) fn position(&self) -> u64 {
        let share = self.done as f64 / self.all.max(1) as f64;
        (share * self.bytes as f64) as u64
    }

    /// The next row into `record`, and its line; see [`super::records::Records::next`].
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<Option<u64>, Broken> {
        let rows = &mut self.rows;
        let line = self.done + 2;
        let row = guarded(|| rows.next().transpose()).map_err(|cause| Broken { line, cause })?;
        let Some(row) = row else { return Ok(None) };
        record.clear();
        for (_, field) in row.get_column_iter() {
            cell(field, record);
        }
        self.done += 1;
        Ok(Some(line))
    }
}

/// Writes a value as text. NaN is nothing: that is how data frames say that a number is missing.
fn cell(field: &Field, record: &mut ByteRecord) {
    match field {
        Field::Null => record.push_field(b""),
        Field::Str(text) => record.push_field(text.trim().as_bytes()),
        Field::Bytes(bytes) => record.push_field(bytes.data().trim_ascii()),
        Field::Float16(number) => self::number(f64::from(f32::from(*number)), record),
        // Through its own shortest digits: 0.1 of single precision is not 0.10000000149.
        Field::Float(number) => self::number(number.to_string().parse().unwrap_or(f64::NAN), record),
        Field::Double(value) => self::number(*value, record),
        other => record.push_field(other.to_string().as_bytes()),
    }
}

fn number(value: f64, record: &mut ByteRecord) {
    match value.is_nan() {
        true => record.push_field(b""),
        false => record.push_field(value.to_string().as_bytes()),
    }
}

/// What the library says of a file, in words. It panics at some damaged files: that is an error of the file, too.
fn guarded<T>(read: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(_) => Err("the file is damaged".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::Compression;
    use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::super::{ManifestSettings, ManifestStream, Rows, Use};
    use super::*;

    const SCHEMA: &str = "message table { REQUIRED BYTE_ARRAY id (UTF8); OPTIONAL BYTE_ARRAY label (UTF8); OPTIONAL DOUBLE age; \
                          REQUIRED FLOAT weight; REQUIRED INT64 stage; REQUIRED BOOLEAN seen; }";

    /// Two row groups of three rows each.
    fn write(path: &Path) {
        let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let mut file = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
        for group in 0..2i64 {
            let mut row_group = file.next_row_group().unwrap();
            for place in 0..6 {
                let mut column = row_group.next_column().unwrap().unwrap();
                let texts = |texts: [String; 3]| texts.map(|text| ByteArray::from(text.as_str()));
                match place {
                    0 => {
                        let ids = texts([0, 1, 2].map(|i| format!(" p{} ", 3 * group + i)));
                        column.typed::<ByteArrayType>().write_batch(&ids, None, None)
                    }
                    1 => {
                        let labels = texts(["ill", "well", ""].map(str::to_owned));
                        column.typed::<ByteArrayType>().write_batch(&labels[..2], Some(&[1, 1, 0]), None)
                    }
                    2 => column.typed::<DoubleType>().write_batch(&[61.5, f64::NAN], Some(&[1, 0, 1]), None),
                    3 => column.typed::<FloatType>().write_batch(&[0.1, 70.0, 80.25], None, None),
                    4 => column.typed::<Int64Type>().write_batch(&[0, 1, 1], None, None),
                    _ => column.typed::<BoolType>().write_batch(&[true, false, true], None, None),
                }
                .unwrap();
                column.close().unwrap();
            }
            row_group.close().unwrap();
        }
        file.close().unwrap();
    }

    fn settings(path: &Path) -> ManifestSettings {
        let text = r#"{"path": "", "classes": ["well", "ill"], "division": {"validation": 0.2, "test": 0.2, "seed": 1}, "modalities": [
            {"name": "clinic", "kind": "table", "columns": [
                {"name": "age", "type": "continuous", "mean": 50.0, "deviation": 10.0, "range": [18.0, 90.0]},
                {"name": "weight", "type": "continuous", "mean": 0.0, "deviation": 1.0, "range": [0.0, 200.0]},
                {"name": "stage", "type": "categorical", "categories": ["0", "1"]},
                {"name": "seen", "type": "categorical", "categories": ["false", "true"]}]}]}"#;
        serde_json::from_str::<ManifestSettings>(text).unwrap().at(path)
    }

    #[test]
    fn cells_are_those_of_the_same_table_as_csv() {
        let folder = tempfile::tempdir().unwrap();
        let (columnar, plain) = (folder.path().join("table.parquet"), folder.path().join("table.csv"));
        write(&columnar);
        let rows = |group: i64| {
            let id = |i: i64| 3 * group + i;
            format!("p{},ill,61.5,0.1,0,true\np{},well,,70,1,false\np{},,,80.25,1,true\n", id(0), id(1), id(2))
        };
        std::fs::write(&plain, format!("id,label,age,weight,stage,seen\n{}{}", rows(0), rows(1))).unwrap();
        let read = |path: &Path| Rows::open(&settings(path), Use::Prediction).unwrap().collect::<Vec<_>>();
        let (ours, theirs) = (read(&columnar), read(&plain));
        assert_eq!(ours.len(), 6);
        // NaN is not equal to itself.
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        let proposal = crate::init::propose(&columnar, &Default::default()).unwrap();
        assert_eq!((proposal.rows, proposal.columns.len()), (6, 6));
    }

    #[test]
    fn a_stream_goes_on_after_rows_that_are_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.PARQUET");
        write(&path);
        let mut stream = ManifestStream::open(&settings(&path), vec!["well".into(), "ill".into()]).unwrap();
        stream.skip_rows(4);
        let chunk = stream.next_chunk(10).unwrap();
        let ids: Vec<_> = chunk.outcomes().iter().filter_map(|outcome| outcome.id.as_deref()).collect();
        assert_eq!((ids, chunk.outcomes()[0].line), (vec!["p4", "p5"], 6));
        assert_eq!(stream.position(), std::fs::metadata(&path).unwrap().len());
        assert!(stream.next_chunk(1).is_none());
    }

    #[test]
    fn what_is_nested_or_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        let schema = "message t { REQUIRED BYTE_ARRAY id (UTF8); REQUIRED GROUP place { REQUIRED DOUBLE x; } }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        SerializedFileWriter::new(File::create(&path).unwrap(), schema, Default::default()).unwrap().close().unwrap();
        let refused = || Rows::open(&settings(&path), Use::Prediction).map(|_| ()).unwrap_err().to_string();
        assert!(refused().contains("column \"place\" holds lists or records"), "{}", refused());
        write(&path);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        assert!(refused().contains("table.parquet: "), "{}", refused());
        // Every byte changed in turn: values or errors, and never the end of the program.
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            std::fs::write(&path, bytes).unwrap();
            if let Ok(rows) = Rows::open(&settings(&path), Use::Prediction) {
                assert!(rows.take(100).count() <= 100);
            }
        }
    }
}
