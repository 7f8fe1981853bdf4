//! Where results and complaints go.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use blip_core::{ImageProcessor, error_chain};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{Found, Output, Picture};

/// Tells results on standard output and complaints on standard error, or both on standard output as JSON; with a bar on
/// standard error, where that is a terminal and there is something to wait for.
pub struct Report {
    output: Output,
    bar: ProgressBar,
    json: bool,
    subject: &'static str,
    failed: bool,
}

impl Report {
    /// A report without a bar; `subject` is what JSON calls the file that a complaint is about.
    pub fn new(json: bool, subject: &'static str) -> Self {
        Self {
            output: Output::new(),
            bar: ProgressBar::hidden(),
            json,
            subject,
            failed: false,
        }
    }

    /// Shows a bar for so many things, if they are several.
    pub fn wait_for(&mut self, count: usize, things: &str) {
        if count < 2 {
            return;
        }
        let style =
            ProgressStyle::with_template(&format!("{{bar:30}} {{pos}}/{{len}} {things}, {{eta}} left"));
        self.bar =
            ProgressBar::new(count as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    }

    /// So many more of them are done.
    pub fn advance(&self, count: usize) {
        self.bar.inc(count as u64);
    }

    /// Whether results are JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Tells a result.
    ///
    /// # Errors
    ///
    /// If standard output is closed.
    pub fn line(&mut self, line: impl Display) -> io::Result<()> {
        let Self { output, bar, .. } = self;
        bar.suspend(|| output.line(line))
    }

    /// Tells a part of a result.
    ///
    /// # Errors
    ///
    /// If standard output is closed.
    pub fn piece(&mut self, piece: &str) -> io::Result<()> {
        self.output.piece(piece)
    }

    /// Tells what is wrong with one file or folder; the rest go on.
    ///
    /// # Errors
    ///
    /// If standard output is closed.
    pub fn failure(&mut self, path: &Path, error: &(dyn Error + 'static)) -> io::Result<()> {
        self.failed = true;
        if self.json {
            let subject = self.subject;
            return self.line(json!({subject: path.display().to_string(), "error": error_chain(error)}));
        }
        self.bar
            .suspend(|| eprintln!("error: {}", complaint(path, error)));
        Ok(())
    }

    /// Does something with each picture. What is wrong with a picture is told, and the rest go on; what is wrong with the
    /// request ends it.
    ///
    /// # Errors
    ///
    /// Those of `with`, and if standard output is closed.
    pub fn each(
        &mut self,
        found: &[Found],
        processor: &ImageProcessor,
        mut with: impl FnMut(&mut Self, Picture) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        self.wait_for(found.len(), "pictures");
        for found in found {
            match found {
                Ok(path) => match Picture::open(processor, path) {
                    Ok(picture) => with(self, picture)?,
                    Err(error) => self.failure(path, &error)?,
                },
                Err((folder, error)) => self.failure(folder, error)?,
            }
            self.advance(1);
        }
        Ok(())
    }

    /// The exit status: 1 if there was a failure.
    pub fn finish(self) -> ExitCode {
        self.bar.finish_and_clear();
        if self.failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// What is wrong with a file, naming it.
pub(crate) fn complaint(path: &Path, error: &(dyn Error + 'static)) -> String {
    let (path, error) = (path.display().to_string(), error_chain(error));
    // An error of reading names its file itself.
    let named = [path.clone(), format!("cannot read {path}")];
    if named.iter().any(|start| error.starts_with(start)) {
        error
    } else {
        format!("{path}: {error}")
    }
}
