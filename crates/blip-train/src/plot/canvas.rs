//! What plotters draws on.

use std::collections::BTreeMap;
use std::convert::Infallible;

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{FontStyle, IntoFont, RGBColor, TextStyle};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

/// plotters rounds coordinates to whole numbers, which makes stairs of a smooth curve. Ours are parts of a pixel.
pub(super) const SUBPIXELS: i32 = 8;

/// Pixels in the coordinates of [`Canvas`].
pub(super) fn sub(pixels: i32) -> i32 {
    pixels * SUBPIXELS
}

/// Where a coordinate of [`Canvas`] is, in pixels: one that is whole is the centre of a pixel.
pub(super) fn centre((x, y): BackendCoord) -> (f32, f32) {
    let pixels = |coordinate: i32| coordinate as f32 / SUBPIXELS as f32 + 0.5;
    (pixels(x), pixels(y))
}

/// The two fonts.
#[derive(Clone, Copy)]
pub(super) struct Font {
    pub(super) weight: FontWeight,
    pub(super) height: RasterHeight,
}

impl Font {
    pub(super) const LABEL: Self = Self {
        weight: FontWeight::Regular,
        height: RasterHeight::Size16,
    };
    pub(super) const TITLE: Self = Self {
        weight: FontWeight::Bold,
        height: RasterHeight::Size20,
    };

    /// The pixels of a character from left to right.
    pub(super) fn width(self) -> usize {
        get_raster_width(self.weight, self.height)
    }

    pub(super) fn style(self, colour: &RGBColor) -> TextStyle<'static> {
        // No `match`: what other crates enable of the font adds weights.
        let style = if self.weight == FontWeight::Bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let font = ("monospace", sub(self.height.val() as i32)).into_font();
        font.style(style).color(colour)
    }

    pub(super) fn of(style: &impl BackendTextStyle) -> Self {
        match style.style() {
            FontStyle::Bold => Self::TITLE,
            _ => Self::LABEL,
        }
    }
}

/// What plotters draws on: smooth lines, dots and text in [`SUBPIXELS`]ths of a pixel.
pub(super) struct Canvas<'a> {
    pub(super) image: &'a mut RgbImage,
}

impl Canvas<'_> {
    /// Mixes `colour` into a pixel; what is off the picture is dropped.
    pub(super) fn blend(&mut self, x: i32, y: i32, colour: BackendColor, coverage: f32) {
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
    pub(super) fn stroke(&mut self, points: &[(f32, f32)], width: f32, colour: BackendColor) {
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
pub(super) type Drawn = Result<(), DrawingErrorKind<Infallible>>;

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
