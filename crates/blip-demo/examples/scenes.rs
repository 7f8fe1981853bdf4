//! Writes pictures of scenes with their texts, to look at: `cargo run --release -p blip-demo --example scenes -- DIR`.
//!
//! DIR gets `train.png`, `held_out.png` and `new_kind.png`, each a sheet of scenes, a text file next to each, and the first
//! held-out scenes as pictures of their own in `held_out`.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use blip_demo::{Scene, Split, pair_statement, sample_pair, seeded};

/// Scenes of a sheet, in columns and rows.
const COLUMNS: usize = 8;
const ROWS: usize = 6;

/// Pixels of a scene's side, as the demonstration model sees it.
const SIDE: usize = 96;

/// Scenes that get a picture of their own, and its side: three of the model's pixels to each of its own.
const PICTURES: u64 = 8;
const PICTURE_SIDE: usize = 288;

/// White pixels between scenes.
const GAP: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: scenes DIR")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    for (split, name) in [
        (Split::Train, "train"),
        (Split::HeldOut, "held_out"),
        (Split::NewKind, "new_kind"),
    ] {
        sheet(split)?.save(folder.join(name).with_extension("png"))?;
        std::fs::write(folder.join(name).with_extension("txt"), texts(split)?)?;
    }
    let pictures = folder.join("held_out");
    std::fs::create_dir_all(&pictures)?;
    for seed in 0..PICTURES {
        let picture = Scene::sample(seed, Split::HeldOut).render(PICTURE_SIDE)?;
        picture_of(picture, PICTURE_SIDE)?.save(pictures.join(format!("{seed}.png")))?;
    }
    Ok(())
}

/// A rendered scene as what `image` saves.
fn picture_of(picture: blip_processor::RgbImage, side: usize) -> Result<image::RgbImage, Box<dyn Error>> {
    let picture = image::RgbImage::from_raw(side as u32, side as u32, picture.into_bytes());
    Ok(picture.ok_or("a picture has three bytes a pixel")?)
}

/// Scenes 0, 1, 2, ... of a split, row by row.
fn sheet(split: Split) -> Result<image::RgbImage, Box<dyn Error>> {
    let step = SIDE + GAP;
    let [width, height] = [COLUMNS * step + GAP, ROWS * step + GAP].map(|side| side as u32);
    let mut sheet = image::RgbImage::from_pixel(width, height, image::Rgb([255; 3]));
    for place in 0..COLUMNS * ROWS {
        let tile = picture_of(Scene::sample(place as u64, split).render(SIDE)?, SIDE)?;
        let [x, y] = [place % COLUMNS, place / COLUMNS].map(|cell| (GAP + cell * step) as i64);
        image::imageops::replace(&mut sheet, &tile, x, y);
    }
    Ok(sheet)
}

/// The texts of the scenes of a sheet.
fn texts(split: Split) -> Result<String, std::fmt::Error> {
    let mut texts = String::new();
    for seed in 0..(COLUMNS * ROWS) as u64 {
        let scene = Scene::sample(seed, split);
        let mut rng = seeded(seed);
        writeln!(texts, "{seed}: {}", scene.full_caption())?;
        writeln!(texts, "   varied: {}", scene.caption(&mut rng))?;
        for truth in [true, false] {
            writeln!(texts, "   {truth}: {}", scene.statement(&mut rng, truth).text)?;
        }
        for question in scene.questions(&mut rng) {
            writeln!(texts, "   {} {}", question.text, question.answer)?;
        }
        let [first, second] = sample_pair(seed, split);
        writeln!(texts, "   left: {}", first.full_caption())?;
        writeln!(texts, "   right: {}", second.full_caption())?;
        for truth in [true, false] {
            let statement = pair_statement(&first, &second, &mut rng, truth);
            writeln!(texts, "   {truth}: {}", statement.text)?;
        }
    }
    Ok(texts)
}
