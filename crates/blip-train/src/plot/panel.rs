//! What is drawn of a log: panels, their curves and their axes.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::style::RGBColor;

use super::canvas::Font;
use super::log::{Point, Records};
use super::*;

/// One panel: a title, a strong curve, and the faint one that it is the running mean of.
pub(super) struct Panel {
    pub(super) title: String,
    /// What the strong curve came to.
    pub(super) note: String,
    pub(super) colour: RGBColor,
    pub(super) raw: Vec<Point>,
    pub(super) curve: Vec<Point>,
    pub(super) y: Axis,
}

impl Panel {
    pub(super) fn loss(title: String, colour: RGBColor, raw: Vec<Point>) -> Option<Self> {
        let window = (raw.len() / 20).clamp(5, 1000);
        let curve = running_mean(&raw, window);
        let of = window.min(raw.len());
        let note = format!("mean of last {of}: {}", short(curve.last()?.1));
        let (low, high) = bounds(raw.iter().map(|point| point.1))?;
        Some(Self {
            y: Axis::values(low, high),
            title,
            note,
            colour,
            raw,
            curve,
        })
    }

    pub(super) fn learning_rate(curve: Vec<Point>) -> Option<Self> {
        let note = short(curve.last()?.1);
        let (low, high) = bounds(curve.iter().map(|point| point.1))?;
        Some(Self {
            title: "learning_rate".to_owned(),
            note,
            colour: LEARNING_RATE,
            raw: Vec::new(),
            curve,
            y: Axis::values(low.min(0.0), high),
        })
    }
}

/// Rows of panels from top to bottom; what has no values has no panel.
pub(super) fn panels(records: Records) -> Vec<Vec<Panel>> {
    let loss = Panel::loss("loss".to_owned(), LOSS, records.loss);
    let first: Vec<_> = loss
        .into_iter()
        .chain(Panel::learning_rate(records.learning_rate))
        .collect();
    let colours = PARTS.into_iter().cycle();
    let mut parts: Vec<_> = (records.parts.into_iter().zip(colours))
        .filter_map(|((name, points), colour)| Panel::loss(name, colour, points))
        .collect();
    let mut rows = vec![first];
    // Rows of the same number of panels, or one fewer: four are two and two.
    for rows_left in (1..=parts.len().div_ceil(PANELS_PER_ROW)).rev() {
        let rest = parts.split_off(parts.len().div_ceil(rows_left));
        rows.push(std::mem::replace(&mut parts, rest));
    }
    rows.retain(|row| !row.is_empty());
    rows
}

/// The mean of up to `window` values that end at each point.
pub(super) fn running_mean(points: &[Point], window: usize) -> Vec<Point> {
    // Summed anew each time: a sum that is carried along never forgets an outlier of 1e30.
    (0..points.len())
        .map(|last| {
            let recent = &points[(last + 1).saturating_sub(window)..=last];
            let sum: f64 = recent.iter().map(|point| point.1).sum();
            (points[last].0, sum / recent.len() as f64)
        })
        .collect()
}

pub(super) fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |bounds, value| {
        let (low, high) = bounds.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

/// A number for a title: three decimals, or four digits and an exponent.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 || (0.01..1e6).contains(&value.abs()) {
        format!("{value:.3}")
    } else {
        format!("{value:.3e}")
    }
}

/// The range of an axis and what is written at it.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) range: Range<f64>,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis of values between `low` and `high`: from zero where that is near, else with some air.
    pub(super) fn values(low: f64, high: f64) -> Self {
        let size = low.abs().max(high.abs());
        // f32 has no more digits than that: the values are all the same.
        let (low, high) = match size {
            0.0 => (-1.0, 1.0),
            _ if high - low <= 1e-6 * size => (low - 0.1 * size, high + 0.1 * size),
            _ => (low, high),
        };
        let air = 0.06 * (high - low);
        let bottom = if (0.0..=0.3 * high).contains(&low) {
            0.0
        } else {
            low - air
        };
        let range = bottom..high + air;
        let room = (ROW_HEIGHT as i32 - 2 * MARGIN - TITLE_HEIGHT - X_AXIS_HEIGHT) / Y_TICK_DISTANCE;
        let ticks = ticks(&range, room as usize, f64::MIN_POSITIVE);
        Self { range, ticks }
    }

    /// An axis of steps between `low` and `high`, `width` pixels long.
    pub(super) fn steps(low: f64, high: f64, width: i32) -> Self {
        let range = match high - low {
            0.0 => low - 1.0..high + 1.0,
            _ if low <= 0.05 * high => 0.0..high,
            _ => low..high,
        };
        // Three characters of air between labels.
        let label = (format!("{high:.0}").len() + 3) * Font::LABEL.width();
        let ticks = ticks(&range, (width as usize / label).clamp(1, 8), 1.0);
        Self { range, ticks }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let part = (value - self.range.start) / (self.range.end - self.range.start);
        start + (part * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light points would be grid lines between the ticks.
        let ticks = if hint.weight().allow_light_points() {
            &[]
        } else {
            self.ticks.as_slice()
        };
        ticks.iter().map(|tick| tick.0).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(value: &f64) -> String {
        value.to_string()
    }

    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|tick| tick.0 == *value);
        tick.map_or_else(|| Self::format(value), |tick| tick.1.clone())
    }
}

/// At most `count + 1` multiples of 1, 2 or 5 times a power of ten, `distance` apart at least, and their labels.
pub(super) fn ticks(range: &Range<f64>, count: usize, distance: f64) -> Vec<(f64, String)> {
    let least = ((range.end - range.start) / count as f64).max(distance);
    let power = least.log10().floor() as i32;
    // The last one is there for a logarithm that was rounded.
    let steps = [
        (1.0, power),
        (2.0, power),
        (5.0, power),
        (1.0, power + 1),
        (2.0, power + 1),
    ];
    let (factor, power) = steps
        .into_iter()
        .find(|(factor, power)| factor * 10f64.powi(*power) >= least * (1.0 - 1e-9))
        .expect("ten times the power of ten under a number is over it");
    let unit = 10f64.powi(power);
    let first = (range.start / (factor * unit)).ceil();
    let last = (range.end / (factor * unit)).floor();
    let largest = first.abs().max(last.abs()) * factor * unit;
    // Whole numbers of steps are written out, as losses of any usual size are.
    let plain = (0.01..1e6).contains(&largest) || distance == 1.0 && largest < 1e15;
    (0..(last - first + 1.0) as usize)
        .map(|index| (first + index as f64) * factor)
        .map(|digits| {
            let label = match digits {
                0.0 => "0".to_owned(),
                _ if plain => format!("{:.*}", (-power).max(0) as usize, digits * unit),
                _ => scientific(digits, power),
            };
            (digits * unit, label)
        })
        .collect()
}

/// `digits`, a whole number, times ten to the `power`, as in 1.5e-4.
pub(super) fn scientific(digits: f64, power: i32) -> String {
    // Of a whole number all digits are known: none is the noise of a multiplication by 1e-5.
    let text = format!("{digits:e}");
    let (mantissa, exponent) = text.split_once('e').expect("`e` is in the format");
    let exponent: i32 = exponent.parse().expect("an exponent is a whole number");
    format!("{mantissa}e{}", exponent + power)
}
