//! Pictures from files, with errors that name the file.

use std::path::Path;
use std::sync::Arc;

use blip_processor::{ImageProcessor, ProcessorError};
use blip_traits::PixelValues;

use crate::Error;

/// Opens and preprocesses pictures; a clone shares the processor.
#[derive(Clone)]
pub(crate) struct PictureReader {
    processor: Arc<ImageProcessor>,
}

impl PictureReader {
    pub(crate) fn new(processor: ImageProcessor) -> Self {
        Self {
            processor: Arc::new(processor),
        }
    }

    pub(crate) fn processor(&self) -> &ImageProcessor {
        &self.processor
    }

    /// A picture's file; its errors name it.
    pub(crate) fn open(&self, path: impl AsRef<Path>) -> Result<PixelValues, Error> {
        let path = path.as_ref();
        self.processor
            .preprocess_file(path)
            .map_err(|source| match source {
                // This one names it already.
                ProcessorError::Io { .. } => Error::Processor(source),
                _ => Error::Picture {
                    path: path.to_owned(),
                    source,
                },
            })
    }

    /// An image file's bytes.
    pub(crate) fn read(&self, bytes: impl AsRef<[u8]>) -> Result<PixelValues, Error> {
        Ok(self.processor.preprocess_bytes(bytes.as_ref())?)
    }

    /// Several pictures as one batch; none is `None`.
    pub(crate) fn batch<P>(
        &self,
        pictures: &[P],
        preprocess: impl Fn(&P) -> Result<PixelValues, Error>,
    ) -> Result<Option<PixelValues>, Error> {
        if pictures.is_empty() {
            return Ok(None);
        }
        let each: Vec<PixelValues> = pictures.iter().map(preprocess).collect::<Result<_, _>>()?;
        Ok(Some(PixelValues::concat(&each)?))
    }
}
