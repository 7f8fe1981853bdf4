//! A picture of a training log: how the loss, its parts and the learning rate went.
//!
//! For whoever watches a run or shows one. Nothing but the log is read, so a run may still be going.
//!
//! ```text
//! log.jsonl ─ read_log ─▶ steps and values by name ─ panels ─▶ curves, running means, axes ─ Canvas ─▶ PNG
//!
//!   ┌──────────────┬───────────────┐
//!   │ loss         │ learning_rate │   1200 pixels wide, 400 high a row
//!   ├─────────┬────┴────┬──────────┤
//!   │ a part  │ a part  │ a part   │   as many rows as the parts need
//!   └─────────┴─────────┴──────────┘
//! ```
//!
//! Text comes from a bitmap font that is compiled in: a machine without fonts draws the same picture.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use image::{ImageFormat, Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};
use serde_json::{Map, Value};

/// Pixels of the picture from left to right.
const WIDTH: u32 = 1200;
/// Pixels of one row of panels from top to bottom.
const ROW_HEIGHT: u32 = 400;
/// Panels of loss parts beside each other.
const PANELS_PER_ROW: usize = 3;
/// Parts of a loss that are drawn; a log of more is no log of ours.
const MAX_PARTS: usize = 30;

/// The margin of a panel, in pixels.
const MARGIN: i32 = 14;
/// The margin on its right, in pixels: half the label of a step of seven digits sticks out there.
const RIGHT_MARGIN: i32 = 28;
/// The line of a panel that the title is on, in pixels.
const TITLE_HEIGHT: i32 = 30;
/// What is under the horizontal axis, in pixels: the labels and the word `step`.
const X_AXIS_HEIGHT: i32 = 44;
/// The marks of ticks, in pixels.
const TICK_LENGTH: i32 = 4;
/// Pixels between horizontal grid lines, at least.
const Y_TICK_DISTANCE: i32 = 36;

const RAW_WIDTH: f32 = 1.5;
const MEAN_WIDTH: f32 = 2.25;
const DOT_RADIUS: f32 = 3.5;

const PAPER: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(38, 44, 54);
const PALE_INK: RGBColor = RGBColor(110, 118, 130);
const AXIS: RGBColor = RGBColor(160, 166, 176);
const GRID: RGBColor = RGBColor(232, 235, 239);
const LOSS: RGBColor = RGBColor(31, 84, 150);
const LEARNING_RATE: RGBColor = RGBColor(74, 85, 104);
/// The parts of the loss, in turn.
const PARTS: [RGBColor; 6] = [
    RGBColor(200, 82, 58),
    RGBColor(36, 128, 96),
    RGBColor(122, 79, 163),
    RGBColor(184, 122, 24),
    RGBColor(30, 140, 164),
    RGBColor(170, 56, 108),
];

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// A file that cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },

    /// A line that is not one of a log, other than a last one that a killed run did not finish.
    #[error("{}, line {line}: {what}", path.display())]
    Line {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was expected there, and what came.
        what: String,
    },

    /// A log without a value to draw.
    #[error("{}: expected a finite loss or learning rate on one line at least, got none", path.display())]
    Empty {
        /// The log.
        path: PathBuf,
    },

    /// A log that cannot be drawn.
    #[error("cannot draw {}: {what}", path.display())]
    Draw {
        /// The log.
        path: PathBuf,
        /// What was expected, and what came.
        what: String,
    },
}

/// Draws the log of a run, `log.jsonl`, as a PNG.
///
/// A line of the log is a JSON object. `step` is the horizontal axis. `loss`, `learning_rate` and each part of the loss
/// get a panel, and a part is every field but these and `epoch`, `grad_norm` and `seconds`. A loss is a faint line,
/// its running mean a strong one: the mean of the last twentieth of the logged values, of 5 at least and 1000 at most.
///
/// Any field but `step` may be missing. What is null, NaN or infinite (beyond `f32`, which losses are computed in) is
/// skipped, and so is a last line that was cut off.
///
/// The picture is 1200 pixels wide and 800 high for one to three parts. It is written beside `png` and renamed: there
/// is never half a picture.
///
/// # Errors
///
/// [`PlotError::Io`] for files that cannot be read or written, [`PlotError::Line`] for a broken line,
/// [`PlotError::Empty`] if nothing is left to draw, [`PlotError::Draw`] for a log of more than 30 parts.
pub fn plot_log(log: &Path, png: &Path) -> Result<(), PlotError> {
    let records = read_log(log)?;
    if records.parts.len() > MAX_PARTS {
        return Err(PlotError::Draw {
            path: log.to_owned(),
            what: format!(
                "expected at most {MAX_PARTS} loss parts, got {}",
                records.parts.len()
            ),
        });
    }
    let rows = panels(records);
    if rows.is_empty() {
        return Err(PlotError::Empty { path: log.to_owned() });
    }
    let picture = draw(&rows).map_err(|error| PlotError::Draw {
        path: log.to_owned(),
        what: error.to_string(),
    })?;
    write_png(&picture, png)
}

// ---- The log.

/// A value and the step it was logged at; both are finite.
type Point = (f64, f64);

/// What is drawn of a log, in the order of its lines.
#[derive(Debug, Default, PartialEq)]
struct Records {
    loss: Vec<Point>,
    learning_rate: Vec<Point>,
    parts: BTreeMap<String, Vec<Point>>,
}

fn read_log(path: &Path) -> Result<Records, PlotError> {
    let bytes = fs::read(path).map_err(io("read", path))?;
    let mut records = Records::default();
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let broken = |what| PlotError::Line {
            path: path.to_owned(),
            line: index + 1,
            what,
        };
        let fields = match parse_line(line) {
            Ok(Value::Object(fields)) => fields,
            Ok(other) => return Err(broken(format!("expected a JSON object, got {}", kind(&other)))),
            // Only a run that was killed while it wrote leaves a line without its end.
            Err(error) if error.is_eof() && !line.ends_with(b"\n") => break,
            Err(error) => return Err(broken(format!("expected a JSON object, got no JSON ({error})"))),
        };
        records.add(&fields).map_err(broken)?;
    }
    Ok(records)
}

impl Records {
    fn add(&mut self, fields: &Map<String, Value>) -> Result<(), String> {
        let step = fields.get("step").unwrap_or(&Value::Null);
        let step = step
            .as_u64()
            .ok_or_else(|| format!("step: expected a whole number, got {}", kind(step)))?
            as f64;
        for (name, value) in fields {
            if matches!(name.as_str(), "step" | "epoch" | "grad_norm" | "seconds") {
                continue;
            }
            let value = match value {
                Value::Null => continue,
                Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
                other => return Err(format!("{name}: expected a number or null, got {}", kind(other))),
            };
            // Losses are f32: what does not fit was infinite.
            if !(value as f32).is_finite() {
                continue;
            }
            let points = match name.as_str() {
                "loss" => &mut self.loss,
                "learning_rate" => &mut self.learning_rate,
                _ => self.parts.entry(name.clone()).or_default(),
            };
            points.push((step, value));
        }
        Ok(())
    }
}

/// One line of JSON, or of what Python's `json` makes of numbers that JSON does not have.
fn parse_line(line: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(line).or_else(|error| {
        if error.is_eof() {
            return Err(error);
        }
        serde_json::from_slice(&without_nan(line))
    })
}

/// `line` with `null` for `NaN`, `Infinity` and `-Infinity` outside strings; one that the end cuts off is left out.
fn without_nan(line: &[u8]) -> Vec<u8> {
    const NAMES: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut out = Vec::with_capacity(line.len());
    let mut in_string = false;
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        if !in_string {
            if let Some(name) = NAMES.iter().find(|name| rest.starts_with(name)) {
                out.extend_from_slice(b"null");
                at += name.len();
                continue;
            }
            if NAMES.iter().any(|name| name.starts_with(rest)) {
                break;
            }
        }
        // An escaped quote does not end a string.
        let taken = if in_string && rest[0] == b'\\' && rest.len() > 1 {
            2
        } else {
            1
        };
        in_string ^= rest[0] == b'"';
        out.extend_from_slice(&rest[..taken]);
        at += taken;
    }
    out
}

/// What came, for an error.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PlotError {
    let path = path.to_owned();
    move |source| PlotError::Io { action, path, source }
}

// ---- What is drawn.

/// One panel: a title, a strong curve, and the faint one that it is the running mean of.
struct Panel {
    title: String,
    /// What the strong curve came to.
    note: String,
    colour: RGBColor,
    raw: Vec<Point>,
    curve: Vec<Point>,
    y: Axis,
}

impl Panel {
    fn loss(title: String, colour: RGBColor, raw: Vec<Point>) -> Option<Self> {
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

    fn learning_rate(curve: Vec<Point>) -> Option<Self> {
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
fn panels(records: Records) -> Vec<Vec<Panel>> {
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
fn running_mean(points: &[Point], window: usize) -> Vec<Point> {
    // Summed anew each time: a sum that is carried along never forgets an outlier of 1e30.
    (0..points.len())
        .map(|last| {
            let recent = &points[(last + 1).saturating_sub(window)..=last];
            let sum: f64 = recent.iter().map(|point| point.1).sum();
            (points[last].0, sum / recent.len() as f64)
        })
        .collect()
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |bounds, value| {
        let (low, high) = bounds.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

/// A number for a title: three decimals, or four digits and an exponent.
fn short(value: f64) -> String {
    if value == 0.0 || (0.01..1e6).contains(&value.abs()) {
        format!("{value:.3}")
    } else {
        format!("{value:.3e}")
    }
}

/// The range of an axis and what is written at it.
#[derive(Clone, Debug)]
struct Axis {
    range: Range<f64>,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis of values between `low` and `high`: from zero where that is near, else with some air.
    fn values(low: f64, high: f64) -> Self {
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
    fn steps(low: f64, high: f64, width: i32) -> Self {
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
fn ticks(range: &Range<f64>, count: usize, distance: f64) -> Vec<(f64, String)> {
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
fn scientific(digits: f64, power: i32) -> String {
    // Of a whole number all digits are known: none is the noise of a multiplication by 1e-5.
    let text = format!("{digits:e}");
    let (mantissa, exponent) = text.split_once('e').expect("`e` is in the format");
    let exponent: i32 = exponent.parse().expect("an exponent is a whole number");
    format!("{mantissa}e{}", exponent + power)
}

// ---- Drawing.

fn draw(rows: &[Vec<Panel>]) -> Result<RgbImage, DrawingAreaErrorKind<Infallible>> {
    let height = ROW_HEIGHT * rows.len() as u32;
    let mut image = RgbImage::from_pixel(WIDTH, height, pixel(PAPER));
    let panels = || rows.iter().flatten();
    let steps = bounds(panels().flat_map(|panel| &panel.curve).map(|point| point.0));
    let (first, last) = steps.expect("a panel has a value");
    let labels = panels().flat_map(|panel| &panel.y.ticks).map(|tick| tick.1.len());
    let y_axis_width = (labels.max().unwrap_or(1) * Font::LABEL.width()) as i32 + TICK_LENGTH + 6;

    let area = Canvas { image: &mut image }.into_drawing_area();
    for (row, panels) in rows.iter().enumerate() {
        let width = WIDTH as i32 / panels.len() as i32;
        for (column, panel) in panels.iter().enumerate() {
            let corner = (sub(width * column as i32), sub(ROW_HEIGHT as i32 * row as i32));
            let area = area.clone().shrink(corner, (sub(width), sub(ROW_HEIGHT as i32)));
            let x = Axis::steps(first, last, width - MARGIN - RIGHT_MARGIN - y_axis_width);
            draw_panel(&area, panel, x, y_axis_width)?;
        }
    }
    area.present()?;
    drop(area);
    Ok(image)
}

fn draw_panel(
    area: &DrawingArea<Canvas<'_>, Shift>,
    panel: &Panel,
    x: Axis,
    y_axis_width: i32,
) -> Result<(), DrawingAreaErrorKind<Infallible>> {
    let label = Font::LABEL.style(&PALE_INK);
    let width = area.dim_in_pixel().0 as i32 / SUBPIXELS;

    // The title, and on its right the note if there is room for it.
    let room = (width - MARGIN - RIGHT_MARGIN) as usize;
    let mut title = panel.title.clone();
    if title.chars().count() * Font::TITLE.width() > room {
        title = title
            .chars()
            .take(room / Font::TITLE.width() - 3)
            .chain("...".chars())
            .collect();
    }
    let left = Pos::new(HPos::Left, VPos::Center);
    let middle = sub(MARGIN + TITLE_HEIGHT / 2 - 4);
    area.draw_text(&title, &Font::TITLE.style(&INK).pos(left), (sub(MARGIN), middle))?;
    let taken = title.chars().count() * Font::TITLE.width() + panel.note.len() * Font::LABEL.width();
    if taken + 2 * Font::TITLE.width() <= room {
        let right = Pos::new(HPos::Right, VPos::Center);
        area.draw_text(
            &panel.note,
            &label.pos(right),
            (sub(width - RIGHT_MARGIN), middle),
        )?;
    }

    let mut chart = ChartBuilder::on(area)
        .margin(sub(MARGIN))
        .margin_top(sub(MARGIN + TITLE_HEIGHT))
        .margin_right(sub(RIGHT_MARGIN))
        .x_label_area_size(sub(X_AXIS_HEIGHT))
        .y_label_area_size(sub(y_axis_width))
        .build_cartesian_2d(x, panel.y.clone())?;
    chart
        .configure_mesh()
        .x_desc("step")
        .label_style(label.clone())
        .axis_desc_style(label)
        .bold_line_style(line(GRID, 1.0))
        .axis_style(line(AXIS, 1.0))
        .set_all_tick_mark_size(sub(TICK_LENGTH))
        .draw()?;

    let colour = panel.colour;
    chart.draw_series(LineSeries::new(
        panel.raw.iter().copied(),
        line(faint(colour), RAW_WIDTH),
    ))?;
    chart.draw_series(LineSeries::new(
        panel.curve.iter().copied(),
        line(colour, MEAN_WIDTH),
    ))?;
    // Where the curve is now; all there is of a log of one line.
    let now = panel.curve.last().copied();
    let radius = (DOT_RADIUS * SUBPIXELS as f32) as i32;
    chart.draw_series(now.map(|point| Circle::new(point, radius, colour.filled())))?;
    Ok(())
}

/// The colour of values whose running mean is drawn in `colour`.
fn faint(colour: RGBColor) -> RGBColor {
    let mix = |channel: u8| (0.36 * f32::from(channel) + 0.64 * 255.0) as u8;
    RGBColor(mix(colour.0), mix(colour.1), mix(colour.2))
}

/// A line of `width` pixels.
fn line(colour: RGBColor, width: f32) -> ShapeStyle {
    Color::stroke_width(&colour, (width * SUBPIXELS as f32) as u32)
}

fn pixel(colour: RGBColor) -> Rgb<u8> {
    Rgb([colour.0, colour.1, colour.2])
}

/// plotters rounds coordinates to whole numbers, which makes stairs of a smooth curve. Ours are parts of a pixel.
const SUBPIXELS: i32 = 8;

/// Pixels in the coordinates of [`Canvas`].
fn sub(pixels: i32) -> i32 {
    pixels * SUBPIXELS
}

/// Where a coordinate of [`Canvas`] is, in pixels: one that is whole is the centre of a pixel.
fn centre((x, y): BackendCoord) -> (f32, f32) {
    let pixels = |coordinate: i32| coordinate as f32 / SUBPIXELS as f32 + 0.5;
    (pixels(x), pixels(y))
}

/// The two fonts.
#[derive(Clone, Copy)]
struct Font {
    weight: FontWeight,
    height: RasterHeight,
}

impl Font {
    const LABEL: Self = Self {
        weight: FontWeight::Regular,
        height: RasterHeight::Size16,
    };
    const TITLE: Self = Self {
        weight: FontWeight::Bold,
        height: RasterHeight::Size20,
    };

    /// The pixels of a character from left to right.
    fn width(self) -> usize {
        get_raster_width(self.weight, self.height)
    }

    fn style(self, colour: &RGBColor) -> TextStyle<'static> {
        // No `match`: what other crates enable of the font adds weights.
        let style = if self.weight == FontWeight::Bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let font = ("monospace", sub(self.height.val() as i32)).into_font();
        font.style(style).color(colour)
    }

    fn of(style: &impl BackendTextStyle) -> Self {
        match style.style() {
            FontStyle::Bold => Self::TITLE,
            _ => Self::LABEL,
        }
    }
}

/// What plotters draws on: smooth lines, dots and text in [`SUBPIXELS`]ths of a pixel.
struct Canvas<'a> {
    image: &'a mut RgbImage,
}

impl Canvas<'_> {
    /// Mixes `colour` into a pixel; what is off the picture is dropped.
    fn blend(&mut self, x: i32, y: i32, colour: BackendColor, coverage: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
            return;
        };
        if let Some(Rgb(channels)) = self.image.get_pixel_mut_checked(x, y) {
            let share = coverage * colour.alpha as f32;
            let (red, green, blue) = colour.rgb;
            for (channel, new) in channels.iter_mut().zip([red, green, blue]) {
                let mixed = f32::from(*channel) * (1.0 - share) + f32::from(new) * share;
                *channel = mixed.round() as u8;
            }
        }
    }

    /// A line with round ends through `points`, in pixels. It covers a pixel as far as it comes to its centre, and
    /// none twice.
    fn stroke(&mut self, points: &[(f32, f32)], width: f32, colour: BackendColor) {
        let reach = width / 2.0 + 0.5;
        let (columns, rows) = (self.image.width() as i32, self.image.height() as i32);
        let mut covered = BTreeMap::<(i32, i32), f32>::new();
        let lone = [points[0], points[0]];
        for ends in if points.len() == 1 {
            lone.windows(2)
        } else {
            points.windows(2)
        } {
            let ((x0, y0), (x1, y1)) = (ends[0], ends[1]);
            let (along_x, along_y) = (x1 - x0, y1 - y0);
            let length = along_x * along_x + along_y * along_y;
            for y in ((y0.min(y1) - reach) as i32).max(0)..=((y0.max(y1) + reach) as i32).min(rows - 1) {
                for x in ((x0.min(x1) - reach) as i32).max(0)..=((x0.max(x1) + reach) as i32).min(columns - 1)
                {
                    let (to_x, to_y) = (x as f32 + 0.5 - x0, y as f32 + 0.5 - y0);
                    let part = (to_x * along_x + to_y * along_y) / length.max(f32::MIN_POSITIVE);
                    let part = part.clamp(0.0, 1.0);
                    let distance = (to_x - part * along_x).hypot(to_y - part * along_y);
                    let coverage = (reach - distance).clamp(0.0, 1.0);
                    if coverage > 0.0 {
                        let most = covered.entry((x, y)).or_default();
                        *most = most.max(coverage);
                    }
                }
            }
        }
        for ((x, y), coverage) in covered {
            self.blend(x, y, colour, coverage);
        }
    }
}

/// Nothing fails in memory.
type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let (width, height) = self.image.dimensions();
        (width * SUBPIXELS as u32, height * SUBPIXELS as u32)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        self.blend(x.div_euclid(SUBPIXELS), y.div_euclid(SUBPIXELS), colour, 1.0);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let mut points: Vec<_> = path.into_iter().map(centre).collect();
        if let [from, to] = points.as_mut_slice() {
            // Lines of the grid are sharp: on the centres of pixels.
            if from.0 == to.0 {
                from.0 = (from.0 - 0.5).round() + 0.5;
                to.0 = from.0;
            } else if from.1 == to.1 {
                from.1 = (from.1 - 0.5).round() + 0.5;
                to.1 = from.1;
            }
        }
        if !points.is_empty() {
            self.stroke(
                &points,
                style.stroke_width() as f32 / SUBPIXELS as f32,
                style.color(),
            );
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        at: BackendCoord,
        radius: u32,
        style: &S,
        _fill: bool,
    ) -> Drawn {
        self.stroke(
            &[centre(at)],
            2.0 * radius as f32 / SUBPIXELS as f32,
            style.color(),
        );
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        let font = Font::of(style);
        let (width, height) = (text.chars().count() * font.width(), font.height.val());
        let (width, height) = (width as i32, height as i32);
        let left = x / SUBPIXELS
            - match style.anchor().h_pos {
                HPos::Left => 0,
                HPos::Center => width / 2,
                HPos::Right => width,
            };
        let top = y / SUBPIXELS
            - match style.anchor().v_pos {
                VPos::Top => 0,
                VPos::Center => height / 2,
                VPos::Bottom => height,
            };
        for (index, character) in text.chars().enumerate() {
            // The font has ASCII only.
            let raster = get_raster(character, font.weight, font.height)
                .or_else(|| get_raster('?', font.weight, font.height))
                .expect("the font has ASCII");
            for (row, coverages) in raster.rows().enumerate() {
                for (column, coverage) in coverages.iter().enumerate() {
                    let x = left + (index * font.width() + column) as i32;
                    let coverage = f32::from(*coverage) / 255.0;
                    self.blend(x, top + row as i32, style.color(), coverage);
                }
            }
        }
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let font = Font::of(style);
        let pixels = (text.chars().count() * font.width(), font.height.val());
        Ok((
            pixels.0 as u32 * SUBPIXELS as u32,
            pixels.1 as u32 * SUBPIXELS as u32,
        ))
    }
}

/// Writes the picture beside `path` and renames it.
fn write_png(picture: &RgbImage, path: &Path) -> Result<(), PlotError> {
    let mut bytes = Vec::new();
    picture
        .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
        .expect("a picture in memory that is not empty is a PNG in memory");
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = fs::write(&partial, bytes)
        .map_err(io("write", &partial))
        .and_then(|()| fs::rename(&partial, path).map_err(io("rename to", path)));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LINE: &str = concat!(
        r#"{"step":10,"epoch":0,"learning_rate":5e-05,"loss":13.25,"loss_ita":7.5,"loss_itm":0.75,"#,
        r#""loss_lm":5,"grad_norm":25.8,"seconds":16.1}"#,
    );

    /// A folder with a log of these bytes.
    fn folder(log: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (log_path, png) = (folder.path().join("log.jsonl"), folder.path().join("log.png"));
        fs::write(&log_path, log).unwrap();
        (folder, log_path, png)
    }

    fn read(log: impl AsRef<[u8]>) -> Result<Records, PlotError> {
        let (_folder, path, _) = folder(log);
        read_log(&path)
    }

    /// What `log` is drawn as, read back from the file.
    fn picture(log: impl AsRef<[u8]>) -> RgbImage {
        let (_folder, log, png) = folder(log);
        plot_log(&log, &png).unwrap();
        image::open(&png).unwrap().into_rgb8()
    }

    /// A run whose losses fall and are not smooth.
    fn run(steps: usize, parts: usize) -> String {
        let mut log = String::new();
        for step in 0..steps {
            let loss = 10.0 - 8.0 * step as f64 / steps as f64 + 0.7 * (step as f64 * 2.1).sin();
            log += &format!(
                r#"{{"step":{},"learning_rate":{},"loss":{loss}"#,
                step * 10,
                1e-4 * loss
            );
            for part in 0..parts {
                log += &format!(r#","part_{part}":{}"#, loss / (part + 2) as f64);
            }
            log += "}\n";
        }
        log
    }

    fn places(image: &RgbImage, colour: RGBColor) -> Vec<(u32, u32)> {
        let found = image
            .enumerate_pixels()
            .filter(|(.., found)| **found == pixel(colour));
        found.map(|(x, y, _)| (x, y)).collect()
    }

    fn middle(places: &[(u32, u32)]) -> (f64, f64) {
        let count = places.len() as f64;
        let sum = places
            .iter()
            .fold((0, 0), |sum, place| (sum.0 + place.0, sum.1 + place.1));
        (f64::from(sum.0) / count, f64::from(sum.1) / count)
    }

    #[test]
    fn a_line_is_read_into_the_loss_its_parts_and_the_learning_rate() {
        let records = read(format!("{LINE}\n\n")).unwrap();
        assert_eq!(records.loss, [(10.0, 13.25)]);
        assert_eq!(records.learning_rate, [(10.0, 5e-5)]);
        let parts: Vec<_> = records.parts.into_iter().collect();
        let part = |name: &str, value| (name.to_owned(), vec![(10.0, value)]);
        assert_eq!(
            parts,
            [
                part("loss_ita", 7.5),
                part("loss_itm", 0.75),
                part("loss_lm", 5.0)
            ]
        );
    }

    #[test]
    fn what_is_no_finite_number_is_skipped() {
        let log = r#"
            {"step": 1, "loss": null, "a": 1}
            {"step": 2, "loss": NaN, "a": 2, "NaN \" Infinity": 5}
            {"step": 3, "loss": -Infinity, "a": Infinity}
            {"step": 4, "loss": 1e39, "a": -1e39}
            {"step": 5, "loss": 7}"#;
        let records = read(log).unwrap();
        assert_eq!(records.loss, [(5.0, 7.0)]);
        assert_eq!(records.parts["a"], [(1.0, 1.0), (2.0, 2.0)]);
        assert_eq!(records.parts["NaN \" Infinity"], [(2.0, 5.0)]);
    }

    #[test]
    fn a_last_line_is_ignored_wherever_it_is_cut_off() {
        let last = r#"{"step":20,"loss":NaN,"a\u00e9é":-Infinity,"loss_lm":-1.5e-3,"b":null}"#;
        let whole = read(format!("{LINE}\n")).unwrap();
        for cut in 0..last.len() {
            let log = [LINE.as_bytes(), b"\n", &last.as_bytes()[..cut]].concat();
            let read = read(log).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            assert_eq!(read, whole, "cut at {cut}");
        }
        // All of it is there, only the line break is missing.
        let read = read(format!("{LINE}\n{last}")).unwrap();
        assert_eq!(read.parts["loss_lm"], [(10.0, 5.0), (20.0, -1.5e-3)]);
    }

    #[test]
    fn other_broken_lines_are_errors() {
        let object = "expected a JSON object, got";
        for (broken, expected) in [
            (r#"{"step":20,"loss":1"#, format!("{object} no JSON (")),
            ("nonsense", format!("{object} no JSON (")),
            (r#"{"step":20} {"step":30}"#, format!("{object} no JSON (")),
            ("[1, 2]", format!("{object} a list")),
            ("7", format!("{object} 7")),
            ("{}", "step: expected a whole number, got nothing".to_owned()),
            (
                r#"{"step":1.5}"#,
                "step: expected a whole number, got 1.5".to_owned(),
            ),
            (
                r#"{"step":-1}"#,
                "step: expected a whole number, got -1".to_owned(),
            ),
            (
                r#"{"step":1,"loss":"7"}"#,
                r#"loss: expected a number or null, got "7""#.to_owned(),
            ),
            (
                r#"{"step":1,"a":{}}"#,
                "a: expected a number or null, got an object".to_owned(),
            ),
        ] {
            for log in [
                format!("{LINE}\n{broken}\n{LINE}\n"),
                format!("{LINE}\n{broken}\n"),
            ] {
                match read(&log) {
                    Err(PlotError::Line { line: 2, what, .. }) => {
                        assert!(what.starts_with(&expected), "{broken}: {what}");
                    }
                    other => panic!("{broken}: {other:?}"),
                }
            }
        }
        // Its end is there, so it was not cut off.
        let error = read(format!("{LINE}\nnonsense")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("log.jsonl, line 2: expected a JSON object, got no JSON"),
            "{error}"
        );
    }

    #[test]
    fn a_log_without_values_is_empty() {
        for log in [
            "",
            "\n",
            r#"{"step":1,"lo"#,
            "{\"step\":1,\"loss\":null,\"seconds\":2.5}\n",
        ] {
            let (_folder, log, png) = folder(log);
            let error = plot_log(&log, &png).unwrap_err();
            assert!(
                matches!(&error, PlotError::Empty { path } if *path == log),
                "{error:?}"
            );
            assert!(!png.exists());
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let (folder, log, png) = folder(LINE);
        let missing = folder.path().join("missing");
        match plot_log(&missing, &png) {
            Err(PlotError::Io { action, path, source }) => {
                assert_eq!((action, path), ("read", missing.clone()));
                assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
            }
            other => panic!("{other:?}"),
        }
        let error = plot_log(&log, &missing.join("log.png")).unwrap_err();
        assert!(
            matches!(error, PlotError::Io { action: "write", .. }),
            "{error:?}"
        );
        // A folder is in the place of the picture; nothing is left beside it.
        fs::create_dir_all(png.join("taken")).unwrap();
        let error = plot_log(&log, &png).unwrap_err();
        assert!(
            matches!(&error, PlotError::Io { action: "rename to", path, .. } if *path == png),
            "{error:?}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_picture_takes_the_place_of_an_older_one() {
        let (folder, log, png) = folder(run(30, 1));
        fs::write(&png, "older").unwrap();
        plot_log(&log, &png).unwrap();
        assert_eq!(image::open(&png).unwrap().into_rgb8().dimensions(), (1200, 800));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn each_curve_has_its_colour_and_its_panel() {
        let image = picture(run(200, 3));
        assert_eq!(image.dimensions(), (1200, 800));
        for (colour, left, top, width) in [
            (LOSS, 0, 0, 600),
            (PARTS[0], 0, 400, 400),
            (PARTS[1], 400, 400, 400),
            (PARTS[2], 800, 400, 400),
        ] {
            for (colour, least) in [(colour, 300), (faint(colour), 100)] {
                let places = places(&image, colour);
                assert!(places.len() > least, "{colour:?}: {}", places.len());
                let inside =
                    |&(x, y): &(u32, u32)| (left..left + width).contains(&x) && (top..top + 400).contains(&y);
                assert!(places.iter().all(inside), "{colour:?} is in another panel");
            }
        }
        let rates = places(&image, LEARNING_RATE);
        assert!(rates.len() > 300 && rates.iter().all(|&(x, y)| x >= 600 && y < 400));
        assert!(places(&image, PARTS[3]).is_empty(), "there is no fourth part");
        // Titles, labels and grids.
        assert!(places(&image, INK).len() > 200);
        assert!(places(&image, PALE_INK).len() > 100);
        assert!(places(&image, GRID).len() > 10_000);
    }

    #[test]
    fn a_loss_that_falls_goes_down_from_left_to_right() {
        let places = places(&picture(run(200, 0)), LOSS);
        let (from, to) = bounds(places.iter().map(|place| f64::from(place.0))).unwrap();
        let part = |low: f64, high: f64| {
            let inside = |place: &&(u32, u32)| (low..=high).contains(&f64::from(place.0));
            middle(&places.iter().filter(inside).copied().collect::<Vec<_>>()).1
        };
        let (left, centre, right) = (
            part(from, from + 50.0),
            part(from + 200.0, to - 200.0),
            part(to - 50.0, to),
        );
        assert!(
            left + 50.0 < centre && centre + 50.0 < right,
            "{left} {centre} {right}"
        );
    }

    #[test]
    fn a_log_of_one_line_is_a_dot_in_the_middle_of_each_panel() {
        let image = picture(LINE);
        for (colour, left, top, width) in [
            (LOSS, 0, 0, 600),
            (PARTS[0], 0, 400, 400),
            (PARTS[1], 400, 400, 400),
            (PARTS[2], 800, 400, 400),
        ] {
            let places = places(&image, colour);
            assert!((20..80).contains(&places.len()), "{colour:?}: {}", places.len());
            let (x, y) = middle(&places);
            // The axes are on the left and below, the title above.
            assert!((x - f64::from(left + width / 2)).abs() < 40.0, "{colour:?}: {x}");
            assert!((y - f64::from(top + 193)).abs() < 5.0, "{colour:?}: {y}");
        }
        assert!(!places(&image, LEARNING_RATE).is_empty());
    }

    #[test]
    fn curves_are_smooth_to_a_part_of_a_pixel() {
        let mut image = RgbImage::from_pixel(20, 20, pixel(PAPER));
        let mut canvas = Canvas { image: &mut image };
        let middle = sub(10) - SUBPIXELS / 2;
        let curve = [(sub(4), middle), (sub(10), middle), (sub(16), middle)];
        canvas.draw_path(curve, &line(INK, 1.0)).unwrap();
        let grid = [(sub(4), sub(2) + 3), (sub(16), sub(2) + 3)];
        canvas.draw_path(grid, &line(GRID, 1.0)).unwrap();
        // A pixel between two rows is half in each, and where two segments meet it is covered once.
        let half = RGBColor(147, 150, 155);
        let rows = (4..17).flat_map(|x| [(x, 9), (x, 10)]).collect::<BTreeSet<_>>();
        assert_eq!(places(&image, half).into_iter().collect::<BTreeSet<_>>(), rows);
        // A line of the grid is one row, wherever it is.
        assert_eq!(places(&image, GRID), (4..17).map(|x| (x, 2)).collect::<Vec<_>>());
        // Off the picture is no panic.
        let mut canvas = Canvas { image: &mut image };
        canvas
            .draw_path(
                [(-sub(50), -sub(9)), (sub(90), sub(3)), (sub(5), sub(99))],
                &line(INK, 3.0),
            )
            .unwrap();
    }

    #[test]
    fn a_running_mean_is_of_the_last_values() {
        let points = |values: [f64; 5]| {
            values
                .iter()
                .enumerate()
                .map(|(x, y)| (x as f64, *y))
                .collect::<Vec<_>>()
        };
        let log = points([1.0, 3.0, 1e30, 5.0, 7.0]);
        assert_eq!(running_mean(&log, 1), log);
        assert_eq!(running_mean(&log, 2), points([1.0, 2.0, 5e29, 5e29, 6.0]));
    }

    #[test]
    fn ticks_are_multiples_of_1_2_or_5() {
        let labels = |low: f64, high: f64, count| {
            let ticks = ticks(&(low..high), count, f64::MIN_POSITIVE);
            assert!(
                ticks.iter().all(|tick| (low..=high).contains(&tick.0)),
                "{ticks:?}"
            );
            ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>()
        };
        assert_eq!(labels(0.0, 13.9, 5), ["0", "5", "10"]);
        assert_eq!(
            labels(0.0, 1.0, 5),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"].map(|x| x.replace("0.0", "0"))
        );
        assert_eq!(labels(-1.0, 1.0, 4), ["-1.0", "-0.5", "0", "0.5", "1.0"]);
        assert_eq!(labels(0.6505, 0.6531, 3), ["0.651", "0.652", "0.653"]);
        assert_eq!(labels(0.0, 1.6e-4, 4), ["0", "5e-5", "1e-4", "1.5e-4"]);
        assert_eq!(labels(0.0, 3e38, 3), ["0", "1e38", "2e38", "3e38"]);
        assert_eq!(labels(0.3, 0.9, 1), [""; 0]);
    }

    #[test]
    fn steps_have_whole_ticks() {
        let labels = |axis: Axis| axis.ticks.into_iter().map(|tick| tick.1).collect::<Vec<_>>();
        assert_eq!(
            labels(Axis::steps(10.0, 2020.0, 520)),
            ["0", "500", "1000", "1500", "2000"]
        );
        assert_eq!(labels(Axis::steps(1.0, 3.0, 520)), ["1", "2", "3"]);
        assert_eq!(labels(Axis::steps(7.0, 7.0, 520)), ["6", "7", "8"]);
        assert_eq!(
            labels(Axis::steps(0.0, 4e6, 280)),
            ["0", "1000000", "2000000", "3000000", "4000000"]
        );
    }

    #[test]
    fn an_axis_goes_from_its_start_to_its_end() {
        let axis = Axis::steps(0.0, 200.0, 520);
        let at = |limits| [0.0, 50.0, 200.0].map(|step| axis.map(&step, limits));
        assert_eq!(at((80, 480)), [80, 180, 480]);
        // Rows of pixels are counted from the top.
        assert_eq!(at((400, 0)), [400, 300, 0]);
    }

    #[test]
    fn an_axis_holds_its_values() {
        for (low, high) in [
            (3.5, 13.5),
            (0.28, 0.66),
            (5.0, 5.0),
            (0.0, 0.0),
            (-2.0, -2.0),
            (1.0, 1.000_000_1),
            (-3e38, 3e38),
            (1e-45, 1e-45),
            (-7.0, -1.0),
        ] {
            let Axis { range, ticks } = Axis::values(low, high);
            assert!(range.start <= low && high < range.end, "{low}..{high}: {range:?}");
            assert!((3..=12).contains(&ticks.len()), "{low}..{high}: {ticks:?}");
            let mut labels: Vec<_> = ticks.iter().map(|tick| &tick.1).collect();
            labels.dedup();
            assert_eq!(labels.len(), ticks.len(), "{low}..{high}: {ticks:?}");
        }
        assert_eq!(Axis::values(2.0, 10.0).range.start, 0.0);
        assert!(Axis::values(6.0, 10.0).range.start > 5.0);
    }

    #[test]
    fn rows_are_filled_evenly() {
        let rows = |parts| {
            let rows = panels(read(run(3, parts)).unwrap());
            rows.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(rows(0), [2]);
        assert_eq!(rows(3), [2, 3]);
        assert_eq!(rows(4), [2, 2, 2]);
        assert_eq!(rows(5), [2, 3, 2]);
        assert_eq!(rows(7), [2, 3, 2, 2]);
        assert!(panels(Records::default()).is_empty());
    }

    #[test]
    fn thirty_parts_are_drawn_and_no_more() {
        assert_eq!(picture(run(2, 30)).dimensions(), (1200, 4400));
        let (_folder, log, png) = folder(run(2, 31));
        match plot_log(&log, &png) {
            Err(PlotError::Draw { what, .. }) => assert_eq!(what, "expected at most 30 loss parts, got 31"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_long_name_stays_in_its_panel() {
        let name = "é".repeat(200);
        let image = picture(format!(r#"{{"step":1,"{name}":1,"a":1,"b":2}}"#));
        // One row of three panels, `é` in the last of them.
        assert_eq!(image.dimensions(), (1200, 400));
        let (left, right) = bounds(places(&image, INK).iter().map(|place| f64::from(place.0))).unwrap();
        assert!(
            left < 40.0 && (1100.0..1200.0 - f64::from(RIGHT_MARGIN)).contains(&right),
            "{left} {right}"
        );
    }
}
