//! Which column names the sample, its class, its part and its subject.

use super::InitOptions;
use super::profile::Profile;

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

/// The column that may be that of the parts, by its name; [`Roles`] sees what it holds.
pub(super) fn split_column(names: &[String], options: &InitOptions) -> Option<usize> {
    match &options.split {
        Some(said) => names.iter().position(|name| name == said),
        None => usual(names, &SPLIT).find(|at| !options.leave_out.contains(&names[*at])),
    }
}

/// Columns that are called as such columns usually are, the likeliest first.
fn usual<'a>(names: &'a [String], words: &'a [&str]) -> impl Iterator<Item = usize> + 'a {
    words.iter().filter_map(|word| names.iter().position(|known| known.eq_ignore_ascii_case(word)))
}

/// Whether a column is called as one that names samples or those whose samples they are: never what to classify by. A `name` may
/// be that of a thing, and tell something.
pub(super) fn names_samples(column: &str) -> bool {
    ID.iter().chain(&SUBJECT).any(|word| *word != "name" && column.eq_ignore_ascii_case(word))
}

impl Roles {
    pub(super) fn find(profiles: &[Profile], options: &InitOptions) -> Self {
        let names: Vec<String> = profiles.iter().map(|profile| profile.name.clone()).collect();
        let said = |name: &Option<String>| name.as_ref().and_then(|name| names.iter().position(|known| known == name));
        let told = [&options.id, &options.label, &options.split, &options.subject].map(said);
        let mut taken: Vec<usize> = told.into_iter().flatten().collect();
        let free = |taken: &[usize], at: &usize| !taken.contains(at) && !options.leave_out.contains(&names[*at]);

        // A column that is called split and mostly holds something else is no such column.
        let parts = || split_column(&names, options).filter(|at| free(&taken, at) && profiles[*at].names_parts());
        let split = told[2].or_else(parts);
        taken.extend(split);
        let few = |at: &usize| !profiles[*at].many && profiles[*at].number_of_classes() >= 2;
        let label = told[1].or_else(|| usual(&names, &LABEL).find(|at| free(&taken, at) && few(at)));
        taken.extend(label);
        let id = told[0].or_else(|| id(profiles, &names, &|at| free(&taken, at)));
        taken.extend(id);
        let many = |at: &usize| profiles[*at].repeats > 0;
        let subject = told[3].or_else(|| usual(&names, &SUBJECT).find(|at| free(&taken, at) && many(at)));
        Self { id, label, split, subject }
    }

    pub(super) fn contains(&self, at: usize) -> bool {
        [self.id, self.label, self.split, self.subject].contains(&Some(at))
    }
}

/// By its name and its values; by its name where a few values are wrong; `id` whatever it holds; by its values.
fn id(profiles: &[Profile], names: &[String], free: &dyn Fn(&usize) -> bool) -> Option<usize> {
    let named = |fits: fn(&Profile) -> bool| usual(names, &ID).find(|at| free(at) && fits(&profiles[*at]));
    let words = |profile: &Profile| profile.pictures + profile.volumes == 0 && profile.whole == profile.numbers;
    named(Profile::is_unique)
        .or_else(|| named(Profile::is_nearly_unique))
        .or_else(|| names.iter().position(|name| name == ID[0]).filter(free))
        .or_else(|| (0..profiles.len()).find(|at| free(at) && profiles[*at].is_unique() && words(&profiles[*at])))
}
