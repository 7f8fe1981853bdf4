//! The colour of an object.

/// Seven colours that differ from each other and from every background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Color {
    /// About (217, 35, 47).
    Red,
    /// About (250, 127, 17).
    Orange,
    /// About (247, 220, 45).
    Yellow,
    /// About (46, 163, 65).
    Green,
    /// About (54, 204, 224).
    Cyan,
    /// About (36, 74, 224).
    Blue,
    /// About (167, 57, 207).
    Purple,
}

impl Color {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Red,
        Self::Orange,
        Self::Yellow,
        Self::Green,
        Self::Cyan,
        Self::Blue,
        Self::Purple,
    ];

    /// The adjective: "red".
    pub fn word(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::Cyan => "cyan",
            Self::Blue => "blue",
            Self::Purple => "purple",
        }
    }

    /// Hue in degrees, saturation and value in 0..=1.
    fn hsv(self) -> [f32; 3] {
        match self {
            Self::Red => [356.0, 0.84, 0.85],
            Self::Orange => [28.0, 0.93, 0.98],
            Self::Yellow => [52.0, 0.82, 0.97],
            Self::Green => [130.0, 0.72, 0.64],
            Self::Cyan => [187.0, 0.76, 0.88],
            Self::Blue => [228.0, 0.84, 0.88],
            Self::Purple => [284.0, 0.72, 0.81],
        }
    }

    /// Red, green and blue in 0..=255, with the hue turned by some degrees and the value scaled.
    pub(crate) fn rgb(self, hue_shift: f32, brightness: f32) -> [f32; 3] {
        let [hue, saturation, value] = self.hsv();
        let value = (value * brightness).clamp(0.0, 1.0);
        let sextant = (hue + hue_shift).rem_euclid(360.0) / 60.0;
        // One formula for the three channels: each is the value less a trapezoid of the hue.
        [5.0, 3.0, 1.0].map(|offset: f32| {
            let place = (offset + sextant) % 6.0;
            let trapezoid = place.min(4.0 - place).clamp(0.0, 1.0);
            255.0 * (value - value * saturation * trapezoid)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Background;

    fn distance(first: [f32; 3], second: [f32; 3]) -> f32 {
        first
            .iter()
            .zip(second)
            .map(|(a, b)| (a - b) * (a - b))
            .sum::<f32>()
            .sqrt()
    }

    #[test]
    fn primary_hues_are_what_they_are_called() {
        let [red, green, blue] = Color::Red.rgb(4.0, 1.0);
        assert!((red - 216.75).abs() < 0.01 && (green - 34.68).abs() < 0.01 && (blue - 34.68).abs() < 0.01);
        let [red, green, blue] = Color::Green.rgb(0.0, 1.0);
        assert!(green > 2.0 * red && green > 2.0 * blue);
        let [red, green, blue] = Color::Blue.rgb(0.0, 1.0);
        assert!(blue > 2.0 * red && blue > 2.0 * green);
    }

    #[test]
    fn no_two_colors_are_near_and_no_background_hides_one() {
        let jitters = [[-4.0, 0.94], [4.0, 0.94], [-4.0, 1.06], [4.0, 1.06]];
        for first in Color::ALL {
            for [hue_shift, brightness] in jitters {
                let shade = first.rgb(hue_shift, brightness);
                for second in Color::ALL.into_iter().filter(|second| *second != first) {
                    for [hue_shift, brightness] in jitters {
                        let other = second.rgb(hue_shift, brightness);
                        assert!(distance(shade, other) > 55.0, "{first:?} {second:?}");
                    }
                }
                for background in Background::ALL {
                    assert!(
                        distance(shade, background.rgb()) > 95.0,
                        "{first:?} {background:?}"
                    );
                }
            }
        }
    }
}
