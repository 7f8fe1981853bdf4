//! Searches galleries: pictures by text, texts by picture, and either by its like.
//!
//! ```text
//! cargo run --release --example search -- build holidays --model blip-itm-base-coco --out holidays.index
//! cargo run --release --example search -- query holidays.index --model blip-itm-base-coco --text "a dog on a beach"
//! ```

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use blip_core::index::{GalleryKind, StateType};
use blip_core::{BuildEvent, BuildOptions, FoundEntry, Retriever, SearchOptions};
use blip_examples::{ModelArgs, Report, Usage, count, exit, list, some};
use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use serde_json::json;

/// Searches galleries: pictures by text, texts by picture, and either by its like.
#[derive(Parser)]
#[command(name = "search")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the index of a gallery, or bring it up to date: what is new or has changed is computed, and nothing else.
    ///
    /// A build that was killed goes on where it was when it is started again. Files that cannot be read are reported and
    /// left out; the status is then 1.
    Build(Build),
    /// Find what fits a text or a picture, best first.
    ///
    /// itc_similarity is the cosine of the query's and the entry's vectors, -1 to 1. itm_logit is the matching head's score
    /// of a match, before the softmax, where the entries were ranked again. score is what the entries are ranked by:
    /// itm_logit + itc_similarity where they were ranked again, else itc_similarity.
    Query(Query),
}

#[derive(clap::Args)]
struct Build {
    /// A folder of pictures; or a .txt file, whose lines become a gallery of texts.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    #[command(flatten)]
    model: ModelArgs,

    /// The index file.
    #[arg(long, value_name = "INDEX")]
    out: PathBuf,

    /// Leave out the pictures of subfolders.
    #[arg(long)]
    no_recursive: bool,

    /// Entries that are encoded together; a build that is killed loses at most so many.
    #[arg(long, default_value_t = 8, value_name = "B", value_parser = count)]
    batch_size: usize,

    /// Keep what --rerank looks at, which is faster than to read the pictures again: 1.8 MB a picture of 384 pixels in
    /// f32, half as much in f16.
    #[arg(long, value_enum, value_name = "TYPE")]
    keep_states: Option<States>,

    /// Replace an index of another gallery or another model, one that keeps other states, or a damaged one.
    #[arg(long)]
    replace: bool,

    /// JSON on standard output: an object for each file that was left out, and a last one with the numbers of entries,
    /// of those computed now, and of those left out.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(group = ArgGroup::new("what").required(true))]
struct Query {
    /// An index of the same model.
    #[arg(value_name = "INDEX")]
    index: PathBuf,

    /// What to search for, in words.
    #[arg(long, value_name = "T", group = "what")]
    text: Option<String>,

    /// What to search for, as a picture.
    #[arg(long, value_name = "F", group = "what")]
    image: Option<PathBuf>,

    #[command(flatten)]
    model: ModelArgs,

    /// Entries that are told.
    #[arg(long, default_value_t = 10, value_name = "K", value_parser = some)]
    top_k: usize,

    /// Nearest entries that the matching head ranks again, at least --top-k of them; 0 leaves the order to the cosine.
    /// Pictures by text or texts by picture only.
    #[arg(long, default_value_t = 0, value_name = "K")]
    rerank: usize,

    /// One JSON object an entry on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum States {
    F32,
    F16,
}

fn main() -> ExitCode {
    exit(match Cli::parse().command {
        Command::Build(build) => build.run(),
        Command::Query(query) => query.run(),
    })
}

impl Build {
    fn run(&self) -> Result<ExitCode, Box<dyn Error>> {
        let texts = self.texts()?;
        let options = BuildOptions {
            recursive: !self.no_recursive,
            batch_size: self.batch_size,
            keep_states: self.keep_states.map(|states| match states {
                States::F32 => StateType::F32,
                States::F16 => StateType::F16,
            }),
            replace: self.replace,
        };
        let retriever: Retriever = self.model.load()?;
        let mut report = Report::new(self.json, "path");
        // A build goes on though nobody listens any more.
        let mut heard = Ok(());
        let mut on_event = |event: BuildEvent<'_>| {
            let told = tell(event, &mut report);
            if heard.is_ok() {
                heard = told;
            }
        };
        let built = match &texts {
            Some(texts) => retriever.build_texts(texts, &self.out, &options, &mut on_event)?,
            None => retriever.build(&self.folder, &self.out, &options, &mut on_event)?,
        };
        heard?;
        let (entries, computed, skipped) = (built.entries, built.computed, built.skipped.len());
        let index = self.out.display();
        if self.json {
            report.line(json!({
                "index": index.to_string(),
                "entries": entries,
                "computed": computed,
                "skipped": skipped,
            }))?;
        } else {
            report.line(format_args!(
                "{index}: {entries} entries ({computed} computed now), {skipped} left out"
            ))?;
        }
        Ok(report.finish())
    }

    /// The lines of a .txt file.
    fn texts(&self) -> Result<Option<Vec<String>>, Box<dyn Error>> {
        let ending = self.folder.extension();
        if self.folder.is_dir() || !ending.is_some_and(|ending| ending.eq_ignore_ascii_case("txt")) {
            return Ok(None);
        }
        for (flag, given) in [
            ("--keep-states", self.keep_states.is_some()),
            ("--no-recursive", self.no_recursive),
        ] {
            if given {
                return Err(Usage(format!("{flag} has no effect on a gallery of texts")).into());
            }
        }
        Ok(Some(list(&self.folder)?))
    }
}

fn tell(event: BuildEvent<'_>, report: &mut Report) -> io::Result<()> {
    match event {
        BuildEvent::Found { entries, unchanged } => report.wait_for(entries - unchanged, "entries"),
        BuildEvent::Computed { entries } => report.advance(entries),
        BuildEvent::Skipped { path, error } => {
            report.failure(path, error)?;
            report.advance(1);
        }
        _ => {}
    }
    Ok(())
}

impl Query {
    fn run(&self) -> Result<ExitCode, Box<dyn Error>> {
        let options = SearchOptions {
            top_k: self.top_k,
            rerank: self.rerank,
        };
        let retriever: Retriever = self.model.load()?;
        let gallery = retriever.open(&self.index)?;
        let found = match (&self.text, &self.image) {
            (Some(text), _) => retriever.search_text(&gallery, text, &options)?,
            (None, Some(image)) => retriever.search_image_file(&gallery, image, &options)?,
            (None, None) => return Err(Usage("expected --text or --image".to_owned()).into()),
        };
        let name = match gallery.kind() {
            GalleryKind::Texts => "text",
            _ => "path",
        };
        let mut report = Report::new(self.json, "path");
        for entry in &found {
            self.tell(entry, name, &mut report)?;
        }
        Ok(report.finish())
    }

    fn tell(&self, entry: &FoundEntry, name: &str, report: &mut Report) -> io::Result<()> {
        let shown = entry.path.as_deref().map(Path::display);
        let shown = shown.map_or_else(|| entry.name.clone(), |path| path.to_string());
        if self.json {
            return report.line(json!({
                name: shown,
                "score": entry.score,
                "itc_similarity": entry.itc_similarity,
                "itm_logit": entry.itm_logit,
            }));
        }
        let itm = entry
            .itm_logit
            .map_or_else(String::new, |logit| format!("  itm {logit:8.4}"));
        report.line(format_args!(
            "{:8.4}  itc {:7.4}{itm}  {shown}",
            entry.score, entry.itc_similarity
        ))
    }
}
