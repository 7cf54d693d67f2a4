//! What lies in several parts of a data set, or would in folds: a network that has seen it in training is judged on what it knows.

use std::collections::HashMap;
use std::path::PathBuf;

use rayon::prelude::*;

use crate::checksum::content_of;
use crate::samples::Samples;

/// Samples that share something across a border that nothing should cross.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// What they share.
    pub what: Shared,
    /// How many samples share it with one before them.
    pub samples: usize,
    /// The first of them, and what it shares it with: name and part of both.
    pub first: [(String, String); 2],
}

/// What two samples share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// They are of one subject.
    Subject,
    /// A picture or volume of theirs is one and the same file, or a copy of it.
    File,
}

impl Leak {
    /// In a sentence.
    pub fn in_words(&self) -> String {
        let [(one, part), (other, of)] = &self.first;
        let how = match (self.what, self.samples) {
            (Shared::Subject, 1) => "1 sample is of a subject that another part has too".to_owned(),
            (Shared::Subject, count) => format!("{count} samples are of a subject that another part has too"),
            (Shared::File, 1) => "1 sample has a picture or volume that is another one's, byte for byte".to_owned(),
            (Shared::File, count) => {
                format!("{count} samples have a picture or volume that is another one's, byte for byte")
            }
        };
        let example = match part == of {
            true => format!("{one} and {other}"),
            false => format!("{one} ({part}) and {other} ({of})"),
        };
        format!(
            "Leakage: {how}, such as {example}. Networks know such samples from training, so all figures here flatter; keep what belongs \
             together in one part, or name it in data.subject."
        )
    }
}

/// Looks for subjects and files that several of the parts have; with `folds`, for files that several subjects have, wherever they are: other
/// folds part them. Files that cannot be read are passed over.
pub fn leaks(parts: &[(&str, &dyn Samples)], folds: bool) -> Vec<Leak> {
    let all: Vec<(usize, usize)> =
        parts.iter().enumerate().flat_map(|(part, (_, samples))| (0..samples.len()).map(move |i| (part, i))).collect();
    let files = contents(parts, &all);
    let told = |place: usize| {
        let (part, index) = all[place];
        (parts[part].1.id(index), parts[part].0.to_owned())
    };
    let subject = |place: usize| parts[all[place].0].1.subject(all[place].1);
    // Without names, samples of several parts have the same numbers, and subjects too.
    let named = all.iter().any(|(part, index)| parts[*part].1.subject(*index) != parts[*part].1.number(*index));
    let crosses = |a: usize, b: usize| if folds { subject(a) != subject(b) } else { all[a].0 != all[b].0 };
    let mut found: Vec<Leak> = Vec::new();
    let mut add = |what: Shared, place: usize, first: usize| match found.iter_mut().find(|leak| leak.what == what) {
        Some(leak) => leak.samples += 1,
        None => found.push(Leak { what, samples: 1, first: [told(place), told(first)] }),
    };
    let (mut subjects, mut contents) = (HashMap::new(), HashMap::new());
    for (place, files) in files.iter().enumerate() {
        let first = *subjects.entry(subject(place)).or_insert(place);
        if named && crosses(place, first) {
            add(Shared::Subject, place, first);
        }
        let earlier = files.iter().map(|content| *contents.entry(*content).or_insert(place));
        if let Some(first) = earlier.collect::<Vec<usize>>().into_iter().find(|first| crosses(place, *first)) {
            add(Shared::File, place, first);
        }
    }
    found
}

/// Checksums of the files of each sample. Files of which no other has the length are no copies, and need not be read.
fn contents(parts: &[(&str, &dyn Samples)], all: &[(usize, usize)]) -> Vec<Vec<u128>> {
    let files = |(part, index): &(usize, usize)| -> Vec<(PathBuf, u64)> {
        let samples = parts[*part].1;
        let paths = samples.observed(*index).iter().filter_map(|m| samples.file(*index, m));
        paths.filter_map(|path| std::fs::metadata(&path).ok().map(|found| (path, found.len()))).collect()
    };
    let files: Vec<Vec<(PathBuf, u64)>> = all.par_iter().map(files).collect();
    let mut lengths: HashMap<u64, usize> = HashMap::new();
    files.iter().flatten().for_each(|(_, length)| *lengths.entry(*length).or_default() += 1);
    let shared = |(_, length): &&(PathBuf, u64)| lengths[length] > 1;
    let of_sample = |files: &Vec<(PathBuf, u64)>| {
        files.iter().filter(shared).filter_map(|(path, _)| content_of(path).ok()).collect()
    };
    files.par_iter().map(of_sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Grid, Manifest, ManifestSettings, Split};
    use crate::picture::{Colour, Picture};
    use crate::samples::Subset;
    use std::sync::Arc;

    fn found(rows: &str, folds: bool) -> Vec<Leak> {
        let folder = tempfile::tempdir().unwrap();
        for (i, value) in [0, 40, 80, 80, 120].into_iter().enumerate() {
            let picture = Picture::new(2, 2, Colour::Grey, vec![value; 4]).unwrap();
            picture.save_png(&folder.path().join(format!("{i}.png"))).unwrap();
        }
        let path = folder.path().join("t.csv");
        std::fs::write(&path, format!("id,label,split,who,p\n{rows}v,x,validation,9,4.png\n")).unwrap();
        let grid = Grid { height: 2, width: 2, colour: Colour::Grey };
        let settings = ManifestSettings { subject: Some("who".into()), ..ManifestSettings::pictures(path, grid) };
        let table = Arc::new(Manifest::open(&settings).unwrap());
        let part = |split| Subset::new(table.clone(), table.part(split)).unwrap();
        let (train, test) = (part(Split::Train), part(Split::Test));
        leaks(&[("train", &train), ("test", &test)], folds)
    }

    #[test]
    fn subjects_and_copies_of_files_are_found_across_parts() {
        let name = |id: &str, part: &str| (id.to_owned(), part.to_owned());
        // Pictures 2 and 3 are alike.
        assert_eq!(found("a,x,train,1,0.png\nb,y,train,1,1.png\nc,x,test,2,2.png\n", false), []);
        let copies = found("a,x,train,1,2.png\nb,y,train,2,1.png\nc,x,test,3,3.png\n", false);
        let first = [name("c", "test"), name("a", "train")];
        assert_eq!(copies, [Leak { what: Shared::File, samples: 1, first }]);
        let words = copies[0].in_words();
        assert!(
            words.starts_with("Leakage: 1 sample has a picture") && words.contains("c (test) and a (train)"),
            "{words}"
        );
        let subjects = found("a,x,train,1,0.png\nb,y,train,2,1.png\nc,x,test,2,2.png\n", false);
        let first = [name("c", "test"), name("b", "train")];
        assert_eq!(subjects, [Leak { what: Shared::Subject, samples: 1, first }]);
        // Folds keep subjects whole, whatever the parts are.
        assert_eq!(found("a,x,train,1,0.png\nb,y,train,2,1.png\nc,x,test,2,1.png\n", true), []);
        let within = found("a,x,train,1,2.png\nb,y,train,2,3.png\nc,x,test,3,0.png\n", true);
        assert_eq!((within.len(), within[0].what, within[0].samples), (1, Shared::File, 1));
    }
}
