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

    /// The model on the CPU, with weights from a seed: about two seconds for `base`.
    ///
    /// # Panics
    ///
    /// Never, unless a preset describes no model.
    pub fn captioner(self) -> Captioner {
        let config = match self {
            Self::Base => BlipConfig::base(),
            Self::Large => BlipConfig::large(),
            Self::Tiny => BlipConfig::tiny(),
        };
        Captioner::from_seed(&config, 1, &LoadOptions::default())
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
