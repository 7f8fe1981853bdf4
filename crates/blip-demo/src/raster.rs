//! A scene as a picture.
//!
//! ```text
//! background, shaded ─ each object over it by how much of a pixel it covers ─ noise ─▶ [side, side, 3] u8
//! ```
//!
//! A pixel's cover is read off the signed distance of its middle to the outline, so edges are smooth at every size.
//! Only operations that IEEE 754 defines to the last bit are used: every machine draws the same bytes.

use blip_processor::RgbImage;

use crate::draw::mix;
use crate::scene::Noise;
use crate::{DemoError, Object, Scene, Shape};

/// The smallest side of a picture, in pixels.
pub const MIN_SIDE: usize = 16;

/// The largest side of a picture, in pixels.
pub const MAX_SIDE: usize = 4096;

/// A disc of the full radius would look larger than the other shapes.
const CIRCLE_RADIUS: f32 = 0.88;

/// Half the side of the square whose corners are on the circle of radius 1.
const HALF_SIDE: f32 = std::f32::consts::FRAC_1_SQRT_2;

const SQUARE: [[f32; 2]; 4] = [
    [-HALF_SIDE, -HALF_SIDE],
    [HALF_SIDE, -HALF_SIDE],
    [HALF_SIDE, HALF_SIDE],
    [-HALF_SIDE, HALF_SIDE],
];

const TRIANGLE: [[f32; 2]; 3] = [[0.0, -1.0], [0.8660, 0.5], [-0.8660, 0.5]];

/// The inner corners are at 0.45 of the radius: thinner points would vanish at 80 pixels.
const STAR: [[f32; 2]; 10] = [
    [0.0, -1.0],
    [0.2645, -0.3641],
    [0.9511, -0.3090],
    [0.4280, 0.1391],
    [0.5878, 0.8090],
    [0.0, 0.45],
    [-0.5878, 0.8090],
    [-0.4280, 0.1391],
    [-0.9511, -0.3090],
    [-0.2645, -0.3641],
];

const CROSS: [[f32; 2]; 12] = [
    [-0.3, -0.95],
    [0.3, -0.95],
    [0.3, -0.3],
    [0.95, -0.3],
    [0.95, 0.3],
    [0.3, 0.3],
    [0.3, 0.95],
    [-0.3, 0.95],
    [-0.3, 0.3],
    [-0.95, 0.3],
    [-0.95, -0.3],
    [-0.3, -0.3],
];

impl Scene {
    /// The picture of the scene.
    ///
    /// # Shapes
    ///
    /// - output: `[side, side, 3]`, u8
    ///
    /// # Errors
    ///
    /// [`DemoError::Side`] below [`MIN_SIDE`] or above [`MAX_SIDE`] pixels.
    pub fn render(&self, side: usize) -> Result<RgbImage, DemoError> {
        if !(MIN_SIDE..=MAX_SIDE).contains(&side) {
            return Err(DemoError::Side {
                side,
                minimum: MIN_SIDE,
                maximum: MAX_SIDE,
            });
        }
        let mut canvas = self.shaded_background(side);
        for object in &self.objects {
            paint(&mut canvas, side, object);
        }
        let bytes = to_bytes(&canvas, self.noise);
        Ok(RgbImage::new(side, side, bytes).expect("the canvas has side * side pixels"))
    }

    /// `[side * side]` pixels of levels 0..=255.
    fn shaded_background(&self, side: usize) -> Vec<[f32; 3]> {
        let [right, down] = self.shading.slope;
        let base = self.background.rgb();
        let mut canvas = Vec::with_capacity(side * side);
        for row in 0..side {
            let y = (row as f32 + 0.5) / side as f32 - 0.5;
            for column in 0..side {
                let x = (column as f32 + 0.5) / side as f32 - 0.5;
                let shade = self.shading.level + right * x + down * y;
                canvas.push(base.map(|level| level + shade));
            }
        }
        canvas
    }
}

/// Puts an object over the canvas.
fn paint(canvas: &mut [[f32; 3]], side: usize, object: &Object) {
    let scale = side as f32;
    let [center_x, center_y] = object.center.map(|place| place * scale);
    let radius = object.radius * scale;
    let outline = Outline::new(object, radius);
    let color = object.kind.color.rgb(object.hue_shift, object.brightness);
    // Pixels within the circle, and one more for the smooth edge.
    let range = |center: f32| {
        let first = (center - radius - 1.0).max(0.0) as usize;
        let last = ((center + radius + 1.0) as usize).min(side - 1);
        first..=last
    };
    for row in range(center_y) {
        for column in range(center_x) {
            let point = [column as f32 + 0.5 - center_x, row as f32 + 0.5 - center_y];
            let cover = (0.5 - outline.distance(point)).clamp(0.0, 1.0);
            if cover > 0.0 {
                let pixel = &mut canvas[row * side + column];
                for (level, own) in pixel.iter_mut().zip(color) {
                    *level += cover * (own - *level);
                }
            }
        }
    }
}

/// The edge of an object around its center, in pixels.
enum Outline {
    Circle(f32),
    Polygon(Vec<[f32; 2]>),
}

impl Outline {
    /// An object's edge.
    fn new(object: &Object, radius: f32) -> Self {
        let corners: &[[f32; 2]] = match object.kind.shape {
            Shape::Circle => return Self::Circle(CIRCLE_RADIUS * radius),
            Shape::Square => &SQUARE,
            Shape::Triangle => &TRIANGLE,
            Shape::Star => &STAR,
            Shape::Cross => &CROSS,
        };
        let [sine, cosine] = sine_cosine(object.angle);
        let turned = corners
            .iter()
            .map(|[x, y]| [radius * (cosine * x - sine * y), radius * (sine * x + cosine * y)])
            .collect();
        Self::Polygon(turned)
    }

    /// The distance of a point to the edge, below 0 within it.
    fn distance(&self, point: [f32; 2]) -> f32 {
        match self {
            Self::Circle(radius) => (point[0] * point[0] + point[1] * point[1]).sqrt() - radius,
            Self::Polygon(corners) => polygon_distance(corners, point),
        }
    }
}

/// The distance of a point to a polygon's edge, below 0 within it.
///
/// The nearest of all edges gives the distance; a ray to the side that crosses the edges an odd number of times comes
/// from within.
fn polygon_distance(corners: &[[f32; 2]], [x, y]: [f32; 2]) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut within = false;
    for (index, [from_x, from_y]) in corners.iter().enumerate() {
        let [to_x, to_y] = corners[(index + 1) % corners.len()];
        let [edge_x, edge_y] = [to_x - from_x, to_y - from_y];
        let [point_x, point_y] = [x - from_x, y - from_y];
        let along = (point_x * edge_x + point_y * edge_y) / (edge_x * edge_x + edge_y * edge_y);
        let along = along.clamp(0.0, 1.0);
        let [off_x, off_y] = [point_x - along * edge_x, point_y - along * edge_y];
        nearest = nearest.min(off_x * off_x + off_y * off_y);
        if (*from_y > y) != (to_y > y) && point_x < edge_x * point_y / edge_y {
            within = !within;
        }
    }
    if within { -nearest.sqrt() } else { nearest.sqrt() }
}

/// The first terms of both series: right to 1e-6 up to 0.3 radians, and the same on every machine, as the standard
/// library's are not.
fn sine_cosine(angle: f32) -> [f32; 2] {
    let square = angle * angle;
    [
        angle * (1.0 - square / 6.0 * (1.0 - square / 20.0)),
        1.0 - square / 2.0 * (1.0 - square / 12.0 * (1.0 - square / 30.0)),
    ]
}

/// Levels with noise, rounded.
fn to_bytes(canvas: &[[f32; 3]], noise: Noise) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(canvas.len() * 3);
    for (index, pixel) in canvas.iter().enumerate() {
        let mut bits = mix(noise.seed.wrapping_add(index as u64));
        for level in pixel {
            // The sum of two uniform numbers of ten bits, in -1..=1.
            let sum = (bits & 1023) + ((bits >> 10) & 1023);
            bits >>= 20;
            let grain = noise.amplitude * (sum as f32 / 1023.0 - 1.0);
            // `as` takes what is out of range to the nearer end.
            bytes.push((level + grain + 0.5) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Background, Color, Kind, Size};

    fn only(shape: Shape, side: usize) -> RgbImage {
        let object = Object::new(Kind::new(Color::Red, shape), Size::Large, [0.5, 0.5]);
        Scene::new(Background::White, vec![object])
            .and_then(|scene| scene.render(side))
            .unwrap()
    }

    #[test]
    fn the_series_are_near_sine_and_cosine() {
        for step in -30..=30 {
            let angle = step as f32 / 100.0;
            let [sine, cosine] = sine_cosine(angle);
            assert!((sine - angle.sin()).abs() < 1e-6 && (cosine - angle.cos()).abs() < 1e-6);
        }
    }

    /// The cover of all pixels adds up to the area that geometry gives.
    #[test]
    fn every_shape_covers_its_area() {
        let [least, most] = Size::Large.radii();
        let radius = (least + most) / 2.0 * 160.0;
        for (shape, area) in [
            (Shape::Circle, std::f32::consts::PI * 0.88 * 0.88),
            (Shape::Square, 2.0),
            (Shape::Triangle, 1.299),
            (Shape::Star, 10.0 * 0.5 * 0.45 * 0.5878),
            (Shape::Cross, 2.0 * 0.6 * 1.9 - 0.36),
        ] {
            let picture = only(shape, 160);
            // White's green level is 238 and this red's is 34.68.
            let covered: f32 = picture
                .as_bytes()
                .chunks_exact(3)
                .map(|pixel| (238.0 - f32::from(pixel[1])) / (238.0 - 34.68))
                .sum();
            let expected = area * radius * radius;
            assert!(
                (covered / expected - 1.0).abs() < 0.02,
                "{shape:?}: {covered} {expected}"
            );
        }
    }

    #[test]
    fn a_point_is_within_or_without() {
        assert!(polygon_distance(&STAR, [0.0, 0.0]) < -0.3);
        assert!(polygon_distance(&STAR, [0.0, 0.8]) > 0.2);
        assert!((polygon_distance(&SQUARE, [1.0 + HALF_SIDE, 0.0]) - 1.0).abs() < 1e-6);
        assert!((polygon_distance(&SQUARE, [0.0, 0.0]) + HALF_SIDE).abs() < 1e-6);
        assert!(polygon_distance(&CROSS, [0.6, 0.6]) > 0.2);
    }

    #[test]
    fn a_side_has_its_limits() {
        let scene = Scene::sample(0, crate::Split::Train);
        for side in [0, 15, 4097, usize::MAX] {
            let error = scene.render(side).unwrap_err();
            assert!(matches!(error, DemoError::Side { side: got, .. } if got == side));
        }
        for side in [16, 17, 80, 384] {
            assert_eq!(scene.render(side).unwrap().height(), side);
        }
    }
}
