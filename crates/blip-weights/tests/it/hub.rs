//! Downloads from a hub that this test serves on the loopback address.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use blip_weights::{Checkpoint, Hub, WeightsError};

use crate::golden;

const COMMIT: &str = "82a37760796d32b1411fe092ab5d4e227313294b";

/// A hub with one repository, `owner/tiny`.
struct Server {
    endpoint: String,
    /// Request lines with their range, in order.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves these files; of the one named `broken`, the first answer stops after 100 bytes.
    fn start(files: &[(&str, Vec<u8>)], broken: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let files: HashMap<String, Vec<u8>> = files
            .iter()
            .map(|(name, bytes)| (format!("/owner/tiny/resolve/{COMMIT}/{name}"), bytes.clone()))
            .collect();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        // The thread ends with the process.
        std::thread::spawn(move || {
            let mut broken = broken;
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &files, &log, &mut broken);
            }
        });
        Self { endpoint, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test has failed").clone()
    }
}

fn answer(
    mut stream: TcpStream,
    files: &HashMap<String, Vec<u8>>,
    log: &Mutex<Vec<String>>,
    broken: &mut Option<&'static str>,
) {
    let lines: Vec<String> = BufReader::new(&stream)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .map(|line| line.to_ascii_lowercase())
        .collect();
    let path = lines[0].split(' ').nth(1).expect("a path").to_owned();
    let range = lines.iter().find_map(|line| {
        line.strip_prefix("range: bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    });
    log.lock()
        .expect("no test has failed")
        .push(format!("{path} {}", range.unwrap_or(0)));

    let siblings: Vec<_> = files
        .keys()
        .map(|path| serde_json::json!({"rfilename": path.rsplit('/').next()}))
        .collect();
    let listing = serde_json::json!({"sha": COMMIT, "siblings": siblings})
        .to_string()
        .into_bytes();
    let body = match path.as_str() {
        "/api/models/owner/tiny/revision/main" | "/api/models/owner/tiny/revision/refs%2fpr%2f23" => {
            Some(&listing)
        }
        path => files.get(path),
    };
    let (status, body) = match (body, range) {
        (None, _) => ("404 Not Found", &[][..]),
        (Some(body), None) => ("200 OK", &body[..]),
        (Some(body), Some(start)) => ("206 Partial Content", &body[start..]),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let sent = match *broken {
        Some(name) if path.ends_with(name) => {
            *broken = None;
            &body[..100]
        }
        _ => body,
    };
    // A client that hangs up is its own affair.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(sent));
}

#[test]
fn a_repository_is_downloaded_once_and_found_without_a_network() {
    let files = [
        ("config.json", b"{}".to_vec()),
        ("model.safetensors", golden::bytes("model.safetensors")),
        ("pytorch_model.bin", b"not wanted".to_vec()),
        ("README.md", b"not wanted".to_vec()),
    ];
    let server = Server::start(&files, None);
    let cache = tempfile::tempdir().expect("a folder");
    let hub = Hub::new(&server.endpoint, cache.path());
    let mut last = HashMap::new();
    let folder = hub
        .download("owner/tiny", "main", |progress| {
            last.insert(progress.file.to_owned(), (progress.done, progress.total));
        })
        .expect("a download");
    assert_eq!(
        folder,
        cache.path().join("models--owner--tiny/snapshots").join(COMMIT)
    );
    assert_eq!(
        Checkpoint::open(&folder).expect("a checkpoint").tensors(),
        golden::open("model.safetensors").tensors()
    );
    let size = files[1].1.len() as u64;
    assert_eq!(last["model.safetensors"], (size, Some(size)));
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["config.json", "model.safetensors"]);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);

    // Again: only the commit is asked for.
    assert_eq!(
        hub.download("owner/tiny", "main", |_| ()).expect("cached"),
        folder
    );
    assert_eq!(server.requests().len(), 4);

    // Nobody listens at port 0.
    let offline = Hub::new("http://127.0.0.1:0", cache.path());
    assert_eq!(
        offline.download("owner/tiny", "main", |_| ()).expect("cached"),
        folder
    );
    let error = offline
        .download("owner/other", "main", |_| ())
        .expect_err("never downloaded");
    assert!(matches!(error, WeightsError::Hub { .. }), "{error}");
}

#[test]
fn a_broken_download_goes_on_where_it_stopped() {
    let server = Server::start(
        &[("pytorch_model.bin", golden::bytes("wrapped.pth"))],
        Some("pytorch_model.bin"),
    );
    let cache = tempfile::tempdir().expect("a folder");
    let hub = Hub::new(&server.endpoint, cache.path());
    let error = hub
        .download("owner/tiny", "refs/pr/23", |_| ())
        .expect_err("it breaks off");
    assert!(matches!(error, WeightsError::Hub { .. }), "{error}");
    let folder = hub
        .download("owner/tiny", "refs/pr/23", |_| ())
        .expect("a download");
    assert_eq!(
        std::fs::read(folder.join("pytorch_model.bin")).expect("a file"),
        golden::bytes("wrapped.pth")
    );
    assert!(
        server
            .requests()
            .last()
            .expect("a request")
            .ends_with("pytorch_model.bin 100")
    );
}

#[test]
fn shards_are_fetched_by_their_index() {
    let names = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ];
    let files = names.map(|name| (name, golden::bytes(&format!("sharded/{name}"))));
    let server = Server::start(&files, None);
    let cache = tempfile::tempdir().expect("a folder");
    let folder = Hub::new(&server.endpoint, cache.path())
        .download("owner/tiny", "main", |_| ())
        .expect("a download");
    assert_eq!(
        Checkpoint::open(folder).expect("shards").tensors(),
        golden::open("sharded").tensors()
    );
}

#[test]
fn what_is_not_there_is_said() {
    let server = Server::start(&[("README.md", b"hello".to_vec())], None);
    let cache = tempfile::tempdir().expect("a folder");
    let hub = Hub::new(&server.endpoint, cache.path());
    let error = hub
        .download("owner/other", "main", |_| ())
        .expect_err("another repository");
    assert!(
        matches!(error, WeightsError::HubStatus { status: 404, .. }),
        "{error}"
    );
    let error = hub
        .download("owner/tiny", "main", |_| ())
        .expect_err("no weights");
    assert!(matches!(error, WeightsError::HubAnswer { .. }), "{error}");
    let error = hub.download("../tiny", "main", |_| ()).expect_err("no name");
    assert!(matches!(error, WeightsError::HubName { .. }), "{error}");
    assert_eq!(server.requests().len(), 2);
}
