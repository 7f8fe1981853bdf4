//! Pictures named on a command line.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use blip_core::{ImageProcessor, PixelValues, ProcessorError, pictures_in};
use clap::Args;

use crate::Timings;
use crate::report::complaint;

/// A picture's file, or a folder that could not be read.
pub type Found = Result<PathBuf, (PathBuf, io::Error)>;

/// Which pictures.
#[derive(Args, Debug)]
pub struct PictureArgs {
    /// Pictures, or folders of pictures.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// Search folders' subfolders too.
    #[arg(long)]
    recursive: bool,
}

impl PictureArgs {
    /// The files that the paths stand for: a file is itself, a folder its pictures in alphabetical order.
    ///
    /// A folder that cannot be read is an error in its place, and the rest go on; a file that is not there is an error of
    /// whoever opens it.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn find(&self) -> Result<Vec<Found>, Box<dyn Error>> {
        let of_path = |path: &PathBuf| {
            if path.is_dir() {
                pictures_in(path, self.recursive)
            } else {
                vec![Ok(path.clone())]
            }
        };
        let found: Vec<Found> = self.images.iter().flat_map(of_path).collect();
        if found.is_empty() {
            return Err("no pictures in the folders given".into());
        }
        Ok(found)
    }

    /// What stands before a result where it would not be clear which picture's it is.
    pub fn name(&self, path: &Path) -> String {
        if self.images.len() > 1 || self.images[0].is_dir() {
            format!("{}: ", path.display())
        } else {
            String::new()
        }
    }
}

/// A picture that could be read.
pub struct Picture<'a> {
    /// Its file.
    pub path: &'a Path,
    /// `[1, 3, height, width]`.
    pub pixel_values: PixelValues,
    /// How long that took.
    pub timings: Timings,
}

impl<'a> Picture<'a> {
    /// Reads and preprocesses a picture.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is no picture within the limits.
    pub fn open(processor: &ImageProcessor, path: &'a Path) -> Result<Self, ProcessorError> {
        let start = Instant::now();
        let image = processor.decode_file(path)?;
        let decode = start.elapsed();
        let start = Instant::now();
        let pixel_values = processor.preprocess(&image)?;
        Ok(Self {
            path,
            pixel_values,
            timings: Timings {
                decode,
                preprocess: start.elapsed(),
                ..Timings::default()
            },
        })
    }

    /// [`open`](Self::open) for a program that cannot go on without this picture: the error names it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn needed(processor: &ImageProcessor, path: &'a Path) -> Result<Self, Box<dyn Error>> {
        Self::open(processor, path).map_err(|error| complaint(path, &error).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_itself_and_a_folder_its_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let args = |images: &[PathBuf]| PictureArgs {
            images: images.to_vec(),
            recursive: false,
        };
        let empty = args(&[folder.path().to_owned()]);
        assert!(empty.find().is_err());
        let picture = folder.path().join("a.jpg");
        std::fs::write(&picture, b"").unwrap();
        let found: Vec<PathBuf> = args(&[folder.path().to_owned(), "gone.png".into()])
            .find()
            .unwrap()
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(found, [picture, "gone.png".into()]);
    }
}
