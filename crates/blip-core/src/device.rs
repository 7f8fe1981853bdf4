//! Devices by name, as a command line gives them.

use burn::tensor::Device;
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
use burn::tensor::{DeviceKind, DeviceType};

use crate::Error;

/// The device of a name: `flex` (the CPU), `wgpu`, `vulkan` or `metal`.
///
/// # Errors
///
/// [`Error::FeatureOff`] if the crate was built without that backend; [`Error::UnknownName`] if there is none of that
/// name; [`Error::NoDevice`] if no driver of the system offers one.
pub fn device(name: &str) -> Result<Device, Error> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => found("wgpu", DeviceType::Wgpu, Device::wgpu),
        #[cfg(feature = "vulkan")]
        "vulkan" => found("vulkan", DeviceType::Vulkan, Device::vulkan),
        #[cfg(feature = "metal")]
        "metal" => found("metal", DeviceType::Metal, Device::metal),
        _ => match ["flex", "wgpu", "vulkan", "metal"]
            .into_iter()
            .find(|known| *known == name)
        {
            Some(feature) => Err(Error::FeatureOff {
                what: "this device",
                feature,
            }),
            None => Err(Error::UnknownName {
                what: "device",
                expected: "flex, wgpu, vulkan or metal",
                got: name.to_owned(),
            }),
        },
    }
}

/// The system's default device, where there is one: Burn panics at the first use of one that is not there.
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
fn found(name: &'static str, kind: DeviceType, device: fn(DeviceKind) -> Device) -> Result<Device, Error> {
    match Device::enumerate(kind).is_empty() {
        true => Err(Error::NoDevice { name }),
        false => Ok(device(DeviceKind::DefaultDevice)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = device("gpu").unwrap_err().to_string();
        assert_eq!(error, "device: expected flex, wgpu, vulkan or metal, got \"gpu\"");
    }

    #[cfg(not(feature = "wgpu"))]
    #[test]
    fn a_backend_that_is_off_names_its_feature() {
        let error = device("wgpu").unwrap_err().to_string();
        assert_eq!(error, "this device needs the feature `wgpu`, which is off");
    }
}
