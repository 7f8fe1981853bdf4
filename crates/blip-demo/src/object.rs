//! One thing in a scene.

use crate::{Kind, Size};

/// A shape with its place and looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Colour and shape.
    pub kind: Kind,
    /// Small or large, as texts call it.
    pub size: Size,
    /// x to the right and y down, in sides of the picture: `[0, 0]` is the upper left corner.
    pub center: [f32; 2],
    /// Of the circle that the object stays in, in sides of the picture.
    pub radius: f32,
    /// Radians, clockwise; at most [`Object::MAX_ANGLE`] either way.
    pub angle: f32,
    /// Degrees by which the colour's hue is turned.
    pub hue_shift: f32,
    /// What the colour's value is multiplied by.
    pub brightness: f32,
}

impl Object {
    /// The largest angle that leaves a square a square and a star upright.
    pub const MAX_ANGLE: f32 = 0.2;

    /// The least gap between the circles of two objects, in sides of the picture.
    pub const GAP: f32 = 0.015;

    /// The least gap between an object's circle and the picture's edge, in sides of the picture.
    pub const MARGIN: f32 = 0.008;

    /// An upright object of plain colour, of the middle radius of its size.
    pub fn new(kind: Kind, size: Size, center: [f32; 2]) -> Self {
        let [least, most] = size.radii();
        Self {
            kind,
            size,
            center,
            radius: (least + most) / 2.0,
            angle: 0.0,
            hue_shift: 0.0,
            brightness: 1.0,
        }
    }

    /// Whether the whole object is in the picture.
    pub(crate) fn is_inside(&self) -> bool {
        let [x, y] = self.center;
        self.radius > 0.0
            && self.angle.is_finite()
            && self.hue_shift.is_finite()
            && self.brightness.is_finite()
            && [x, y, 1.0 - x, 1.0 - y].iter().all(|room| *room >= self.radius)
    }

    /// The free distance between the circles of two objects, in sides of the picture; below 0 where they overlap.
    pub(crate) fn gap(&self, other: &Self) -> f32 {
        let [x, y] = [self.center[0] - other.center[0], self.center[1] - other.center[1]];
        (x * x + y * y).sqrt() - self.radius - other.radius
    }
}
