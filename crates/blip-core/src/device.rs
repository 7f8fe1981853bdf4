//! Devices by name, as a command line gives them.

use burn::tensor::Device;

use crate::Error;

/// The device of a name: `flex` (the CPU), `wgpu`, `vulkan` or `metal`.
///
/// # Errors
///
/// [`Error::FeatureOff`] if the crate was built without that backend; [`Error::UnknownName`] if there is none of that
/// name.
pub fn device(name: &str) -> Result<Device, Error> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "metal")]
        "metal" => Ok(Device::metal(burn::tensor::DeviceKind::DefaultDevice)),
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
