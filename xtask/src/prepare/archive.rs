//! Chosen members of a package's archive, read into memory within limits. Nothing of an archive is written to disk here, and
//! an archive that names a place outside its own folder is refused as a whole.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;

/// How much an archive may unpack to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of one member that is read.
    pub(crate) member: u64,
    /// Bytes of the whole archive once decompressed.
    pub(crate) total: u64,
    /// Number of members.
    pub(crate) members: usize,
}

/// Enough for every package of the recipes, a few times over.
pub(crate) const LIMITS: Limits = Limits { member: 64 << 20, total: 512 << 20, members: 50_000 };

/// Bytes by member name.
pub(crate) type Members = BTreeMap<String, Vec<u8>>;

/// The `wanted` members of a zip or tar.gz archive, told apart by its first bytes.
///
/// # Errors
/// When the archive is neither, is damaged, breaks a limit, names a place outside its folder, or lacks a wanted member.
pub(crate) fn members(archive: &[u8], wanted: &[&str], limits: Limits) -> Result<Members> {
    let found = match archive {
        [b'P', b'K', ..] => from_zip(archive, wanted, limits)?,
        [0x1f, 0x8b, ..] => from_tar_gz(archive, wanted, limits)?,
        _ => bail!("neither a zip nor a gzip archive"),
    };
    if let Some(name) = wanted.iter().find(|name| !found.contains_key(**name)) {
        bail!("the archive has no {name}; another version of the package than the recipe's?");
    }
    Ok(found)
}

fn from_zip(archive: &[u8], wanted: &[&str], limits: Limits) -> Result<Members> {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).context("the zip archive cannot be read")?;
    let mut room = Room::new(limits);
    let mut found = Members::new();
    for index in 0..zip.len() {
        // The sizes in the directory are claims: what is read is counted, too.
        let mut member = zip.by_index(index).with_context(|| format!("member {index} of the zip archive"))?;
        let name =
            member.name().with_context(|| format!("the name of member {index} of the zip archive"))?.into_owned();
        room.enter(&name, member.size())?;
        if member.is_file() && wanted.contains(&name.as_str()) {
            keep(&mut found, &name, &mut member, limits)?;
        }
    }
    Ok(found)
}

fn from_tar_gz(archive: &[u8], wanted: &[&str], limits: Limits) -> Result<Members> {
    // The reader ends at the limit, so that skipping over members is bounded like reading them.
    let mut tar = tar::Archive::new(MultiGzDecoder::new(archive).take(limits.total));
    let mut room = Room::new(limits);
    let mut found = Members::new();
    for member in tar.entries().context("the tar archive cannot be read")? {
        let mut member = member.context("the tar archive is damaged, or unpacks to more than its limit")?;
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        room.enter(&name, member.size())?;
        if member.header().entry_type().is_file() && wanted.contains(&name.as_str()) {
            keep(&mut found, &name, &mut member, limits)?;
        }
    }
    Ok(found)
}

/// What is left of the limits.
struct Room {
    bytes: u64,
    members: usize,
    limits: Limits,
}

impl Room {
    fn new(limits: Limits) -> Self {
        Self { bytes: limits.total, members: limits.members, limits }
    }

    fn enter(&mut self, name: &str, size: u64) -> Result<()> {
        if !stays_inside(name) {
            bail!("the archive names {name:?}, a place outside its own folder; it is not used");
        }
        let Some(members) = self.members.checked_sub(1) else {
            bail!("the archive has more than {} members; it is not used", self.limits.members);
        };
        let Some(bytes) = self.bytes.checked_sub(size) else {
            bail!("the archive unpacks to more than {} bytes at {name}; it is not used", self.limits.total);
        };
        (self.members, self.bytes) = (members, bytes);
        Ok(())
    }
}

/// A relative path in forward slashes without `..`, on every system.
fn stays_inside(name: &str) -> bool {
    let plain = |part: &str| part != ".." && !part.contains(['\\', ':', '\0']);
    !name.is_empty() && !name.starts_with('/') && name.split('/').all(plain)
}

fn keep(found: &mut Members, name: &str, member: &mut impl Read, limits: Limits) -> Result<()> {
    let mut bytes = Vec::new();
    let read = member.take(limits.member.saturating_add(1)).read_to_end(&mut bytes);
    read.with_context(|| format!("{name} in the archive cannot be read"))?;
    if bytes.len() as u64 > limits.member {
        bail!("{name} in the archive is larger than {} bytes; it is not used", limits.member);
    }
    if found.insert(name.to_owned(), bytes).is_some() {
        bail!("the archive holds {name} twice; it is not used");
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    const SMALL: Limits = Limits { member: 100, total: 10_000, members: 4 };

    /// A zip archive of the given members.
    pub(crate) fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        for (name, bytes) in members {
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// A gzip-compressed tar archive of the given members, whatever their names are.
    pub(crate) fn tar_gz_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, bytes) in members {
            let mut header = tar::Header::new_ustar();
            // Past the library's own check of names: a hostile archive was not made by it.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn both(members: &[(&str, &[u8])]) -> [Vec<u8>; 2] {
        [zip_of(members), tar_gz_of(members)]
    }

    #[test]
    fn reads_what_is_wanted_and_nothing_else() {
        for archive in both(&[("p/a.txt", b"first"), ("p/b.txt", b"second"), ("p/c.txt", &[7; 5000])]) {
            let found = members(&archive, &["p/b.txt", "p/a.txt"], SMALL).unwrap();
            assert_eq!(found.len(), 2);
            assert_eq!((&found["p/a.txt"][..], &found["p/b.txt"][..]), (&b"first"[..], &b"second"[..]));
        }
    }

    #[test]
    fn refuses_what_breaks_a_rule_and_says_which() {
        let big = [7; 101];
        type Content<'a> = &'a [(&'a str, &'a [u8])];
        let cases: [(Content, &str); 6] = [
            (&[("p/a", b"1"), ("../b", b"2")], "outside its own folder"),
            (&[("/etc/b", b"2"), ("p/a", b"1")], "outside its own folder"),
            (&[("p\\..\\b", b"2"), ("p/a", b"1")], "outside its own folder"),
            (&[("p/a", &big)], "larger than 100"),
            (&[("p/a", b""), ("b", b""), ("c", b""), ("d", b""), ("e", b"")], "more than 4 members"),
            (&[("p/b", b"1")], "has no p/a"),
        ];
        for (content, reason) in cases {
            for archive in both(content) {
                let message = members(&archive, &["p/a"], SMALL).unwrap_err().to_string();
                assert!(message.contains(reason), "{message} / {reason}");
            }
        }
        let twice = tar_gz_of(&[("p/a", b"1"), ("p/a", b"2")]);
        assert!(members(&twice, &["p/a"], SMALL).unwrap_err().to_string().contains("twice"));
        assert!(members(b"neither", &[], SMALL).is_err());
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused_before_it_is_unpacked() {
        for archive in both(&[("p/bomb", &[0; 50_000]), ("p/a", b"1")]) {
            let message = format!("{:#}", members(&archive, &["p/a"], SMALL).unwrap_err());
            assert!(message.contains("more than"), "{message}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_archives_never_panic(place in 0usize..2000, value: u8, cut in 0usize..2000) {
            for mut archive in both(&[("p/a", b"first"), ("p/b", &[3; 90])]) {
                let length = archive.len();
                archive[2 + place % (length - 2)] = value;
                archive.truncate(length - cut % 30);
                let _ = members(&archive, &["p/a"], SMALL);
            }
        }
    }
}
