//! Files of a shard that belong together.
//!
//! ```text
//! a/0001.jpg │ a/0001.txt │ a/0002.png │ a/0002.json │ …
//! └──── key a/0001 ───────┘ └───── key a/0002 ───────┘
//! ```
//!
//! The key is the name up to the first dot after the last slash, the rest is the ending. Files of one key are
//! neighbours.
//!
//! Source: webdataset 1.0.2 `tariterators.py` `base_plus_ext`, `group_by_keys` and `tar_file_iterator`, whose choices are
//! taken.

use std::io::Read;

use blip_processor::ProcessorError;

use crate::field::Fault;
use crate::folder::is_picture;
use crate::sidecar::Sidecar;
use crate::walk::{Head, Walk};
use crate::{CaptionRecord, DataError, ReadOptions};

/// Where a picture is in its shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// A record of a shard, and its picture: the bytes, or where they are.
#[derive(Debug)]
pub(crate) struct Group<P> {
    pub(crate) record: CaptionRecord,
    pub(crate) picture: P,
}

/// What is kept of a picture's data.
type Keep<R, P> = fn(&mut Walk<R>, &Head, &ReadOptions) -> Result<P, DataError>;

/// The records of a shard, broken ones as errors.
pub(crate) struct Groups<R, P> {
    walk: Walk<R>,
    options: ReadOptions,
    keep: Keep<R, P>,
    /// The file that ended the last group and begins the next.
    held: Option<(Head, Name)>,
    /// What ended the shard before its end.
    failed: Option<DataError>,
    ended: bool,
}

impl<R: Read> Groups<R, Span> {
    /// Remembers where pictures are.
    pub(crate) fn indexing(walk: Walk<R>, options: &ReadOptions) -> Self {
        Self::new(walk, options, |walk, head, _| {
            walk.skip(head)?;
            Ok(Span {
                offset: head.offset,
                size: head.size,
            })
        })
    }
}

impl<R: Read> Groups<R, Vec<u8>> {
    /// Reads pictures.
    pub(crate) fn reading(walk: Walk<R>, options: &ReadOptions) -> Self {
        Self::new(walk, options, |walk, head, options| {
            let limit = options.image.limits.max_file_bytes;
            if head.size <= limit {
                return walk.read(head);
            }
            walk.skip(head)?;
            Err(DataError::Picture {
                place: walk.member(&head.name),
                image: head.name.clone(),
                source: Box::new(ProcessorError::FileTooLarge {
                    name: "picture",
                    limit,
                }),
            })
        })
    }
}

impl<R: Read, P> Groups<R, P> {
    fn new(walk: Walk<R>, options: &ReadOptions, keep: Keep<R, P>) -> Self {
        Self {
            walk,
            options: options.clone(),
            keep,
            held: None,
            failed: None,
            ended: false,
        }
    }

    /// The next file that may belong to a sample. None at the end of the shard, whatever its cause.
    fn next_file(&mut self) -> Option<(Head, Name)> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        while !self.ended {
            match self.walk.next() {
                Ok(Some(head)) => match Name::of(&head.name) {
                    Some(name) => return Some((head, name)),
                    None => {
                        if let Err(error) = self.walk.skip(&head) {
                            self.fail(error);
                        }
                    }
                },
                Ok(None) => self.ended = true,
                Err(error) => self.fail(error),
            }
        }
        None
    }

    /// Ends the shard before its end.
    fn fail(&mut self, error: DataError) {
        self.ended = true;
        self.failed = Some(error);
    }

    /// Takes what a sample needs of a file.
    fn take(&mut self, files: &mut Files<P>, head: &Head, ending: &str) {
        let Err(error) = self.taken(files, head, ending) else {
            return;
        };
        let ends = matches!(error, DataError::Cut { .. } | DataError::Io { .. });
        self.ended |= ends;
        match &files.fault {
            None => files.fault = Some(error),
            // The sample is broken anyway; that the shard ends is told after it.
            Some(_) if ends => self.fail(error),
            Some(_) => {}
        }
    }

    fn taken(&mut self, files: &mut Files<P>, head: &Head, ending: &str) -> Result<(), DataError> {
        let picture = is_picture(ending);
        if !picture && !Sidecar::has(ending) {
            return self.walk.skip(head);
        }
        if files.endings.iter().any(|known| known == ending) {
            self.walk.skip(head)?;
            let fault = Fault::new(ending, "one member of each ending", "another");
            return Err(fault.at(self.walk.member(&head.name)));
        }
        files.endings.push(ending.into());
        let Some(slot) = files.sidecar.slot(ending) else {
            if files.picture.is_some() {
                return self.walk.skip(head);
            }
            let kept = (self.keep)(&mut self.walk, head, &self.options)?;
            files.picture = Some((head.name.clone(), kept));
            return Ok(());
        };
        let limit = self.options.limits.max_record_bytes;
        if head.size > limit as u64 {
            self.walk.skip(head)?;
            return Err(DataError::RecordTooLarge {
                place: self.walk.member(&head.name),
                limit,
            });
        }
        *slot = Some(self.walk.read(head)?);
        Ok(())
    }

    /// The sample that files make, if they make one.
    fn finish(&self, first: &Head, files: Files<P>) -> Option<Result<Group<P>, DataError>> {
        if let Some(fault) = files.fault {
            return Some(Err(fault));
        }
        let Some((name, picture)) = files.picture else {
            // Other files may stand in a shard, such as a description of it.
            return (!files.sidecar.is_empty()).then(|| {
                let fault = Fault::new("picture", "a member such as .jpg or .png", "none");
                Err(fault.at(self.walk.member(&first.name)))
            });
        };
        let place = self.walk.member(&name);
        let record = files.sidecar.record(name, self.options.parsing());
        Some(match record {
            Ok(record) => Ok(Group { record, picture }),
            Err(fault) => Err(fault.at(place)),
        })
    }
}

impl<R: Read, P> Iterator for Groups<R, P> {
    type Item = Result<Group<P>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((first, Name { key, ending })) = self.next_file() else {
                return self.failed.take().map(Err);
            };
            let mut files = Files::default();
            self.take(&mut files, &first, &ending);
            while let Some((head, name)) = self.next_file() {
                if name.key != key {
                    self.held = Some((head, name));
                    break;
                }
                self.take(&mut files, &head, &name.ending);
            }
            if let Some(group) = self.finish(&first, files) {
                return Some(group);
            }
        }
    }
}

/// What is taken of the files of one key.
struct Files<P> {
    /// The first picture, by its name.
    picture: Option<(String, P)>,
    sidecar: Sidecar,
    /// Those of the endings so far that mean something.
    endings: Vec<String>,
    /// What was wrong first.
    fault: Option<DataError>,
}

impl<P> Default for Files<P> {
    fn default() -> Self {
        Self {
            picture: None,
            sidecar: Sidecar::default(),
            endings: Vec::new(),
            fault: None,
        }
    }
}

/// A file's name, taken apart.
#[derive(Debug, PartialEq)]
struct Name {
    /// Up to the first dot after the last slash.
    key: String,
    /// After it, in lower case.
    ending: String,
}

impl Name {
    /// None for names that belong to no sample: without a dot or beginning with one, or below `__…__`.
    fn of(name: &str) -> Option<Self> {
        let top = name.split('/').next()?;
        if top.len() >= 4 && top.starts_with("__") && top.ends_with("__") {
            return None;
        }
        let base = name.rfind('/').map_or(0, |slash| slash + 1);
        let dot = base + name[base..].find('.')?;
        (dot > base).then(|| Self {
            key: name[..dot].into(),
            ending: name[dot + 1..].to_lowercase(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_at_the_first_dot() {
        let parts = |name| Name::of(name).map(|name| (name.key, name.ending));
        let some = |key: &str, ending: &str| Some((key.into(), ending.into()));
        assert_eq!(parts("0001.jpg"), some("0001", "jpg"));
        assert_eq!(parts("./a.b/0001.seg.PNG"), some("./a.b/0001", "seg.png"));
        assert_eq!(parts("x."), some("x", ""));
        assert_eq!(parts("____"), None);
        for name in [
            "",
            "README",
            "a.b/README",
            ".DS_Store",
            "a/._x.jpg",
            "__info__/x.jpg",
        ] {
            assert_eq!(parts(name), None, "{name}");
        }
    }
}
