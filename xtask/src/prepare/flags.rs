//! Flags: of each country its flag, a table of facts and its name; the label is the region.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Order;
use super::folder::Folder;
use super::package::{Manager, Package, sha256_hex};
use super::sheet::{Sheet, png};
use super::split::{groups, stratified};
use super::table::Table;

/// Carries the list of countries.
pub(crate) const PACKAGE: Package = Package {
    manager: Manager::Npm,
    name: "world-countries",
    version: "5.1.0",
    file: "world-countries-5.1.0.tgz",
    sha256: "329eb6ef4099ffb590219c9beb634bf489a5e4b10d8ab0ac52a58ebf7b9f8495",
};

const LIST: &str = "package/countries.json";

/// A language or a currency of so many countries is a value of its own; rarer ones would name the country.
const COMMON: usize = 5;

/// A country, less what would give its region away by itself (see the data set's README).
#[derive(Debug, Deserialize)]
struct Country {
    name: Names,
    cca2: String,
    cca3: String,
    region: String,
    capital: Vec<String>,
    independent: Option<bool>,
    #[serde(rename = "unMember")]
    un_member: bool,
    landlocked: bool,
    /// Square kilometres; below zero where it is not known.
    area: f64,
    borders: Vec<String>,
    /// By code; an empty list where there is none.
    languages: Value,
    currencies: Value,
}

#[derive(Debug, Deserialize)]
struct Names {
    common: String,
}

/// Fills `folder` with flags and `manifest.csv`.
pub(crate) fn make(order: &Order, folder: &mut Folder) -> Result<String> {
    let members = order.members(&PACKAGE, &[LIST])?;
    let countries: Vec<Country> = serde_json::from_slice(&members[LIST]).context(LIST)?;
    from_lists(&countries, &Sheet::of(order)?, order.seed, folder)
}

fn from_lists(countries: &[Country], sheet: &Sheet, seed: u64, folder: &mut Folder) -> Result<String> {
    let flags: BTreeMap<&str, _> = sheet.emoji.iter().map(|emoji| (emoji.unified.as_str(), emoji)).collect();
    let mut pictures = Vec::new();
    for Country { cca2, cca3, .. } in countries {
        ensure!(cca3.bytes().all(|b| b.is_ascii_alphabetic()), "{cca3:?} is no country code");
        let flag =
            flags.get(code_points(cca2).as_str()).with_context(|| format!("{cca3} has no flag among the emoji"))?;
        ensure!(flag.has_img_google, "the flag of {cca3} is of another maker");
        pictures.push(sheet.picture(flag)?);
    }
    let ids: Vec<String> = countries.iter().map(|country| country.cca3.clone()).collect();
    let labels: Vec<String> = countries.iter().map(|country| country.region.clone()).collect();
    // Some territories fly the flag of another country.
    let looks: Vec<Vec<String>> = pictures.iter().map(|picture| vec![sha256_hex(picture.as_raw())]).collect();
    let parts = stratified(&labels, &ids, &groups(&looks), seed);
    let languages = common(countries.iter().map(|country| &country.languages));
    let currencies = common(countries.iter().map(|country| &country.currencies));
    let mut table = Table::new(columns(&languages));
    for (index, country) in countries.iter().enumerate() {
        let file = format!("flags/{}.png", country.cca3);
        folder.write(&file, &png(&pictures[index])?)?;
        let cells = [file].into_iter().chain(country.cells(&languages, &currencies));
        table.add(&country.cca3, &country.region, parts[index], cells);
    }
    folder.write_table("manifest.csv", &table)?;
    Ok(format!("{} countries and territories with the flags of Noto Emoji", countries.len()))
}

fn columns(languages: &[String]) -> Vec<String> {
    let fixed = "flag name capital area_km2 borders languages currency landlocked independent un_member".split(' ');
    fixed.map(str::to_owned).chain(languages.iter().map(|code| format!("speaks_{code}"))).collect()
}

impl Country {
    /// All cells after the flag; empty where the list does not say.
    fn cells(&self, languages: &[String], currencies: &[String]) -> Vec<String> {
        let yes_no = |holds: bool| if holds { "yes" } else { "no" }.to_owned();
        let spoken = keys(&self.languages);
        let mut cells = vec![
            self.name.common.clone(),
            self.capital.first().cloned().unwrap_or_default(),
            if self.area >= 0.0 { self.area.to_string() } else { String::new() },
            self.borders.len().to_string(),
            spoken.len().to_string(),
            self.currency(currencies),
            yes_no(self.landlocked),
            self.independent.map(yes_no).unwrap_or_default(),
            yes_no(self.un_member),
        ];
        cells.extend(languages.iter().map(|code| yes_no(spoken.contains(&code.as_str()))));
        cells
    }

    /// A common currency before a rare one.
    fn currency(&self, common: &[String]) -> String {
        let own = keys(&self.currencies);
        let known = own.iter().find(|code| common.iter().any(|common| common == *code));
        match (known, own.is_empty()) {
            (Some(code), _) => (*code).to_owned(),
            (None, false) => "other".to_owned(),
            (None, true) => String::new(),
        }
    }
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect()
}

/// Codes of at least [`COMMON`] countries, in alphabetical order.
fn common<'a>(objects: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut countries_with: BTreeMap<&str, usize> = BTreeMap::new();
    for code in objects.flat_map(keys) {
        *countries_with.entry(code).or_default() += 1;
    }
    countries_with.into_iter().filter(|(_, n)| *n >= COMMON).map(|(code, _)| code.to_owned()).collect()
}

/// The emoji of a two-letter code: its letters as regional indicators.
fn code_points(cca2: &str) -> String {
    let indicator = |letter: u8| format!("{:X}", 0x1F1E6 + u32::from(letter.to_ascii_uppercase().wrapping_sub(b'A')));
    cca2.bytes().map(indicator).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::folder::Receipt;
    use crate::prepare::sheet::tests::made_up;
    use serde_json::json;

    fn countries() -> Vec<Country> {
        let country = |cca2: &str, cca3: &str, languages: Value, currencies: Value, area: f64| {
            json!({
                "name": {"common": format!("Land, {cca3}"), "official": "x"}, "cca2": cca2, "cca3": cca3, "region": "North",
                "capital": [], "independent": null, "unMember": true, "landlocked": false, "area": area,
                "borders": ["X", "Y"], "languages": languages, "currencies": currencies, "flag": "x",
            })
        };
        let mut list = vec![country("NO", "NOR", json!([]), json!([]), -1.0)];
        for cca3 in ["AXA", "AXB", "AXC", "AXD", "AXE", "AXF"] {
            list.push(country("AX", cca3, json!({"swe": "Swedish", "fin": "x"}), json!({"EUR": {}}), 13.5));
        }
        list[5]["currencies"] = json!({"ZZZ": {}});
        serde_json::from_value(json!(list)).unwrap()
    }

    #[test]
    fn code_points_are_regional_indicators() {
        assert_eq!(code_points("AX"), "1F1E6-1F1FD");
        assert_eq!(code_points("zw"), "1F1FF-1F1FC");
    }

    #[test]
    fn a_table_with_missing_cells_and_common_values() {
        let sheet =
            made_up(&[["N", "1F1F3-1F1F4", "Flags", "country-flag"], ["A", "1F1E6-1F1FD", "Flags", "country-flag"]]);
        let place = tempfile::tempdir().unwrap();
        let done = place.path().join("data");
        let mut folder = Folder::begin(&done).unwrap();
        from_lists(&countries(), &sheet, 1, &mut folder).unwrap();
        folder
            .finish(&Receipt { recipe: "", command: String::new(), seed: 1, origin: String::new(), packages: vec![] })
            .unwrap();
        let text = std::fs::read_to_string(done.join("manifest.csv")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("un_member,speaks_fin,speaks_swe"), "{text}");
        assert!(lines[1].ends_with(",flags/NOR.png,\"Land, NOR\",,,2,0,,no,,yes,no,no"), "{text}");
        assert!(lines[2].ends_with(",,13.5,2,2,EUR,no,,yes,yes,yes"), "{text}");
        assert!(lines[6].ends_with(",other,no,,yes,yes,yes"), "a rare currency: {text}");
        let parts: Vec<&str> = lines[2..].iter().map(|line| line.split(',').nth(2).unwrap()).collect();
        assert!(parts.iter().all(|part| *part == parts[0]), "countries of one flag are in one part");
        assert!(image::open(done.join("flags/AXA.png")).is_ok());
    }

    #[test]
    fn a_country_without_a_flag_is_told() {
        let sheet = made_up(&[["N", "1F1F3-1F1F4", "Flags", "country-flag"]]);
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::begin(&place.path().join("data")).unwrap();
        let message = from_lists(&countries(), &sheet, 1, &mut folder).unwrap_err().to_string();
        assert!(message.contains("AXA has no flag"), "{message}");
    }
}
