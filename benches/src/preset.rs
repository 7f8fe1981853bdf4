//! Which model the benches run.

use blip_core::{BlipConfig, Captioner, LoadOptions};

/// The sizes of the model, from the environment variable `BLIP_BENCH_PRESET`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// `base`: ViT-B/16 at 384 pixels and BERT-base, as the numbers are quoted.
    #[default]
    Base,
    /// `large`: ViT-L/16 at 384 pixels and BERT-base.
    Large,
    /// `tiny`: two narrow layers each, to see that the benches run.
    Tiny,
}

impl Preset {
    /// The variable that chooses.
    pub const VARIABLE: &str = "BLIP_BENCH_PRESET";

    /// The variable that says how weights are held.
    pub const PRECISION: &str = "BLIP_BENCH_PRECISION";

    /// What the environment says; `base` if it says nothing.
    ///
    /// # Panics
    ///
    /// If it names no preset.
    pub fn from_env() -> Self {
        match std::env::var_os(Self::VARIABLE) {
            None => Self::default(),
            Some(name) => name
                .to_str()
                .and_then(Self::from_name)
                .unwrap_or_else(|| panic!("{}: expected base, large or tiny, got {name:?}", Self::VARIABLE)),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Base, Self::Large, Self::Tiny]
            .into_iter()
            .find(|preset| preset.name() == name)
    }

    /// As the variable names it, and as results are grouped.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Large => "large",
            Self::Tiny => "tiny",
        }
    }

    /// The sizes.
    pub fn config(self) -> BlipConfig {
        match self {
            Self::Base => BlipConfig::base(),
            Self::Large => BlipConfig::large(),
            Self::Tiny => BlipConfig::tiny(),
        }
    }

    /// On the CPU, with weights held as the environment variable `BLIP_BENCH_PRECISION` says; `f32` if it says nothing.
    ///
    /// # Panics
    ///
    /// If the variable names no precision.
    pub fn options(self) -> LoadOptions {
        let mut options = LoadOptions::default();
        if let Ok(precision) = std::env::var(Self::PRECISION) {
            options.precision = precision
                .parse()
                .unwrap_or_else(|error| panic!("{}: {error}", Self::PRECISION));
        }
        options
    }

    /// The model that captions, with weights from a seed: about two seconds for `base`.
    ///
    /// # Panics
    ///
    /// As [`options`](Self::options), or if a preset describes no model.
    pub fn captioner(self) -> Captioner {
        Captioner::from_seed(&self.config(), 1, &self.options())
            .expect("a preset describes a model with the standard vocabulary")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_has_one_name() {
        for preset in [Preset::Base, Preset::Large, Preset::Tiny] {
            assert_eq!(Preset::from_name(preset.name()), Some(preset));
        }
        assert_eq!(Preset::from_name("Base"), None);
    }
}
