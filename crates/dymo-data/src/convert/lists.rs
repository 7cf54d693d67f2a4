//! Lists of texts and numbers: pickled, or one a line.

use std::path::Path;

use dymo_pickle::{PickleFile, Value};

use super::ConvertError;

/// The texts of a list.
pub(super) fn texts(path: &Path, role: &'static str) -> Result<Vec<String>, ConvertError> {
    list(path, role, |_| None, |value| value.as_str().map(str::to_owned), |line| Some(line.to_owned()))
}

/// The whole numbers of a list; a tensor or a NumPy array of whole numbers is as good, and so are they as members of a list.
pub(super) fn numbers(path: &Path, role: &'static str) -> Result<Vec<i64>, ConvertError> {
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
    let of_all = |root: Value| root.numbers()?.into_iter().map(whole).collect();
    list(path, role, of_all, |value| whole(value.number()?), |line| line.parse().ok())
}

fn list<T>(
    path: &Path,
    role: &'static str,
    of_all: impl Fn(Value) -> Option<Vec<T>>,
    of_value: impl Fn(Value) -> Option<T>,
    of_line: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, ConvertError> {
    let bytes = std::fs::read(path).map_err(|source| ConvertError::File { path: path.to_owned(), role, source })?;
    let wrong = |cause: String| ConvertError::List { path: path.to_owned(), role, cause };
    if PickleFile::looks_like_one(&bytes) {
        let file = PickleFile::read(&bytes).map_err(|error| wrong(error.to_string()))?;
        let items = file.root().items();
        if items.len() == 0 {
            let all = of_all(file.root()).filter(|all| !all.is_empty());
            return all.ok_or_else(|| wrong("no list, or an empty one".into()));
        }
        let item = |(place, value)| of_value(value).ok_or_else(|| wrong(format!("entry {place} is of another sort")));
        return items.enumerate().map(item).collect();
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("neither a pickle nor UTF-8 text".into()))?;
    let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let item = |(place, line)| of_line(line).ok_or_else(|| wrong(format!("line {}: {line:?}", place + 1)));
    lines.map(item).collect()
}
