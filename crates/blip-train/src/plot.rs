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

mod canvas;
mod draw;
mod log;
mod panel;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{ImageFormat, RgbImage};
use plotters::style::RGBColor;

use draw::draw;
use log::read_log;
use panel::panels;

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

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PlotError {
    let path = path.to_owned();
    move |source| PlotError::Io { action, path, source }
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
