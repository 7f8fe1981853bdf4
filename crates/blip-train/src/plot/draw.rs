//! From panels to a picture.

use std::convert::Infallible;

use image::{Rgb, RgbImage};
use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::canvas::{Canvas, Font, SUBPIXELS, sub};
use super::panel::{Axis, Panel, bounds};
use super::*;

pub(super) fn draw(rows: &[Vec<Panel>]) -> Result<RgbImage, DrawingAreaErrorKind<Infallible>> {
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

pub(super) fn draw_panel(
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
pub(super) fn faint(colour: RGBColor) -> RGBColor {
    let mix = |channel: u8| (0.36 * f32::from(channel) + 0.64 * 255.0) as u8;
    RGBColor(mix(colour.0), mix(colour.1), mix(colour.2))
}

/// A line of `width` pixels.
pub(super) fn line(colour: RGBColor, width: f32) -> ShapeStyle {
    Color::stroke_width(&colour, (width * SUBPIXELS as f32) as u32)
}

pub(super) fn pixel(colour: RGBColor) -> Rgb<u8> {
    Rgb([colour.0, colour.1, colour.2])
}
