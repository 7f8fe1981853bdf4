//! Data sets named on a command line.

use std::path::{Path, PathBuf};

use blip_data::{CaptionRecord, DataError, ReadOptions, Record, RecordSet};

/// The original's JSON records of any kind; what is left out is told.
///
/// # Errors
///
/// If a file cannot be read, or has no record that can be used.
pub fn open_records<R: Record>(files: &[PathBuf], options: &ReadOptions) -> Result<RecordSet<R>, DataError> {
    Ok(told(RecordSet::open_json(files, options)?))
}

/// Pictures with captions: JSON records, a folder of pictures with texts beside them, or tar shards; what is left out is
/// told.
///
/// # Errors
///
/// As [`open_records`].
pub fn open_captions(
    paths: &[PathBuf],
    options: &ReadOptions,
) -> Result<RecordSet<CaptionRecord>, DataError> {
    let is_tar = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "tar");
    match paths {
        [folder] if Path::is_dir(folder) => Ok(told(RecordSet::open_folder(folder, options)?)),
        shards if shards.iter().all(is_tar) => Ok(told(RecordSet::open_shards(shards, options)?)),
        files => open_records(files, options),
    }
}

fn told<R: Record>(data: RecordSet<R>) -> RecordSet<R> {
    if data.skipped().count() > 0 {
        eprintln!("{}", data.skipped());
    }
    data
}
