//! Which column names the sample, its class, its part and its subject.

use super::InitOptions;
use super::profile::Profile;
use crate::manifest::Split;

const ID: [&str; 12] = [
    "id",
    "sample",
    "sample_id",
    "image_id",
    "patient_id",
    "patient",
    "subject_id",
    "subject",
    "case",
    "case_id",
    "name",
    "eid",
];
const LABEL: [&str; 9] = ["label", "class", "target", "diagnosis", "outcome", "y", "category", "pathology", "group"];
const SPLIT: [&str; 6] = ["split", "part", "partition", "subset", "set", "fold"];
const SUBJECT: [&str; 6] = ["subject", "subject_id", "patient", "patient_id", "person", "case"];

/// The places of the columns that are no modality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) id: Option<usize>,
    pub(super) label: Option<usize>,
    pub(super) split: Option<usize>,
    pub(super) subject: Option<usize>,
}

/// The column of the parts, by its name.
pub(super) fn split_column(names: &[String], options: &InitOptions) -> Option<usize> {
    named(names, options.split.as_deref(), &SPLIT)
}

fn named(names: &[String], said: Option<&str>, usual: &[&str]) -> Option<usize> {
    match said {
        Some(name) => names.iter().position(|known| known == name),
        None => usual.iter().find_map(|word| names.iter().position(|known| known.eq_ignore_ascii_case(word))),
    }
}

impl Roles {
    pub(super) fn find(profiles: &[Profile], options: &InitOptions) -> Self {
        let names: Vec<String> = profiles.iter().map(|profile| profile.name.clone()).collect();
        // A column that is called split and holds something else is no such column.
        let split = split_column(&names, options)
            .filter(|&at| profiles[at].distinct.keys().all(|value| Split::parse(value).is_some()));
        let id = named(&names, options.id.as_deref(), &ID)
            .filter(|&at| options.id.is_some() || profiles[at].is_unique())
            .or_else(|| {
                let words =
                    |profile: &Profile| profile.pictures + profile.volumes == 0 && profile.whole == profile.numbers;
                profiles.iter().position(|profile| profile.is_unique() && words(profile))
            });
        let few = |at: &usize| !profiles[*at].many && profiles[*at].distinct.len() >= 2;
        let label = named(&names, options.label.as_deref(), &LABEL).filter(|at| options.label.is_some() || few(at));
        let free = |at: &usize| ![id, label, split].contains(&Some(*at));
        let subject = named(&names, options.subject.as_deref(), &SUBJECT)
            .filter(|at| options.subject.is_some() || (free(at) && profiles[*at].repeated));
        Self { id, label, split, subject }
    }

    pub(super) fn contains(&self, at: usize) -> bool {
        [self.id, self.label, self.split, self.subject].contains(&Some(at))
    }
}
