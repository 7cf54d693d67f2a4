//! A published package as a file: fetched by its package manager, known by its checksum.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Who fetches a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Manager {
    /// `python3 -m pip download`
    Pip,
    /// `npm pack`
    Npm,
}

/// One version of a package.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Package {
    pub(crate) manager: Manager,
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// The file that the manager leaves.
    pub(crate) file: &'static str,
    /// In lower-case hexadecimal digits.
    pub(crate) sha256: &'static str,
}

impl Package {
    /// The package's file, from `cache` or fetched into it.
    ///
    /// # Errors
    /// When it is not there and cannot be fetched, or is not the file that the recipe was written for.
    pub(crate) fn bytes(&self, cache: &Path) -> Result<Vec<u8>> {
        let kept = cache.join(self.file);
        if !kept.is_file() {
            println!("   fetching {} {} with {}", self.name, self.version, self.tool());
            self.fetch(self.tool(), cache)?;
        }
        let bytes = fs::read(&kept).with_context(|| kept.display().to_string())?;
        self.verify(&bytes).with_context(|| format!("{}; delete it to fetch it anew", kept.display()))?;
        Ok(bytes)
    }

    fn tool(&self) -> &'static str {
        match (self.manager, cfg!(windows)) {
            (Manager::Pip, false) => "python3",
            (Manager::Pip, true) => "python",
            (Manager::Npm, false) => "npm",
            (Manager::Npm, true) => "npm.cmd",
        }
    }

    fn arguments(&self) -> Vec<String> {
        let text = match self.manager {
            Manager::Pip => format!(
                "-m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: {}=={}",
                self.name, self.version
            ),
            Manager::Npm => format!("pack --silent --ignore-scripts {}@{}", self.name, self.version),
        };
        text.split(' ').map(str::to_owned).collect()
    }

    /// Runs the manager in a folder of its own; the file enters `cache` when it is known to be the right one.
    fn fetch(&self, tool: &str, cache: &Path) -> Result<()> {
        let half = cache.join(format!("{}.half", self.name));
        if half.exists() {
            fs::remove_dir_all(&half).with_context(|| half.display().to_string())?;
        }
        fs::create_dir_all(&half).with_context(|| half.display().to_string())?;
        let by_hand = format!("or put {} (sha256 {}) into {}", self.file, self.sha256, cache.display());
        let arguments = self.arguments();
        match Command::new(tool).args(&arguments).current_dir(&half).status() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("{tool} is not installed; install {}, {by_hand}", self.install())
            }
            Err(error) => return Err(error).with_context(|| format!("{tool} did not start; {by_hand}")),
            Ok(status) if !status.success() => {
                bail!("{tool} {} ended with {status}; run it again, {by_hand}", arguments.join(" "))
            }
            Ok(_) => {}
        }
        let fetched = half.join(self.file);
        let bytes = fs::read(&fetched)
            .with_context(|| format!("{tool} left no {} (another file name for this system?); {by_hand}", self.file))?;
        self.verify(&bytes).with_context(|| format!("{} as {tool} fetched it", self.file))?;
        fs::rename(&fetched, cache.join(self.file)).with_context(|| fetched.display().to_string())?;
        fs::remove_dir_all(&half).with_context(|| half.display().to_string())
    }

    fn install(&self) -> &'static str {
        match self.manager {
            Manager::Pip => "Python 3 with pip",
            Manager::Npm => "Node.js with npm",
        }
    }

    fn verify(&self, bytes: &[u8]) -> Result<()> {
        let found = sha256_hex(bytes);
        if found == self.sha256 {
            return Ok(());
        }
        bail!(
            "has sha256 {found}, expected {}: not the file that the recipe was written for, it is not used",
            self.sha256
        )
    }
}

/// SHA-256 in lower-case hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: Package = Package {
        manager: Manager::Npm,
        name: "abc",
        version: "1.0.0",
        file: "abc-1.0.0.tgz",
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    #[test]
    fn a_kept_file_is_used_when_it_is_the_right_one() {
        let cache = tempfile::tempdir().unwrap();
        fs::write(cache.path().join(ABC.file), "abc").unwrap();
        assert_eq!(ABC.bytes(cache.path()).unwrap(), b"abc");
        fs::write(cache.path().join(ABC.file), "abd").unwrap();
        let message = format!("{:#}", ABC.bytes(cache.path()).unwrap_err());
        for part in ["abc-1.0.0.tgz; delete it", "has sha256 a52d159f", "expected ba7816bf"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_missing_tool_is_named_with_both_remedies() {
        let cache = tempfile::tempdir().unwrap();
        let message = ABC.fetch("no-such-tool-of-ours", cache.path()).unwrap_err().to_string();
        for part in ["no-such-tool-of-ours is not installed", "Node.js", "abc-1.0.0.tgz (sha256 ba78"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn the_managers_are_asked_for_one_version_and_run_nothing_of_it() {
        assert_eq!(ABC.arguments().join(" "), "pack --silent --ignore-scripts abc@1.0.0");
        let wheel = Package { manager: Manager::Pip, ..ABC };
        assert!(wheel.arguments().join(" ").ends_with("--no-deps --only-binary :all: abc==1.0.0"));
    }
}
