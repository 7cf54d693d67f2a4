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
    #[error(
        "this dymo was built without {feature}: build it with `cargo build --release -p dymo-cli --features {feature}`, or use --device cpu"
    )]
    NotBuilt {
        /// The cargo feature.
        feature: &'static str,
    },
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
    /// The device, if this program was built with its backend.
    ///
    /// # Errors
    /// [`DeviceError::NotBuilt`], which says how to build it.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => Err(DeviceError::NotBuilt { feature: "wgpu" }),
            #[cfg(feature = "cuda")]
            Self::Cuda(number) => Ok(Device::cuda(number)),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(_) => Err(DeviceError::NotBuilt { feature: "cuda" }),
            #[cfg(feature = "tch")]
            #[expect(deprecated, reason = "upstream prefers its own backends; libtorch is still the quickest on a CPU")]
            Self::Tch => Ok(Device::libtorch()),
            #[cfg(not(feature = "tch"))]
            Self::Tch => Err(DeviceError::NotBuilt { feature: "tch" }),
        }
    }
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
    #[cfg(not(feature = "wgpu"))]
    fn what_is_not_built_in_says_how_to_build_it() {
        assert!(DeviceName::Wgpu.open().unwrap_err().to_string().contains("--features wgpu"));
    }
}
