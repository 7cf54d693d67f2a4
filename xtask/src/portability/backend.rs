//! The backends: what each is called, needs and is built with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// A way to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Backend {
    /// The CPU, in pure Rust
    Cpu,
    /// Vulkan, Metal or DirectX
    Wgpu,
    /// Libtorch
    Tch,
    /// CUDA
    Cuda,
    /// The parts that need no system, for a browser
    Wasm,
}

/// Without a system: no files, no clock, no threads.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// What compiles for [`WASM`]: sets, reward, selection, and inference with its kernels.
pub(crate) const WITHOUT_SYSTEM: [&str; 5] = ["dymo-core", "dymo-reward", "dymo-select", "dymo-kernels", "dymo-models"];

/// The libtorch that Burn's bindings are made for.
const TORCH: &str = "2.9.0";

impl Backend {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 5] = [Self::Cpu, Self::Wgpu, Self::Tch, Self::Cuda, Self::Wasm];

    /// As `--only` has it; for those that can run also as `--device` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Tch => "tch",
            Self::Cuda => "cuda",
            Self::Wasm => "wasm",
        }
    }

    /// In words.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU, pure Rust (`--device cpu`)",
            Self::Wgpu => "WGPU (`--device wgpu`)",
            Self::Tch => "libtorch (`--device tch`)",
            Self::Cuda => "CUDA (`--device cuda:0`)",
            Self::Wasm => "WebAssembly",
        }
    }

    /// The engine there, as a line of a table.
    pub(crate) fn engine(self) -> &'static str {
        match self {
            Self::Cpu => "dymo, CPU",
            Self::Wgpu => "dymo, WGPU",
            Self::Tch => "dymo, libtorch",
            Self::Cuda => "dymo, CUDA",
            Self::Wasm => "dymo, WebAssembly",
        }
    }

    /// The cargo feature that brings it.
    fn feature(self) -> Option<&'static str> {
        match self {
            Self::Wgpu | Self::Tch | Self::Cuda => Some(self.name()),
            Self::Cpu | Self::Wasm => None,
        }
    }
}

/// Where a backend is built and run, and with what in the environment.
#[derive(Debug)]
pub(crate) struct Place {
    pub backend: Backend,
    pub root: PathBuf,
    /// Its target folder.
    pub target: PathBuf,
    /// Variables of its builds and runs.
    pub variables: Vec<(&'static str, OsString)>,
}

impl Place {
    /// Every backend has a target folder of its own, so that none undoes another's build; the CPU's is the ordinary one.
    pub(crate) fn new(root: &Path, backend: Backend, python: Option<&Path>) -> Result<Self> {
        let ordinary = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = match backend {
            Backend::Cpu => ordinary,
            other => ordinary.join("portability").join(other.name()),
        };
        std::fs::create_dir_all(&target).with_context(|| target.display().to_string())?;
        let target = std::path::absolute(target)?;
        let mut place = Self { backend, root: root.into(), target, variables: Vec::new() };
        match backend {
            Backend::Wgpu if std::env::var_os("XDG_RUNTIME_DIR").is_none() => {
                let runtime = place.target.join("runtime");
                std::fs::create_dir_all(&runtime).with_context(|| runtime.display().to_string())?;
                place.variables.push(("XDG_RUNTIME_DIR", runtime.into()));
            }
            Backend::Tch => {
                place.variables.push(("LIBTORCH_USE_PYTORCH", "1".into()));
                if let Some(python) = python {
                    place.variables.push(("PATH", before("PATH", &folder_of(python)?)?));
                }
                // Its library stands among those of that Python.
                if let Ok(lib) = place.ask_torch("torch.__path__[0] + '/lib'") {
                    place.variables.push((LIBRARIES, before(LIBRARIES, Path::new(&lib))?));
                }
            }
            _ => {}
        }
        Ok(place)
    }

    /// Words of `cargo build` or `cargo check` for the programs that are run.
    pub(crate) fn build_words(&self, verb: &str) -> Vec<String> {
        let mut words = vec![verb, "--release", "--package", "dymo-cli", "--package", "dymo-tests"];
        words.extend(["--bin", "dymo", "--bin", "verify-golden"]);
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        if let Some(feature) = self.backend.feature() {
            words.extend(["--features".to_owned(), format!("dymo-tests/{feature}")]);
        }
        words
    }

    /// Words of `cargo build` for one program of a package of its name; `None` where nothing can run.
    pub(crate) fn program_words(&self, package: &str) -> Option<Vec<String>> {
        let feature = self.backend.feature()?;
        let words = ["build", "--release", "--package", package, "--features"];
        Some(words.into_iter().map(str::to_owned).chain([format!("{package}/{feature}")]).collect())
    }

    /// A program of the build, in the backend's environment.
    pub(crate) fn program(&self, name: &str) -> Command {
        let file = self.target.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let mut command = Command::new(file);
        command.current_dir(&self.root);
        self.prepare(&mut command);
        command
    }

    /// Sets the variables.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if self.backend == Backend::Tch {
            // With it, `python` would be asked instead of `python3`.
            command.env_remove("VIRTUAL_ENV");
        }
    }

    /// Whether there is the right libtorch; else what to do.
    pub(crate) fn torch(&self) -> Result<(), String> {
        let how = format!(
            "`python3 -m venv torch && torch/bin/pip install torch=={TORCH}`, then `cargo xtask portability --python torch/bin/python`"
        );
        match self.ask_torch("torch.__version__") {
            Ok(version) if version.split('+').next() == Some(TORCH) => Ok(()),
            Ok(version) => Err(format!("python3 has torch {version}, wanted is {TORCH}: {how}")),
            Err(_) => Err(format!("python3 has no torch: {how}")),
        }
    }

    /// An expression of Python, evaluated by the interpreter that the build asks.
    fn ask_torch(&self, expression: &str) -> Result<String> {
        let mut command = Command::new("python3");
        self.prepare(&mut command);
        let output = command.args(["-c", &format!("import torch; print({expression})")]).output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Where the system looks for libraries.
const LIBRARIES: &str = if cfg!(target_os = "macos") { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };

/// A list of folders with another one in front.
fn before(variable: &str, folder: &Path) -> Result<OsString> {
    let old = std::env::var_os(variable).unwrap_or_default();
    let rest = std::env::split_paths(&old).filter(|path| !path.as_os_str().is_empty());
    Ok(std::env::join_paths(std::iter::once(folder.to_owned()).chain(rest))?)
}

/// The folder of an interpreter. Links are kept: a virtual environment's Python is one.
fn folder_of(python: &Path) -> Result<PathBuf> {
    if !python.is_file() {
        bail!("--python {}: there is no such file", python.display());
    }
    let full = std::path::absolute(python)?;
    Ok(full.parent().map(Path::to_owned).unwrap_or_default())
}

/// Whether NVIDIA's driver lists a device.
pub(crate) fn has_cuda() -> bool {
    let listed = Command::new("nvidia-smi").arg("-L").output();
    listed.is_ok_and(|output| output.status.success() && !output.stdout.trim_ascii().is_empty())
}

/// Whether the compiler has a standard library for a target.
pub(crate) fn has_target(target: &str) -> Result<bool> {
    // The compiler that cargo would take.
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output();
    let output = output.context("rustc did not start")?;
    Ok(output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(backend: Backend) -> Place {
        Place { backend, root: PathBuf::new(), target: "target".into(), variables: Vec::new() }
    }

    #[test]
    fn a_backend_is_built_with_its_feature_alone() {
        let words = place(Backend::Wgpu).build_words("build").join(" ");
        assert!(words.ends_with("--bin dymo --bin verify-golden --features dymo-tests/wgpu"), "{words}");
        assert!(!place(Backend::Cpu).build_words("build").join(" ").contains("features"));
    }

    #[test]
    fn a_folder_goes_in_front() {
        let joined = before("A_VARIABLE_THAT_NOBODY_SETS", Path::new("/a")).unwrap();
        assert_eq!(joined, "/a");
        let path = before("PATH", Path::new("/first")).unwrap();
        assert_eq!(std::env::split_paths(&path).next(), Some(PathBuf::from("/first")));
        assert!(std::env::split_paths(&path).count() > 1);
    }

    #[test]
    fn a_python_without_torch_says_how_to_get_it() {
        let mut place = place(Backend::Tch);
        place.variables.push(("PATH", "/nowhere".into()));
        let message = place.torch().unwrap_err();
        assert!(message.contains("pip install torch==2.9.0") && message.contains("--python"), "{message}");
        let absent = Place::new(Path::new("."), Backend::Tch, Some(Path::new("/nowhere/python"))).unwrap_err();
        assert!(absent.to_string().contains("/nowhere/python"), "{absent}");
    }

    #[test]
    fn targets_are_found_and_missed() {
        assert!(!has_target("no-such-target").unwrap());
    }
}
