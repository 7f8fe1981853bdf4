//! Shards, read once and in order.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use blip_processor::ImageProcessor;

use crate::group::{Group, Groups};
use crate::walk::Walk;
use crate::{CaptionRecord, DataError, Place, Position, ReadOptions, Sample};

/// What shards are read from.
type Source = Box<dyn Read + Send>;

/// The samples of WebDataset shards, in their order, each loaded when it is asked for.
///
/// A shard is a tar archive that is not compressed. Members whose names differ only after the first dot are one sample:
///
/// ```text
/// 000001.jpg    the picture: .jpg, .jpeg, .png, .webp, .gif, .bmp, .tif or .tiff
/// 000001.txt    a caption a line
/// 000001.json   {"caption": "…"} or {"captions": ["…", "…"]}; goes first
/// 000001.cls    the class's number
/// ```
///
/// A broken sample is an error, and the next follows. A shard that breaks off is an error after its last sample, and
/// the next shard follows. [`RecordSet::open_shards`](crate::RecordSet::open_shards) reads samples in any order.
///
/// # Examples
///
/// ```no_run
/// use blip_data::{ReadOptions, ShardStream};
///
/// let options = ReadOptions::default();
/// for sample in ShardStream::open(&["00000.tar", "00001.tar"], &options)? {
///     match sample {
///         Ok(sample) => println!("{}: {:?}", sample.record.image, sample.record.captions),
///         Err(broken) => eprintln!("{broken}"),
///     }
/// }
/// # Ok::<(), blip_data::DataError>(())
/// ```
pub struct ShardStream {
    current: Option<Groups<Source, Vec<u8>>>,
    /// The shard that is being read.
    path: PathBuf,
    next: VecDeque<PathBuf>,
    processor: ImageProcessor,
    options: ReadOptions,
}

impl ShardStream {
    /// The samples of several shards, which are opened one after the other.
    ///
    /// # Errors
    ///
    /// [`DataError::Processor`] for options that mean nothing. A shard that cannot be opened is an error in its turn.
    pub fn open(paths: &[impl AsRef<Path>], options: &ReadOptions) -> Result<Self, DataError> {
        Ok(Self {
            current: None,
            path: PathBuf::new(),
            next: paths.iter().map(|path| path.as_ref().into()).collect(),
            processor: ImageProcessor::new(options.image.clone())?,
            options: options.clone(),
        })
    }

    /// The samples of one shard that comes from somewhere else, such as a pipe, and what to call it in complaints.
    ///
    /// # Errors
    ///
    /// [`DataError::Processor`] for options that mean nothing.
    pub fn of_reader(
        reader: impl Read + Send + 'static,
        name: impl AsRef<Path>,
        options: &ReadOptions,
    ) -> Result<Self, DataError> {
        let mut stream = Self::open(&[] as &[&Path], options)?;
        stream.begin(Box::new(reader), name.as_ref());
        Ok(stream)
    }

    fn begin(&mut self, reader: Source, path: &Path) {
        self.path = path.into();
        self.current = Some(Groups::reading(Walk::stream(reader, path), &self.options));
    }

    /// Decodes a sample's picture.
    fn sample(&self, group: Group<Vec<u8>>) -> Result<Sample<CaptionRecord>, DataError> {
        let Group { record, picture } = group;
        match self.processor.decode(&picture) {
            Ok(image) => Ok(Sample { record, image }),
            Err(source) => Err(DataError::Picture {
                place: Place {
                    file: self.path.clone(),
                    position: Position::Member(record.image.clone()),
                },
                image: record.image,
                source: source.into(),
            }),
        }
    }
}

impl Iterator for ShardStream {
    type Item = Result<Sample<CaptionRecord>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(group) = self.current.as_mut().and_then(Iterator::next) {
                return Some(group.and_then(|group| self.sample(group)));
            }
            self.current = None;
            let path = self.next.pop_front()?;
            match File::open(&path) {
                Ok(file) => self.begin(Box::new(BufReader::new(file)), &path),
                Err(source) => return Some(Err(DataError::Io { path, source })),
            }
        }
    }
}
