//! The part of zip that PyTorch writes: entries stored as they are, in one file, with or without 64-bit extents. Contents are
//! slices of the file, so nothing that a header claims is ever allocated; checksums are compared.

use crate::error::PickleError;

/// Begins an entry, and so a file.
pub(crate) const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
/// Length of [`END`]'s record without the comment, which is at most 65,535 bytes.
const END_LENGTH: usize = 22;
/// Length of the record that says where [`END64`]'s is.
const LOCATOR64_LENGTH: usize = 20;
/// Stands in 32-bit fields whose value is among the 64-bit ones.
const ELSEWHERE: u64 = u32::MAX as u64;

/// Name and contents of an entry.
pub(crate) type Entry<'b> = (String, &'b [u8]);

/// All entries, in the order of the directory.
pub(crate) fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, PickleError> {
    let mut at = directory(bytes).ok_or_else(|| refuse("it has no directory"))?;
    let mut found = Vec::new();
    while bytes.get(at..).is_some_and(|rest| rest.starts_with(CENTRAL)) {
        let header = Header::read(bytes, at).ok_or_else(|| refuse("its directory breaks off"))?;
        found.push((header.name.clone(), header.contents(bytes)?));
        at = header.end;
    }
    if found.is_empty() { Err(refuse("its directory is empty")) } else { Ok(found) }
}

fn refuse(reason: impl Into<String>) -> PickleError {
    PickleError::Zip { reason: reason.into() }
}

/// Where the directory begins: found from the end of the file.
fn directory(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_LENGTH)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    let end = (first..=last).rev().find(|at| bytes[*at..].starts_with(END))?;
    match number::<4>(bytes, end + 16)? {
        ELSEWHERE => {
            let locator = end.checked_sub(LOCATOR64_LENGTH)?;
            bytes[locator..].starts_with(LOCATOR64).then_some(())?;
            let end64 = usize::try_from(number::<8>(bytes, locator + 8)?).ok()?;
            bytes.get(end64..)?.starts_with(END64).then_some(())?;
            usize::try_from(number::<8>(bytes, end64.checked_add(48)?)?).ok()
        }
        offset => usize::try_from(offset).ok(),
    }
}

/// An entry of the directory.
struct Header {
    name: String,
    stored: bool,
    checksum: u32,
    /// Where its local header begins.
    local: u64,
    size: u64,
    /// Where the next entry of the directory begins.
    end: usize,
}

impl Header {
    /// The entry at `at`; `None` if it reaches beyond the file.
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let field = |place: usize| number::<4>(bytes, at + place);
        let short = |place: usize| number::<2>(bytes, at + place).map(|n| n as usize);
        let name_end = at + 46 + short(28)?;
        let extra_end = name_end + short(30)?;
        let name = String::from_utf8_lossy(bytes.get(at + 46..name_end)?).into_owned();
        // 64-bit extents stand, in this order, for those fields that say so.
        let mut long = wide_fields(bytes.get(name_end..extra_end)?).iter();
        let mut wide =
            |value: u64| if value == ELSEWHERE { long.next().map(|b| u64::from_le_bytes(*b)) } else { Some(value) };
        let size = wide(field(24)?)?;
        let packed = wide(field(20)?)?;
        let local = wide(field(42)?)?;
        Some(Self {
            name,
            stored: short(10)? == 0 && packed == size,
            checksum: u32::try_from(field(16)?).ok()?,
            local,
            size,
            end: extra_end + short(32)?,
        })
    }

    fn contents<'b>(&self, bytes: &'b [u8]) -> Result<&'b [u8], PickleError> {
        if !self.stored {
            return Err(refuse(format!("{} is compressed, which torch.save never does", self.name)));
        }
        let contents = self.slice(bytes).ok_or_else(|| refuse(format!("{} reaches beyond the file", self.name)))?;
        if crc32fast::hash(contents) != self.checksum {
            return Err(refuse(format!(
                "the checksum of {} does not fit: it is damaged, or was saved with checksums off",
                self.name
            )));
        }
        Ok(contents)
    }

    fn slice<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let local = usize::try_from(self.local).ok()?;
        bytes.get(local..)?.starts_with(LOCAL).then_some(())?;
        let (name, extra) = (number::<2>(bytes, local + 26)?, number::<2>(bytes, local + 28)?);
        let start = local + 30 + name as usize + extra as usize;
        bytes.get(start..start.checked_add(usize::try_from(self.size).ok()?)?)
    }
}

/// The 64-bit numbers in an entry's extra fields.
fn wide_fields(mut extra: &[u8]) -> &[[u8; 8]] {
    const WIDE: u64 = 1;
    while let (Some(tag), Some(length)) = (number::<2>(extra, 0), number::<2>(extra, 2)) {
        let Some(data) = extra.get(4..4 + length as usize) else { break };
        if tag == WIDE {
            return data.as_chunks::<8>().0;
        }
        extra = &extra[4 + length as usize..];
    }
    &[]
}

/// An unsigned number of `N` bytes, at most eight, little end first.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let taken = bytes.get(at..at.checked_add(N)?)?;
    let mut full = [0; 8];
    full[..N].copy_from_slice(taken);
    Some(u64::from_le_bytes(full))
}
