//! Downloads from the Hugging Face hub, into the cache that its own tools use.
//!
//! ```text
//! GET /api/models/{repo}/revision/{revision} ─▶ commit, file names
//! GET /{repo}/resolve/{commit}/{file}        ─▶ {cache}/models--{owner}--{name}/snapshots/{commit}/{file}
//!                                               {cache}/models--{owner}--{name}/refs/{revision}: the commit
//! ```
//!
//! Files lie in the snapshot itself, as `huggingface_hub` stores them where links are not to be had, so either
//! finds what the other has downloaded. What was broken off is taken up again where it stopped.
//!
//! The client is `ureq`: blocking, and a tenth of what `hf-hub` 1.0 brings (an async runtime, reqwest, hf-xet).
//! Only this module of the workspace opens a socket.
//!
//! Source: huggingface_hub 1.x `file_download.py` (cache layout), <https://huggingface.co/docs/hub/api>.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ureq::http::Response;
use ureq::{Agent, Body};

use crate::folder::{self, COMPANIONS, ShardIndex};
use crate::{Checkpoint, WeightsError};

/// Largest answer about a repository.
const MOST_JSON: u64 = 16 << 20;

const CHUNK: usize = 1 << 18;

/// How far the download of one file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The file's name in the repository.
    pub file: &'a str,
    /// Bytes that are on the disk.
    pub done: u64,
    /// Bytes of the file, where the server says.
    pub total: Option<u64>,
}

/// A hub, and the folder in which its files are kept.
#[derive(Debug, Clone)]
pub struct Hub {
    endpoint: String,
    cache: PathBuf,
    token: Option<Token>,
}

#[derive(Clone)]
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

impl Hub {
    /// A hub at `endpoint`, with its files in `cache`.
    pub fn new(endpoint: impl Into<String>, cache: impl Into<PathBuf>) -> Self {
        Self {
            endpoint: endpoint.into().trim_end_matches('/').to_owned(),
            cache: cache.into(),
            token: None,
        }
    }

    /// The hub of the environment: `HF_ENDPOINT`, `HF_HUB_CACHE` (or `HF_HOME`, or `~/.cache/huggingface`) and
    /// `HF_TOKEN`, as `huggingface_hub` reads them.
    pub fn from_env() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = || match variable("HF_HOME") {
            Some(home) => PathBuf::from(home),
            None => std::env::home_dir()
                .unwrap_or_default()
                .join(".cache")
                .join("huggingface"),
        };
        let cache = variable("HF_HUB_CACHE").map_or_else(|| home().join("hub"), PathBuf::from);
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let hub = Self::new(endpoint, cache);
        match variable("HF_TOKEN") {
            None => hub,
            Some(token) => hub.with_token(token),
        }
    }

    /// With an access token, for repositories that ask for one. It is sent to the endpoint and no further.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token(token.into()));
        self
    }

    /// Downloads what a model needs, and returns its folder: the configuration, the tokenizer, the preprocessor,
    /// and the weights in the first of the layouts that [`Checkpoint::open`] looks for.
    ///
    /// `repo_id` is `owner/name`, `revision` a branch, tag, commit or `refs/pr/23`. What is in the cache is not
    /// loaded again; without a network, a complete snapshot of the revision is taken as it is.
    ///
    /// # Errors
    ///
    /// A name that is none, a repository or revision that is not there or not public, a transfer that broke off
    /// (call again to go on), and what the operating system refuses.
    pub fn download(
        &self,
        repo_id: &str,
        revision: &str,
        mut progress: impl FnMut(Progress<'_>),
    ) -> Result<PathBuf, WeightsError> {
        let kind = "repository id (owner/name)";
        check_name(kind, repo_id, 2)?;
        check_name("revision", revision, 8)?;
        let repo = self.cache.join(format!("models--{}", repo_id.replace('/', "--")));
        let reference = repo.join("refs").join(revision);

        let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
        let url = format!(
            "{}/api/models/{repo_id}/revision/{}",
            self.endpoint,
            revision.replace('/', "%2F")
        );
        let (commit, files) = match self.get(&agent, &url, 0) {
            Ok(answer) => listing(&url, answer)?,
            Err(error @ WeightsError::Hub { .. }) => return cached(&repo, &reference).ok_or(error),
            Err(error) => return Err(error),
        };
        let weights = folder::NAMES
            .into_iter()
            .find(|name| files.iter().any(|file| file == name));
        let weights = weights.ok_or_else(|| WeightsError::HubAnswer {
            url: url.clone(),
            expected: folder::NAMES.join(" or "),
        })?;

        let snapshot = repo.join("snapshots").join(&commit);
        let mut fetch = |name: &str| {
            let url = format!("{}/{repo_id}/resolve/{commit}/{name}", self.endpoint);
            self.fetch(&agent, &url, &snapshot, name, &mut progress)
        };
        for name in COMPANIONS
            .into_iter()
            .filter(|name| files.iter().any(|file| file == name))
        {
            fetch(name)?;
        }
        fetch(weights)?;
        if weights.ends_with(".index.json") {
            for shard in ShardIndex::read(&snapshot.join(weights))?.shards() {
                // The index was checked: a shard is a plain file name.
                fetch(&shard.file_name().unwrap_or_default().to_string_lossy())?;
            }
        }
        write_reference(&reference, &commit)?;
        Ok(snapshot)
    }

    /// Gets `url` from byte `start` on.
    fn get(&self, agent: &Agent, url: &str, start: u64) -> Result<Response<Body>, WeightsError> {
        let mut request = agent.get(url);
        if let Some(Token(token)) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if start > 0 {
            request = request.header("Range", format!("bytes={start}-"));
        }
        let response = request.call().map_err(|source| broken(url, source))?;
        match response.status().as_u16() {
            200 | 206 => Ok(response),
            status => Err(WeightsError::HubStatus {
                url: url.to_owned(),
                status,
            }),
        }
    }

    /// Downloads one file into `folder`, unless it is there.
    fn fetch(
        &self,
        agent: &Agent,
        url: &str,
        folder: &Path,
        name: &str,
        progress: &mut impl FnMut(Progress<'_>),
    ) -> Result<(), WeightsError> {
        let path = folder.join(name);
        if path.is_file() {
            return Ok(());
        }
        std::fs::create_dir_all(folder).map_err(WeightsError::io(folder, "create"))?;
        let part = folder.join(format!("{name}.incomplete"));
        let io = |action| WeightsError::io(&part, action);
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .append(true)
            .open(&part)
            .map_err(io("create"))?;
        // Another process may be at it; when it has finished, there is nothing left to do.
        file.lock().map_err(io("lock"))?;
        if path.is_file() {
            return Ok(());
        }

        let start = file.seek(SeekFrom::End(0)).map_err(io("read"))?;
        let mut response = match self.get(agent, url, start) {
            // Nothing from there on: what we have is no part of this file.
            Err(WeightsError::HubStatus { status: 416, .. }) => {
                file.set_len(0).map_err(io("write"))?;
                self.get(agent, url, 0)?
            }
            response => response?,
        };
        let mut done = start;
        if response.status().as_u16() != 206 {
            file.set_len(0).map_err(io("write"))?;
            done = 0;
        }
        let total = response.body().content_length().map(|rest| done + rest);
        copy(
            url,
            &part,
            &mut response.body_mut().as_reader(),
            &mut file,
            |bytes| {
                done += bytes;
                progress(Progress {
                    file: name,
                    done,
                    total,
                });
            },
        )?;
        if total.is_some_and(|total| total != done) {
            return Err(broken(
                url,
                std::io::Error::from(std::io::ErrorKind::UnexpectedEof),
            ));
        }
        drop(file);
        std::fs::rename(&part, &path).map_err(WeightsError::io(&path, "rename the download to"))
    }
}

/// Copies a response to a file, and says of every chunk how long it was.
fn copy(
    url: &str,
    path: &Path,
    from: &mut impl Read,
    to: &mut File,
    mut wrote: impl FnMut(u64),
) -> Result<(), WeightsError> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk).map_err(|source| broken(url, source))? {
            0 => return Ok(()),
            length => {
                to.write_all(&chunk[..length])
                    .map_err(WeightsError::io(path, "write"))?;
                wrote(length as u64);
            }
        }
    }
}

/// The commit and the file names of a repository.
fn listing(url: &str, mut answer: Response<Body>) -> Result<(String, Vec<String>), WeightsError> {
    let invalid = |expected: &str| WeightsError::HubAnswer {
        url: url.to_owned(),
        expected: expected.to_owned(),
    };
    let mut text = Vec::new();
    let read = answer
        .body_mut()
        .as_reader()
        .take(MOST_JSON)
        .read_to_end(&mut text);
    read.map_err(|source| broken(url, source))?;
    let json: serde_json::Value = serde_json::from_slice(&text).map_err(|_| invalid("JSON"))?;
    // The commit becomes the name of a folder.
    let commit = json["sha"]
        .as_str()
        .filter(|sha| !sha.is_empty() && sha.bytes().all(|c| c.is_ascii_hexdigit()));
    let commit = commit.ok_or_else(|| invalid("a commit as \"sha\""))?;
    let files = json["siblings"]
        .as_array()
        .ok_or_else(|| invalid("a list of files as \"siblings\""))?;
    let files = files
        .iter()
        .filter_map(|file| file["rfilename"].as_str().map(str::to_owned))
        .collect();
    Ok((commit.to_owned(), files))
}

/// The snapshot that a revision had when it was last downloaded, if all of it is there.
fn cached(repo: &Path, reference: &Path) -> Option<PathBuf> {
    let commit = std::fs::read_to_string(reference).ok()?;
    let snapshot = repo.join("snapshots").join(commit.trim());
    Checkpoint::open(&snapshot).is_ok().then_some(snapshot)
}

fn write_reference(path: &Path, commit: &str) -> Result<(), WeightsError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(WeightsError::io(folder, "create"))?;
    std::fs::write(path, commit).map_err(WeightsError::io(path, "write"))
}

/// Names become URLs and folders: letters, digits, `-`, `_` and `.`, in at most `most` steps.
fn check_name(kind: &'static str, name: &str, most: usize) -> Result<(), WeightsError> {
    let steps: Vec<&str> = name.split('/').collect();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let valid = |step: &&str| !step.is_empty() && !step.starts_with('.') && step.chars().all(allowed);
    if steps.len() <= most && steps.iter().all(valid) {
        return Ok(());
    }
    Err(WeightsError::HubName {
        kind,
        name: name.to_owned(),
    })
}

/// What a status of the hub usually means.
pub(crate) fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => " (a private or gated repository, or one that is not there, needs HF_TOKEN)",
        404 => " (no such repository, revision or file)",
        429 => " (too many requests; try later)",
        _ => "",
    }
}

fn broken(url: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> WeightsError {
    WeightsError::Hub {
        url: url.to_owned(),
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_cache_are_none() {
        for name in ["Salesforce/blip-vqa-base", "gpt2"] {
            assert!(check_name("repository id", name, 2).is_ok(), "{name}");
        }
        assert!(check_name("revision", "refs/pr/23", 8).is_ok());
        for name in [
            "",
            "..",
            "../x",
            "a/../b",
            "a//b",
            "/a",
            "a/b/c",
            "a b",
            "a\\b",
            "a?b",
            "https://x",
        ] {
            assert!(check_name("repository id", name, 2).is_err(), "{name}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let hub = Hub::new("http://127.0.0.1/", "cache").with_token("secret");
        assert!(!format!("{hub:?}").contains("secret"));
        assert_eq!(hub.endpoint, "http://127.0.0.1");
    }
}
