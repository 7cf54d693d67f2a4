//! Event files as TensorBoard reads them: point `tensorboard --logdir MODEL/tensorboard` at a training that runs.
//!
//! A file is a sequence of records (length, masked CRC-32C of the length, bytes, masked CRC-32C of the bytes; all little-endian), a
//! record is one `Event` message of TensorFlow's `event.proto`. Three messages with five fields are all that scalars need, so they
//! are encoded here.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Fields of the messages, by number and wire type: `number << 3 | type`.
mod field {
    /// `Event.wall_time`, double.
    pub(super) const WALL_TIME: u8 = 1 << 3 | 1;
    /// `Event.step`, varint.
    pub(super) const STEP: u8 = 2 << 3;
    /// `Event.file_version`, bytes.
    pub(super) const FILE_VERSION: u8 = 3 << 3 | 2;
    /// `Event.summary`, message.
    pub(super) const SUMMARY: u8 = 5 << 3 | 2;
    /// `Summary.value`, message.
    pub(super) const VALUE: u8 = 1 << 3 | 2;
    /// `Summary.Value.tag`, bytes.
    pub(super) const TAG: u8 = 1 << 3 | 2;
    /// `Summary.Value.simple_value`, float.
    pub(super) const SIMPLE_VALUE: u8 = 2 << 3 | 5;
}

/// Writes scalars, each record at once, so that who watches sees them.
#[derive(Debug)]
pub struct EventWriter {
    file: File,
}

impl EventWriter {
    /// A new file in a folder, which is made; files of earlier runs stay, and TensorBoard reads all as one curve.
    ///
    /// # Errors
    /// If the folder or the file cannot be made.
    pub fn create(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Seconds first, ten digits: the reader takes the files of a folder in the order of their names.
        let name =
            format!("events.out.tfevents.{:010}.{:09}.{}", now.as_secs(), now.subsec_nanos(), std::process::id());
        let mut file = File::create(folder.join(name))?;
        let mut event = stamped(0);
        bytes(&mut event, field::FILE_VERSION, b"brain.Event:2");
        file.write_all(&record(&event))?;
        Ok(Self { file })
    }

    /// One value of a curve.
    ///
    /// # Errors
    /// If it cannot be written, as on a full disk.
    pub fn scalar(&mut self, tag: &str, step: usize, value: f64) -> std::io::Result<()> {
        let mut inner = Vec::new();
        bytes(&mut inner, field::TAG, tag.as_bytes());
        inner.push(field::SIMPLE_VALUE);
        inner.extend((value as f32).to_le_bytes());
        let mut summary = Vec::new();
        bytes(&mut summary, field::VALUE, &inner);
        let mut event = stamped(step as u64);
        bytes(&mut event, field::SUMMARY, &summary);
        self.file.write_all(&record(&event))
    }
}

/// An event with its time and step.
fn stamped(step: u64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut event = vec![field::WALL_TIME];
    event.extend(now.as_secs_f64().to_le_bytes());
    event.push(field::STEP);
    varint(&mut event, step);
    event
}

fn bytes(message: &mut Vec<u8>, field: u8, value: &[u8]) {
    message.push(field);
    varint(message, value.len() as u64);
    message.extend_from_slice(value);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length).to_le_bytes());
    record.extend_from_slice(event);
    record.extend(masked(event).to_le_bytes());
    record
}

/// The checksum as the format stores it: rotated, and moved, since a checksum of data that hold checksums is weak.
fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// CRC-32C by the definition, bit by bit.
    fn slow_crc(data: &[u8]) -> u32 {
        !data.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0x82f6_3b78 } else { c >> 1 })
        })
    }

    /// Takes a file apart by the format's description; every checksum must hold.
    fn events(mut file: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !file.is_empty() {
            let length = u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
            let stored = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
            let mask = |crc: u32| crc.rotate_right(15).wrapping_add(0xa282_ead8);
            assert_eq!(stored(8), mask(slow_crc(&file[..8])), "checksum of the length");
            let event = &file[12..12 + length];
            assert_eq!(stored(12 + length), mask(slow_crc(event)), "checksum of the event");
            found.push(event.to_vec());
            file = &file[16 + length..];
        }
        found
    }

    #[test]
    fn a_scalar_is_laid_out_as_the_format_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = EventWriter::create(&folder.path().join("deep/er")).expect("a file");
        writer.scalar("loss", 300, 0.5).expect("written");
        let file = std::fs::read_dir(folder.path().join("deep/er")).expect("a folder").next().expect("a file");
        let found = events(&std::fs::read(file.expect("a file").path()).expect("bytes"));
        assert_eq!(found.len(), 2);
        assert!(found[0].ends_with(b"\x1a\x0dbrain.Event:2"));
        // After the time: step 300, then summary { value { tag "loss", simple_value 0.5 } }.
        let rest = [b"\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15".as_slice(), &0.5f32.to_le_bytes()].concat();
        assert_eq!(found[1][9..], rest);
    }

    proptest! {
        #[test]
        fn numbers_of_any_size_are_read_back(value: u64) {
            let mut message = Vec::new();
            varint(&mut message, value);
            let back = message.iter().enumerate().fold(0u64, |sum, (i, b)| sum | u64::from(b & 0x7f) << (7 * i));
            prop_assert_eq!(back, value);
            prop_assert!(message.iter().rev().skip(1).all(|b| b & 0x80 != 0) && message[message.len() - 1] < 0x80);
        }
    }
}
