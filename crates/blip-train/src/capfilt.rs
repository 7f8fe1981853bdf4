//! CapFilt: a captioner writes texts for the web's pictures, and a filter keeps those, of the web's and its own, that
//! match.
//!
//! ```text
//! picture ─┬─ Captioner, nucleus sampling ─▶ synthetic texts ─┐
//!          └──────────────────────── web texts ───────────────┴─ Matcher, P(match) ≥ threshold ─▶ kept, with scores
//! ```
//!
//! Source: Li et al. 2022, section 3.3 and table 2 (nucleus sampling with p = 0.9; a text is noise if the matching head
//! says so). The original's repository has no code for it.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use blip_core::{CaptionOptions, Captioner, FirstToken, MatchOptions, Matcher, RgbImage};
use blip_data::{CaptionRecord, DataError, Dataset, Sample};
use serde_json::{Value, json};

use crate::TrainError;

/// The settings of CapFilt.
#[derive(Clone, Debug, PartialEq)]
pub struct CapFiltOptions {
    /// Synthetic texts for each picture; alike ones count once.
    pub captions: usize,
    /// What the texts are drawn from: the likeliest tokens whose probability reaches this.
    pub top_p: f32,
    /// And no more than so many of them; 0 is all.
    pub top_k: usize,
    /// Below 1 sharpens the distribution, above 1 flattens it.
    pub temperature: f32,
    /// Tokens that a text may have, with its prompt, first and last token.
    pub max_length: usize,
    /// Tokens that a text has at least, with its prompt and first token.
    pub min_length: usize,
    /// The least probability of a match that is kept; 0 keeps everything, which is a captioner without a filter.
    pub threshold: f32,
    /// Whether the web's texts are candidates.
    pub web: bool,
    /// Where the draws come from: with the number of the picture.
    pub seed: u64,
}

impl Default for CapFiltOptions {
    fn default() -> Self {
        Self {
            captions: 1,
            top_p: 0.9,
            top_k: 50,
            temperature: 1.0,
            max_length: 20,
            min_length: 5,
            threshold: 0.5,
            web: true,
            seed: 42,
        }
    }
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextSource {
    /// The data set.
    Web,
    /// The captioner.
    Synthetic,
}

impl TextSource {
    fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Synthetic => "synthetic",
        }
    }
}

/// A text, and what the filter thinks of it.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedText {
    /// The text.
    pub caption: String,
    /// Where it comes from.
    pub source: TextSource,
    /// The probability that it matches its picture, by the matching head.
    pub itm_probability: f32,
    /// Whether that is enough.
    pub kept: bool,
}

/// What a run over a data set came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapFiltReport {
    /// Pictures that were read, in this run and those before it.
    pub pictures: usize,
    /// Records that are broken.
    pub broken: usize,
    /// Web texts that were judged.
    pub web: usize,
    /// Of them, those that were kept.
    pub web_kept: usize,
    /// Synthetic texts that were judged.
    pub synthetic: usize,
    /// Of them, those that were kept.
    pub synthetic_kept: usize,
}

/// What happens on the way.
#[derive(Debug)]
pub enum CapFiltEvent<'a> {
    /// A picture's texts are judged and on disk.
    Picture {
        /// Its place in the data set.
        index: usize,
        /// All of its texts.
        texts: &'a [JudgedText],
    },
    /// A record is broken, and left out.
    Broken {
        /// Its place in the data set.
        index: usize,
        /// What is wrong with it.
        error: &'a DataError,
    },
}

/// A captioner and a filter.
#[derive(Clone, Copy)]
pub struct CapFilt<'a> {
    captioner: &'a Captioner,
    filter: &'a Matcher,
}

impl<'a> CapFilt<'a> {
    /// From a captioner and a matcher; they may share their image encoder, and each may be of another size.
    pub fn new(captioner: &'a Captioner, filter: &'a Matcher) -> Self {
        Self { captioner, filter }
    }

    /// Writes texts for a picture and judges them and its own.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] and [`TrainError::Blip`] for settings that nothing can be drawn with.
    pub fn judge<S: AsRef<str>>(
        &self,
        image: &RgbImage,
        web: &[S],
        options: &CapFiltOptions,
        index: usize,
    ) -> Result<Vec<JudgedText>, TrainError> {
        let mut candidates: Vec<(String, TextSource)> = Vec::new();
        if options.web {
            candidates.extend(web.iter().map(|text| (text.as_ref().to_owned(), TextSource::Web)));
        }
        if options.captions > 0 {
            let settings = CaptionOptions {
                sample: true,
                num_return_sequences: Some(options.captions),
                top_p: Some(options.top_p),
                top_k: Some(options.top_k),
                temperature: Some(options.temperature),
                max_length: Some(options.max_length),
                min_length: Some(options.min_length),
                seed: Some(
                    options
                        .seed
                        .wrapping_add((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                ),
                ..CaptionOptions::default()
            };
            let pixels = preprocess(self.captioner.processor(), image)?;
            for caption in self.captioner.caption(&pixels, &settings)? {
                let known = candidates
                    .iter()
                    .any(|(text, source)| *source == TextSource::Synthetic && *text == caption.text);
                if !known {
                    candidates.push((caption.text, TextSource::Synthetic));
                }
            }
        }
        // The matching head was trained on [ENC].
        let options_of = MatchOptions {
            first_token: Some(FirstToken::Enc),
        };
        let mut judged = Vec::with_capacity(candidates.len());
        if candidates.is_empty() {
            return Ok(judged);
        }
        let pixels = preprocess(self.filter.processor(), image)?;
        let texts: Vec<&str> = candidates.iter().map(|(text, _)| text.as_str()).collect();
        let matches = self.filter.match_texts(&pixels, &texts, &options_of)?;
        for ((caption, source), found) in candidates.iter().zip(matches.into_iter().flatten()) {
            judged.push(JudgedText {
                caption: caption.clone(),
                source: *source,
                itm_probability: found.itm_probability,
                kept: found.itm_probability >= options.threshold,
            });
        }
        Ok(judged)
    }

    /// Runs over a data set and writes what is kept, one JSON object a line: `{"image", "caption", "source",
    /// "itm_probability"}`, which is a data set itself.
    ///
    /// A run that was killed goes on where it stopped: what is done is said in a file beside `out`, which goes when the
    /// run is complete.
    ///
    /// # Errors
    ///
    /// [`TrainError::Checkpoint`] if `out` is there and is not of an unfinished run with these settings;
    /// [`TrainError::Io`] for what the operating system refuses.
    pub fn run<D: Dataset<Sample = Sample<CaptionRecord>>>(
        &self,
        dataset: &D,
        options: &CapFiltOptions,
        out: &Path,
        mut on_event: impl FnMut(CapFiltEvent<'_>),
    ) -> Result<CapFiltReport, TrainError> {
        let mut progress = Progress::open(out, dataset.len(), options)?;
        while progress.next < dataset.len() {
            let index = progress.next;
            let mut lines = String::new();
            match dataset.sample(index) {
                Err(error) => {
                    progress.report.broken += 1;
                    on_event(CapFiltEvent::Broken { index, error: &error });
                    progress.append(&lines)?;
                }
                Ok(sample) => {
                    let texts = self.judge(&sample.image, &sample.record.captions, options, index)?;
                    progress.report.pictures += 1;
                    for text in &texts {
                        let (judged, kept) = match text.source {
                            TextSource::Web => (&mut progress.report.web, &mut progress.report.web_kept),
                            TextSource::Synthetic => (
                                &mut progress.report.synthetic,
                                &mut progress.report.synthetic_kept,
                            ),
                        };
                        *judged += 1;
                        if text.kept {
                            *kept += 1;
                            let line = json!({
                                "image": sample.record.image,
                                "caption": text.caption,
                                "source": text.source.name(),
                                "itm_probability": text.itm_probability,
                            });
                            lines.push_str(&format!("{line}\n"));
                        }
                    }
                    progress.append(&lines)?;
                    on_event(CapFiltEvent::Picture { index, texts: &texts });
                }
            }
        }
        progress.finish()
    }
}

fn preprocess(
    processor: &blip_core::ImageProcessor,
    image: &RgbImage,
) -> Result<blip_traits::PixelValues, TrainError> {
    Ok(processor.preprocess(image).map_err(blip_core::Error::from)?)
}

/// How far a run is.
struct Progress {
    out: PathBuf,
    beside: PathBuf,
    file: File,
    /// Bytes of `out` that are of pictures that are done.
    bytes: u64,
    next: usize,
    report: CapFiltReport,
    of: Value,
}

impl Progress {
    fn open(out: &Path, len: usize, options: &CapFiltOptions) -> Result<Self, TrainError> {
        let wrong = |path: &Path, what: &str| TrainError::Checkpoint {
            path: path.to_owned(),
            what: what.to_owned(),
        };
        let mut beside = out.as_os_str().to_owned();
        beside.push(".progress");
        let beside = PathBuf::from(beside);
        let of = json!([len, format!("{options:?}")]);
        let (mut bytes, mut next, mut report) = (0, 0, CapFiltReport::default());
        match fs::read_to_string(&beside) {
            Ok(text) => {
                let state: Value =
                    serde_json::from_str(&text).map_err(|error| wrong(&beside, &error.to_string()))?;
                if state["of"] != of {
                    let what = "of a run over other data or with other settings; remove it to begin again";
                    return Err(wrong(&beside, what));
                }
                let number = |field: &str| {
                    state[field]
                        .as_u64()
                        .ok_or_else(|| wrong(&beside, "expected a number in every field"))
                };
                bytes = number("bytes")?;
                next = number("next")? as usize;
                report = CapFiltReport {
                    pictures: number("pictures")? as usize,
                    broken: number("broken")? as usize,
                    web: number("web")? as usize,
                    web_kept: number("web_kept")? as usize,
                    synthetic: number("synthetic")? as usize,
                    synthetic_kept: number("synthetic_kept")? as usize,
                };
            }
            Err(_) if out.exists() => {
                return Err(wrong(out, "there already, and not of an unfinished run"));
            }
            Err(_) => {}
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(out);
        let mut file = file.map_err(io("open", out))?;
        // What a killed run wrote after its last complete picture goes.
        file.set_len(bytes).map_err(io("cut", out))?;
        file.seek(SeekFrom::End(0)).map_err(io("read", out))?;
        let mut progress = Self {
            out: out.to_owned(),
            beside,
            file,
            bytes,
            next,
            report,
            of,
        };
        progress.save()?;
        Ok(progress)
    }

    /// Writes the lines of the next picture.
    fn append(&mut self, lines: &str) -> Result<(), TrainError> {
        self.file
            .write_all(lines.as_bytes())
            .map_err(io("write", &self.out))?;
        self.bytes += lines.len() as u64;
        self.next += 1;
        self.save()
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let report = &self.report;
        let state = json!({
            "of": self.of, "bytes": self.bytes, "next": self.next,
            "pictures": report.pictures, "broken": report.broken,
            "web": report.web, "web_kept": report.web_kept,
            "synthetic": report.synthetic, "synthetic_kept": report.synthetic_kept,
        });
        let partial = self.beside.with_extension("partial");
        fs::write(&partial, state.to_string()).map_err(io("write", &partial))?;
        fs::rename(&partial, &self.beside).map_err(io("rename", &partial))
    }

    fn finish(self) -> Result<CapFiltReport, TrainError> {
        self.file.sync_all().map_err(io("write", &self.out))?;
        fs::remove_file(&self.beside).map_err(io("remove", &self.beside))?;
        Ok(self.report)
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> TrainError {
    let path = path.to_owned();
    move |source| TrainError::Io { action, path, source }
}
