//! Records in memory, pictures where they are.
//!
//! ```text
//! JSON arrays, JSON lines ─┐
//! a folder of pictures ────┼▶ RecordSet: records, and where each one's picture is ─ sample(index) ─▶ Sample
//! tar shards ──────────────┘   └▶ Skipped: the broken ones
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use blip_processor::{ImageProcessor, ProcessorError, RgbImage};

use crate::folder::pictures_below;
use crate::group::{Groups, Span};
use crate::json::read_objects;
use crate::sidecar::Sidecar;
use crate::walk::Walk;
use crate::{
    CaptionRecord, DataError, Dataset, Place, Position, ReadOptions, Record, RecordId, Sample, Skipped,
};

/// Records in memory, and their pictures where they are.
///
/// # Examples
///
/// ```
/// use blip_data::{CaptionRecord, Dataset, ReadOptions, RecordSet};
///
/// # let folder = tempfile::tempdir()?;
/// # std::env::set_current_dir(&folder)?;
/// # image::RgbImage::new(4, 4).save("a.png")?;
/// std::fs::write("train.json", r#"[{"image": "a.png", "caption": "A dog."}, {"image": "b.png"}]"#)?;
/// let set = RecordSet::<CaptionRecord>::open_json(&["train.json"], &ReadOptions::new("."))?;
///
/// assert_eq!(set.len(), 1);
/// assert_eq!(set.sample(0)?.record.captions, ["a dog"]);
/// assert_eq!(
///     set.skipped().errors()[0].to_string(),
///     "train.json, record 1: caption: expected a string or a list of strings, got none"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RecordSet<R> {
    entries: Vec<Entry<R>>,
    /// The files that records stand in.
    files: Vec<PathBuf>,
    skipped: Skipped,
    processor: ImageProcessor,
    options: ReadOptions,
}

#[derive(Debug)]
struct Entry<R> {
    record: R,
    /// Which of the files.
    file: usize,
    position: Position,
    source: Source,
}

/// Where the pixels of a record are.
#[derive(Debug)]
enum Source {
    /// In files that the record names.
    Named,
    /// In a file.
    File(PathBuf),
    /// In a part of the record's file.
    Span(Span),
}

impl<R: Record> RecordSet<R> {
    /// Reads files of annotations, each a JSON array or one JSON object a line, one after the other.
    ///
    /// # Errors
    ///
    /// For a file as a whole: [`DataError::Io`], [`Form`](DataError::Form), [`Json`](DataError::Json),
    /// [`FileTooLarge`](DataError::FileTooLarge), [`RecordTooLarge`](DataError::RecordTooLarge) in an array,
    /// [`TooManyRecords`](DataError::TooManyRecords), or [`NoRecords`](DataError::NoRecords) if none of its records can
    /// be used. [`Processor`](DataError::Processor) for options that mean nothing.
    pub fn open_json(paths: &[impl AsRef<Path>], options: &ReadOptions) -> Result<Self, DataError> {
        let mut set = Self::empty(options)?;
        for path in paths {
            let path = path.as_ref();
            let mut part = set.part(path);
            read_objects(path, options.limits, |position, object| {
                let record = object.and_then(|object| {
                    let place = || Place {
                        file: path.into(),
                        position: position.clone(),
                    };
                    R::parse(&object, options.parsing()).map_err(|fault| fault.at(place()))
                });
                part.push(record.map(|record| (record, position, Source::Named)))
            })?;
            part.finish()?;
        }
        Ok(set)
    }

    fn empty(options: &ReadOptions) -> Result<Self, DataError> {
        Ok(Self {
            entries: Vec::new(),
            files: Vec::new(),
            skipped: Skipped::default(),
            processor: ImageProcessor::new(options.image.clone())?,
            options: options.clone(),
        })
    }

    fn part(&mut self, path: &Path) -> Part<'_, R> {
        self.files.push(path.into());
        Part {
            first: self.entries.len(),
            skipped: Skipped::default(),
            set: self,
        }
    }

    /// The records, without their pictures.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &R> {
        self.entries.iter().map(|entry| &entry.record)
    }

    /// A record, without its pictures.
    pub fn record(&self, index: usize) -> Option<&R> {
        self.entries.get(index).map(|entry| &entry.record)
    }

    /// Where a record stands.
    pub fn place(&self, index: usize) -> Option<Place> {
        self.entries.get(index).map(|entry| self.place_of(entry))
    }

    /// Which records were left out.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    fn place_of(&self, entry: &Entry<R>) -> Place {
        Place {
            file: match &entry.source {
                Source::File(path) => path.clone(),
                Source::Named | Source::Span(_) => self.files[entry.file].clone(),
            },
            position: entry.position.clone(),
        }
    }

    /// The picture that a record names.
    fn picture(&self, entry: &Entry<R>, name: &str) -> Result<RgbImage, DataError> {
        let decoded = match &entry.source {
            Source::Named => {
                let root = entry.record.root(&self.options);
                self.processor.decode_file(root.join(name))
            }
            Source::File(path) => self.processor.decode_file(path),
            Source::Span(span) => {
                let bytes = self.member(entry, span)?;
                bytes.and_then(|bytes| self.processor.decode(&bytes))
            }
        };
        decoded.map_err(|source| DataError::Picture {
            place: self.place_of(entry),
            image: name.into(),
            source: source.into(),
        })
    }

    /// The bytes of a member of a shard.
    fn member(&self, entry: &Entry<R>, span: &Span) -> Result<Result<Vec<u8>, ProcessorError>, DataError> {
        let path = &self.files[entry.file];
        let limit = self.options.image.limits.max_file_bytes;
        if span.size > limit {
            let name = "picture";
            return Ok(Err(ProcessorError::FileTooLarge { name, limit }));
        }
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|mut file| {
                file.seek(SeekFrom::Start(span.offset))?;
                file.take(span.size).read_to_end(&mut bytes)
            })
            .map_err(|source| DataError::Io {
                path: path.clone(),
                source,
            })?;
        let got = bytes.len() as u64;
        if got < span.size {
            return Err(DataError::Cut {
                place: self.place_of(entry),
                expected: span.size,
                got,
            });
        }
        Ok(Ok(bytes))
    }
}

impl RecordSet<CaptionRecord> {
    /// Finds the pictures of a folder and of those in it, in the order of their names. A caption a line stands in a
    /// text beside the picture (`dog.txt` for `dog.jpg`), or in a JSON object (`dog.json`, with `caption` or
    /// `captions`), which goes first.
    ///
    /// Names that begin with a dot are left out, and links to folders are not followed. Texts are read now, pictures
    /// later.
    ///
    /// # Errors
    ///
    /// For the folder as a whole: [`DataError::Io`], [`TooManyRecords`](DataError::TooManyRecords), or
    /// [`NoRecords`](DataError::NoRecords) if there is no picture that can be used. [`Processor`](DataError::Processor)
    /// for options that mean nothing.
    pub fn open_folder(folder: impl AsRef<Path>, options: &ReadOptions) -> Result<Self, DataError> {
        let folder = folder.as_ref();
        let mut set = Self::empty(options)?;
        let mut part = set.part(folder);
        let (pictures, unread) = pictures_below(folder, options.limits)?;
        part.skipped.append(unread);
        for picture in pictures {
            let place = || Place {
                file: picture.path.clone(),
                position: Position::Whole,
            };
            let record = Sidecar::beside(&picture.path, options.limits).and_then(|sidecar| {
                sidecar
                    .record(picture.name.clone(), options.parsing())
                    .map_err(|fault| fault.at(place()))
            });
            let source = Source::File(picture.path.clone());
            part.push(record.map(|record| (record, Position::Whole, source)))?;
        }
        part.finish()?;
        Ok(set)
    }

    /// Reads the headers and the texts of WebDataset shards, and remembers where the pictures are, so that they can be
    /// read in any order. A shard that is read once, in order, needs no more than a
    /// [`ShardStream`](crate::ShardStream), where the layout is described.
    ///
    /// # Errors
    ///
    /// For a shard as a whole: [`DataError::Io`], [`TooManyRecords`](DataError::TooManyRecords), or
    /// [`NoRecords`](DataError::NoRecords) if it has no sample that can be used, as a file that is no archive.
    /// [`Processor`](DataError::Processor) for options that mean nothing.
    pub fn open_shards(paths: &[impl AsRef<Path>], options: &ReadOptions) -> Result<Self, DataError> {
        let mut set = Self::empty(options)?;
        for path in paths {
            let path = path.as_ref();
            let mut part = set.part(path);
            for group in Groups::indexing(Walk::open(path)?, options) {
                part.push(group.map(|group| {
                    let position = Position::Member(group.record.image.clone());
                    (group.record, position, Source::Span(group.picture))
                }))?;
            }
            part.finish()?;
        }
        Ok(set)
    }

    /// A number for the picture of each record: 0 for the first, the next for each picture not seen before. Retrieval
    /// is trained with them, since captions of one picture are no negatives of each other.
    ///
    /// Pictures are told apart by `image_id`, or by their names where there is none.
    ///
    /// Source: salesforce/BLIP@056a169 `data/coco_karpathy_dataset.py:35`.
    pub fn image_numbers(&self) -> Vec<usize> {
        let mut numbers = HashMap::new();
        self.records()
            .map(|record| {
                let id = match &record.image_id {
                    Some(id) => id.clone(),
                    None => RecordId::Text(record.image.clone()),
                };
                let next = numbers.len();
                *numbers.entry(id).or_insert(next)
            })
            .collect()
    }
}

impl<R: Record> Dataset for RecordSet<R> {
    type Sample = Sample<R>;

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn sample(&self, index: usize) -> Result<Sample<R>, DataError> {
        let entry = self.entries.get(index).ok_or(DataError::Index {
            index,
            len: self.entries.len(),
        })?;
        Ok(Sample {
            image: entry.record.load(|name| self.picture(entry, name))?,
            record: entry.record.clone(),
        })
    }
}

/// What one file or folder brings.
struct Part<'a, R> {
    set: &'a mut RecordSet<R>,
    /// Records before it.
    first: usize,
    skipped: Skipped,
}

impl<R: Record> Part<'_, R> {
    fn push(&mut self, record: Result<(R, Position, Source), DataError>) -> Result<(), DataError> {
        let set = &mut *self.set;
        let limit = set.options.limits.max_records;
        if set.entries.len() + set.skipped.count() + self.skipped.count() >= limit {
            return Err(DataError::TooManyRecords {
                path: set.files[set.files.len() - 1].clone(),
                limit,
            });
        }
        match record {
            Ok((record, position, source)) => set.entries.push(Entry {
                record,
                file: set.files.len() - 1,
                position,
                source,
            }),
            Err(error) => self.skipped.push(error),
        }
        Ok(())
    }

    fn finish(self) -> Result<(), DataError> {
        let set = self.set;
        if set.entries.len() == self.first {
            return Err(DataError::NoRecords {
                path: set.files[set.files.len() - 1].clone(),
                skipped: self.skipped.count(),
                first: self.skipped.into_first().map(Box::new),
            });
        }
        set.skipped.append(self.skipped);
        Ok(())
    }
}
