//! Pictures, files and archives that tests make on the fly.

use std::io::Cursor;
use std::path::Path;

use blip_data::{DataError, Position};

/// A PNG file of 3 x 2 pixels, all of one red.
pub(crate) fn png(red: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_pixel(3, 2, image::Rgb([red, 0, 0]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// Writes a file below a folder, with the folders on the way.
pub(crate) fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A tar archive of members.
pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *data).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Where a member's header is found by its name.
pub(crate) fn header_of(archive: &[u8], name: &str) -> usize {
    (0..archive.len())
        .step_by(512)
        .find(|start| archive[*start..].starts_with(name.as_bytes()))
        .unwrap()
}

/// The last part of a complaint's file and the position in it.
pub(crate) fn place(error: &DataError) -> (String, Position) {
    let place = error.place().unwrap();
    let name = place.file.file_name().unwrap().to_string_lossy().into_owned();
    (name, place.position.clone())
}
