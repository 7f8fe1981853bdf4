//! Search over galleries, from a checkpoint and a folder of pictures.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blip_encoder::TextEncoder;
use blip_index::{Entry, GalleryKind, Header, IndexFile, IndexWriter, Record, StateShape};
use blip_nn::Linear;
use blip_tasks::{Embeddings, Found, SearchOptions};
use blip_traits::{Features, HiddenStates, ImageEncoder, PixelValues};

use crate::fingerprint::fingerprint;
use crate::gallery::{entry_of, inside, pictures_in};
use crate::loader::loaders;
use crate::{Blip, BuildEvent, BuildOptions, BuildReport, Error, Gallery, Matcher};

/// Searches galleries: pictures by text, texts by picture, and either by its like.
///
/// ```text
/// folder ─ build ─▶ index file ─ open ─▶ Gallery ─ search_text, search_image ─▶ FoundEntry
///                    vectors (and hidden states, if kept)     top k by cosine, ranked again by ITM
/// ```
///
/// # Example
///
/// ```no_run
/// use blip_core::{BuildOptions, LoadOptions, Retriever, SearchOptions};
///
/// let retriever = Retriever::from_path("model_base_retrieval_coco.pth", &LoadOptions::default())?;
/// retriever.build("holidays", "holidays.index", &BuildOptions::default(), &mut |_| {})?;
/// let gallery = retriever.open("holidays.index")?;
/// let options = SearchOptions { top_k: 5, rerank: 20 };
/// for found in retriever.search_text(&gallery, "a dog on a beach", &options)? {
///     println!("{} {:.3}", found.name, found.score);
/// }
/// # Ok::<(), blip_core::Error>(())
/// ```
#[doc(alias = "BLIP_Retrieval")]
#[derive(Clone)]
pub struct Retriever {
    matcher: Matcher,
    fingerprint: [u8; 32],
}

/// An entry of a gallery that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundEntry {
    /// The entry's place in the gallery.
    pub index: usize,
    /// Its name: the path of a picture in the gallery's folder, or the text.
    pub name: String,
    /// A picture's file.
    pub path: Option<PathBuf>,
    /// What the entries are ranked by: `itm_logit + itc_similarity` where they were ranked again, else `itc_similarity`.
    pub score: f32,
    /// The cosine of the query's vector and the entry's, -1 to 1.
    pub itc_similarity: f32,
    /// The matching head's score of a match, before the softmax, where the entries were ranked again.
    pub itm_logit: Option<f32>,
}

loaders!(Retriever, Matching);

impl Retriever {
    pub(crate) fn new(matcher: Matcher, projections: [&Linear; 2]) -> Result<Self, Error> {
        let fingerprint = fingerprint(
            matcher.image_encoder(),
            matcher.text_encoder(),
            &projections,
            matcher.processor().config(),
            matcher.pipeline().embedder().tokenizer().as_ref(),
            matcher.policy(),
        )?;
        Ok(Self { matcher, fingerprint })
    }

    fn of(blip: &Blip) -> Result<Self, Error> {
        blip.retriever()
    }

    /// What compares pictures and texts, shared.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// The text encoder, shared.
    pub fn text_encoder(&self) -> &Arc<TextEncoder> {
        self.matcher.text_encoder()
    }

    /// Builds the index of a folder's pictures, or brings it up to date: pictures that are new or have changed are
    /// computed, those that are gone are left out. Those of a folder that cannot be read now
    /// stay.
    ///
    /// A build that is killed goes on where it was when it is started again; it loses at most one batch. `on_event` is
    /// told how far it is. Files that cannot be read are skipped and reported.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder cannot be read; [`Error::Gallery`] if there is an index of another gallery or model
    /// and it is not to be replaced; [`Error::Index`] if the index cannot be written, is being written by another
    /// process, or a file that is no index is in its place.
    pub fn build(
        &self,
        folder: impl AsRef<Path>,
        out: impl AsRef<Path>,
        options: &BuildOptions,
        on_event: &mut dyn FnMut(BuildEvent<'_>),
    ) -> Result<BuildReport, Error> {
        let (folder, out) = (folder.as_ref(), out.as_ref());
        let io = |source| Error::Io {
            path: folder.to_owned(),
            source,
        };
        // Wherever the index is asked from, its pictures are found.
        let folder = &folder.canonicalize().map_err(io)?;
        std::fs::read_dir(folder).map_err(io)?;
        let Some(name) = folder.to_str() else {
            let what = "expected a folder's name in UTF-8".to_owned();
            let path = folder.to_owned();
            return Err(Error::Gallery { path, what });
        };
        let encoder = self.matcher.image_encoder();
        let states = options.keep_states.map(|dtype| StateShape {
            tokens: encoder.tokens(),
            hidden_size: encoder.hidden_size(),
            dtype,
        });
        let header = self.header(GalleryKind::Pictures, name, states);
        let there = there(out, options)?;
        let header = goes_on(there.as_ref(), header, options)?;
        let mut writer = writer(out, &header, options)?;
        let known = there.filter(|there| *there.header() == header);

        let mut skipped = Vec::new();
        let mut skip = |path: &Path, error: Error, on_event: &mut dyn FnMut(BuildEvent<'_>)| {
            on_event(BuildEvent::Skipped { path, error: &error });
            skipped.push((path.to_owned(), error));
        };
        let mut entries = Vec::new();
        for picture in pictures_in(folder, options.recursive) {
            let found = match picture {
                Ok(path) => entry_of(folder, &path).map_err(|error| (path, error)),
                Err((path, source)) => Err((path.clone(), Error::Io { path, source })),
            };
            match found {
                Ok(entry) => entries.push(entry),
                Err((path, error)) => {
                    // What is known of a folder that cannot be read now is not lost.
                    if let (Some(known), Some(inside)) = (&known, inside(folder, &path)) {
                        let prefix = format!("{inside}/");
                        let of_folder = known
                            .entries()
                            .iter()
                            .filter(|entry| entry.name.starts_with(&prefix));
                        entries.extend(of_folder.cloned());
                    }
                    skip(&path, error, on_event);
                }
            }
        }
        // Not every system replaces a file that is mapped.
        drop(known);
        let pending: Vec<Entry> = entries
            .iter()
            .filter(|entry| !writer.holds(entry))
            .cloned()
            .collect();
        on_event(BuildEvent::Found {
            entries: entries.len(),
            unchanged: entries.len() - pending.len(),
        });
        let mut computed = 0;
        let mut unreadable = std::collections::HashSet::new();
        for batch in pending.chunks(options.batch_size.max(1)) {
            let mut read: Vec<(&Entry, PixelValues)> = Vec::with_capacity(batch.len());
            for entry in batch {
                let path = folder.join(&entry.name);
                match self.matcher.pictures().open(&path) {
                    Ok(pixel_values) => read.push((entry, pixel_values)),
                    Err(error) => {
                        unreadable.insert(entry.name.clone());
                        skip(&path, error, on_event);
                    }
                }
            }
            if read.is_empty() {
                continue;
            }
            let (batch, pictures): (Vec<&Entry>, Vec<PixelValues>) = read.into_iter().unzip();
            let encoded = self.matcher.encode(&PixelValues::concat(&pictures)?)?;
            let vectors = self.matcher.embed_images(&encoded)?;
            let states = header.states.map(|_| encoded.read()).transpose()?;
            append(&mut writer, &batch, &vectors, states.as_ref())?;
            computed += batch.len();
            on_event(BuildEvent::Computed { entries: batch.len() });
        }
        entries.retain(|entry| !unreadable.contains(&entry.name));
        writer.finish(&entries)?;
        Ok(BuildReport {
            entries: entries.len(),
            computed,
            skipped,
        })
    }

    /// Builds the index of texts, to be found by picture, or brings it up to date.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), and [`Error::Entry`] for a text that the encoder has no positions for.
    pub fn build_texts<S: AsRef<str>>(
        &self,
        texts: &[S],
        out: impl AsRef<Path>,
        options: &BuildOptions,
        on_event: &mut dyn FnMut(BuildEvent<'_>),
    ) -> Result<BuildReport, Error> {
        let out = out.as_ref();
        let header = self.header(GalleryKind::Texts, "", None);
        let header = goes_on(there(out, options)?.as_ref(), header, options)?;
        let mut writer = writer(out, &header, options)?;
        let entries: Vec<Entry> = texts.iter().map(|text| Entry::text(text.as_ref())).collect();
        let pending: Vec<&Entry> = entries.iter().filter(|entry| !writer.holds(entry)).collect();
        on_event(BuildEvent::Found {
            entries: entries.len(),
            unchanged: entries.len() - pending.len(),
        });
        for batch in pending.chunks(options.batch_size.max(1)) {
            let texts: Vec<&str> = batch.iter().map(|entry| entry.name.as_str()).collect();
            let vectors = match self.matcher.embed_texts(&texts) {
                Ok(vectors) => vectors,
                Err(error) => return Err(self.text_error(&texts, error)),
            };
            append(&mut writer, batch, &vectors, None)?;
            on_event(BuildEvent::Computed { entries: batch.len() });
        }
        writer.finish(&entries)?;
        Ok(BuildReport {
            entries: entries.len(),
            computed: pending.len(),
            skipped: Vec::new(),
        })
    }

    /// Opens an index that was built with this model.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] if it is no index, is damaged, or was built with another model.
    pub fn open(&self, index: impl AsRef<Path>) -> Result<Gallery, Error> {
        Ok(Gallery::new(IndexFile::open_for(index, &self.fingerprint)?))
    }

    /// The entries of a gallery that fit a text, best first.
    ///
    /// With `rerank`, pictures whose hidden states were not kept are read and looked at again. Texts are compared by cosine
    /// alone.
    ///
    /// # Errors
    ///
    /// [`Error::Gallery`] if a gallery of texts is to be ranked again; [`Error::Processor`] or [`Error::Picture`] if a
    /// picture that is ranked again cannot be read any more; [`Error::Task`] if the text cannot be read.
    pub fn search_text(
        &self,
        gallery: &Gallery,
        text: &str,
        options: &SearchOptions,
    ) -> Result<Vec<FoundEntry>, Error> {
        let pipeline = self.matcher.pipeline();
        let found = match gallery.kind() {
            GalleryKind::Pictures => pipeline.search_pictures(text, gallery.index(), options, |entry| {
                self.states(gallery, entry)
            })?,
            _ => {
                self.refuse_rerank(gallery, options, "texts by text")?;
                let query = self.matcher.embed_texts(&[text])?;
                pipeline.search_similar(&query, gallery.index(), options.top_k)?
            }
        };
        Ok(entries(gallery, found))
    }

    /// The entries of a gallery that fit a picture in a file, best first.
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if the file cannot be read; [`Error::Picture`] if it is no picture within the limits; and
    /// those of [`search_image`](Self::search_image).
    pub fn search_image_file(
        &self,
        gallery: &Gallery,
        path: impl AsRef<Path>,
        options: &SearchOptions,
    ) -> Result<Vec<FoundEntry>, Error> {
        self.search_image(gallery, &self.matcher.pictures().open(path)?, options)
    }

    /// The entries of a gallery that fit a preprocessed picture, best first. Pictures are compared by cosine alone.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[1, 3, height, width]`
    ///
    /// # Errors
    ///
    /// [`Error::Gallery`] if a gallery of pictures is to be ranked again; [`Error::Task`] if the picture is not one of the
    /// encoder's size.
    pub fn search_image(
        &self,
        gallery: &Gallery,
        pixel_values: &PixelValues,
        options: &SearchOptions,
    ) -> Result<Vec<FoundEntry>, Error> {
        let pipeline = self.matcher.pipeline();
        if gallery.kind() == GalleryKind::Pictures {
            self.refuse_rerank(gallery, options, "pictures by picture")?;
        }
        let encoded = self.matcher.encode(pixel_values)?;
        let found = match gallery.kind() {
            GalleryKind::Pictures => {
                let query = self.matcher.embed_images(&encoded)?;
                pipeline.search_similar(&query, gallery.index(), options.top_k)?
            }
            _ => pipeline.search_texts(&encoded, gallery.index(), options, |entry| {
                Ok::<_, Error>(gallery.name(entry).unwrap_or_default().to_owned())
            })?,
        };
        Ok(entries(gallery, found))
    }

    /// The hidden states of a gallery's picture: those kept, or those of another look at it.
    fn states(&self, gallery: &Gallery, entry: usize) -> Result<HiddenStates, Error> {
        let device = self.matcher.image_encoder().device();
        match (gallery.states(entry, &device)?, gallery.path(entry)) {
            (Some(states), _) => Ok(states),
            (None, Some(path)) => self.matcher.encode(&self.matcher.pictures().open(path)?),
            (None, None) => Err(Error::Gallery {
                path: gallery.index().path().to_owned(),
                what: format!("expected pictures, got no file for entry {entry}"),
            }),
        }
    }

    /// The error of the first text that cannot be embedded, with the text.
    fn text_error(&self, texts: &[&str], error: Error) -> Error {
        let culprit = texts
            .iter()
            .find_map(|text| Some((text, self.matcher.embed_texts(&[text]).err()?)));
        match culprit {
            Some((text, source)) => Error::Entry {
                text: text.chars().take(60).collect(),
                source: Box::new(source),
            },
            None => error,
        }
    }

    fn refuse_rerank(&self, gallery: &Gallery, options: &SearchOptions, what: &str) -> Result<(), Error> {
        if options.rerank == 0 {
            return Ok(());
        }
        Err(Error::Gallery {
            path: gallery.index().path().to_owned(),
            what: format!(
                "the matching head compares pictures with texts; to search {what}, expected rerank 0"
            ),
        })
    }

    fn header(&self, kind: GalleryKind, folder: &str, states: Option<StateShape>) -> Header {
        Header {
            kind,
            embed_dim: self.matcher.pipeline().embedder().embed_dim(),
            fingerprint: self.fingerprint,
            states,
            folder: folder.to_owned(),
        }
    }
}

/// The index that is there already. If it is to be replaced, whatever is wrong with it is the writer's affair.
fn there(out: &Path, options: &BuildOptions) -> Result<Option<IndexFile>, Error> {
    if !out.exists() {
        return Ok(None);
    }
    match IndexFile::open(out) {
        Ok(there) => Ok(Some(there)),
        Err(_) if options.replace => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The header with which an index goes on: what it keeps of pictures stays, unless something else is asked for.
fn goes_on(there: Option<&IndexFile>, mut header: Header, options: &BuildOptions) -> Result<Header, Error> {
    let Some(file) = there else {
        return Ok(header);
    };
    let there = file.header();
    let ours = there.fingerprint == header.fingerprint
        && (there.kind, &there.folder) == (header.kind, &header.folder);
    if ours && options.keep_states.is_none() {
        header.states = there.states;
    }
    let got = if there.fingerprint != header.fingerprint {
        "another model's index"
    } else if !ours {
        "another gallery's index"
    } else if there.states != header.states {
        "an index that keeps other hidden states"
    } else {
        return Ok(header);
    };
    if options.replace {
        return Ok(header);
    }
    Err(Error::Gallery {
        path: file.path().to_owned(),
        what: format!(
            "expected no file, or this gallery's index, got {got}; replace it or choose another file"
        ),
    })
}

/// Appends a batch: for each entry its vector, and its hidden states if they are kept.
fn append(
    writer: &mut IndexWriter,
    entries: &[&Entry],
    vectors: &Embeddings,
    states: Option<&Features>,
) -> Result<(), Error> {
    let states = states.map(Features::as_slice);
    let each = states.map_or(0, |states| states.len() / entries.len());
    let records: Vec<Record> = entries
        .iter()
        .enumerate()
        .map(|(row, entry)| Record {
            entry,
            vector: vectors.row(row),
            states: states.map(|states| &states[row * each..(row + 1) * each]),
        })
        .collect();
    Ok(writer.append(&records)?)
}

fn writer(out: &Path, header: &Header, options: &BuildOptions) -> Result<IndexWriter, Error> {
    Ok(if options.replace {
        IndexWriter::replace(out, header)?
    } else {
        IndexWriter::open(out, header)?
    })
}

fn entries(gallery: &Gallery, found: Vec<Found>) -> Vec<FoundEntry> {
    found
        .into_iter()
        .map(|found| FoundEntry {
            index: found.index,
            name: gallery.name(found.index).unwrap_or_default().to_owned(),
            path: gallery.path(found.index),
            score: found.score,
            itc_similarity: found.itc_similarity,
            itm_logit: found.itm_logit,
        })
        .collect()
}
