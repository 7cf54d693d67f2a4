//! `--device`: from a name to a device of Burn.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

/// A device as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceName {
    /// The CPU, in pure Rust. Always there.
    Cpu,
    /// A graphics processor through Vulkan, Metal or DirectX.
    Wgpu,
    /// A CUDA processor of this number.
    Cuda(usize),
    /// Libtorch on the CPU.
    Tch,
}

/// Why there is no such device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Not a name.
    #[error("{found:?} is no device; choose cpu, wgpu, cuda:N (such as cuda:0) or tch")]
    Unknown {
        /// What was said.
        found: String,
    },
    /// The program was built without it.
    #[error("this program was built without {device}: build it {}, or use --device cpu", build(*device))]
    NotBuilt {
        /// The device.
        device: DeviceName,
    },
    /// The program knows the device, the machine does not have it.
    #[error("{device} cannot be used on this machine ({reason}): {}, or use --device cpu", driver(*device))]
    Absent {
        /// The device.
        device: DeviceName,
        /// What the backend said.
        reason: String,
    },
}

/// How a program is built that has the device.
fn build(device: DeviceName) -> &'static str {
    match device {
        DeviceName::Cpu => "with `cargo build --release -p dymo-cli`",
        DeviceName::Wgpu => "with `cargo build --release -p dymo-cli --features wgpu`",
        DeviceName::Cuda(_) => {
            "with `cargo build --release -p dymo-cli --features cuda`, which downloads the LLVM that it compiles kernels with"
        }
        DeviceName::Tch => {
            "with `LIBTORCH_USE_PYTORCH=1 cargo build --release -p dymo-cli --features tch`, a Python with torch==2.9.0 first on \
             PATH and its torch/lib on LD_LIBRARY_PATH"
        }
    }
}

/// What a machine needs for the device.
fn driver(device: DeviceName) -> &'static str {
    match device {
        DeviceName::Wgpu => {
            "install a driver for Vulkan, Metal or DirectX 12 (Debian's `apt-get install mesa-vulkan-drivers` computes on the CPU) and \
             set XDG_RUNTIME_DIR"
        }
        DeviceName::Cuda(_) => "install NVIDIA's driver and name a device that `nvidia-smi` lists",
        DeviceName::Cpu | DeviceName::Tch => "see the README",
    }
}

impl FromStr for DeviceName {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown { found: name.into() };
        match name.split_once(':') {
            None => match name {
                "cpu" => Ok(Self::Cpu),
                "wgpu" => Ok(Self::Wgpu),
                "cuda" => Ok(Self::Cuda(0)),
                "tch" => Ok(Self::Tch),
                _ => Err(unknown()),
            },
            Some(("cuda", number)) => number.parse().map(Self::Cuda).map_err(|_| unknown()),
            Some(_) => Err(unknown()),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Wgpu => f.write_str("wgpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Tch => f.write_str("tch"),
        }
    }
}

impl DeviceName {
    /// The device, if this program was built with its backend and the machine has it.
    ///
    /// # Errors
    /// [`DeviceError`], which says how to get it.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => open_wgpu(),
            #[cfg(feature = "cuda")]
            Self::Cuda(number) => tried(self, Device::cuda(number)),
            #[cfg(feature = "tch")]
            #[expect(deprecated, reason = "upstream prefers its own backends; libtorch is still the quickest on a CPU")]
            Self::Tch => Ok(Device::libtorch()),
            #[cfg(not(all(feature = "wgpu", feature = "cuda", feature = "tch")))]
            device => Err(DeviceError::NotBuilt { device }),
        }
    }
}

#[cfg(feature = "wgpu")]
fn open_wgpu() -> Result<Device, DeviceError> {
    use burn::tensor::DeviceKind::DefaultDevice;
    use burn::tensor::wgpu::WgpuInitError;

    match Device::wgpu_options().device_kind(DefaultDevice).init() {
        Ok(device) => Ok(device),
        // It has been opened before: that one is handed out again.
        Err(WgpuInitError::Registration { .. }) => Ok(Device::wgpu(DefaultDevice)),
        Err(error) => Err(DeviceError::Absent { device: DeviceName::Wgpu, reason: error.to_string() }),
    }
}

/// Uses a device once: Burn opens it then, and panics where there is none.
#[cfg(feature = "cuda")]
fn tried(name: DeviceName, device: Device) -> Result<Device, DeviceError> {
    use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

    let hook = take_hook();
    set_hook(Box::new(|_| ()));
    let first = catch_unwind(AssertUnwindSafe(|| burn::tensor::Tensor::<1>::ones([1], &device).into_data()));
    set_hook(hook);
    let words = |panic: Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        text.and_then(|text| text.lines().next()).unwrap_or("it does not open").to_owned()
    };
    first.map(|_| device).map_err(|panic| DeviceError::Absent { device: name, reason: words(panic) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_are_said() {
        for name in ["cpu", "wgpu", "cuda:0", "cuda:3", "tch"] {
            assert_eq!(name.parse::<DeviceName>().unwrap().to_string(), name);
        }
        for name in ["", "gpu", "cuda:", "cuda:x", "cpu:0"] {
            assert!(name.parse::<DeviceName>().unwrap_err().to_string().contains("cuda:N"), "{name}");
        }
    }

    #[test]
    #[cfg(not(any(feature = "wgpu", feature = "cuda", feature = "tch")))]
    fn what_is_not_built_in_says_how_to_build_it() {
        for (device, words) in [
            (DeviceName::Wgpu, "--features wgpu`"),
            (DeviceName::Cuda(0), "--features cuda`"),
            (DeviceName::Tch, "--features tch`, a Python with torch==2.9.0"),
        ] {
            let message = device.open().unwrap_err().to_string();
            assert!(message.contains(words) && message.ends_with("or use --device cpu"), "{message}");
        }
    }

    #[test]
    fn what_the_machine_lacks_says_what_to_install() {
        let absent = |device| DeviceError::Absent { device, reason: "no adapter".into() }.to_string();
        assert!(absent(DeviceName::Wgpu).contains("(no adapter): install a driver for Vulkan"));
        assert!(
            absent(DeviceName::Cuda(3)).starts_with("cuda:3 cannot be used")
                && absent(DeviceName::Cuda(3)).contains("nvidia-smi")
        );
    }
}
