//! A repository of the hub, from the cache: the download itself is tested where it is done, in blip-weights.

use blip_core::weights::Hub;
use blip_core::{CaptionOptions, Captioner};

use crate::reference::{options, path};

#[test]
fn what_was_downloaded_loads_without_a_network() {
    let cache = tempfile::tempdir().unwrap();
    let repository = cache.path().join("models--owner--tiny");
    let snapshot = repository.join("snapshots/82a37760796d32b1411fe092ab5d4e227313294b");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::write(
        repository.join("refs/main"),
        "82a37760796d32b1411fe092ab5d4e227313294b",
    )
    .unwrap();
    for entry in std::fs::read_dir(path("hf_caption")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), snapshot.join(entry.file_name())).unwrap();
    }
    // Nobody listens there.
    let hub = Hub::new("http://127.0.0.1:9", cache.path());

    let captioner = Captioner::from_hub(&hub, "owner/tiny", "main", &options(), |_| {}).unwrap();
    let want = Captioner::from_path(path("hf_caption"), &options()).unwrap();
    let caption = |captioner: &Captioner| {
        captioner
            .caption_file(path("picture_0.png"), &CaptionOptions::default())
            .unwrap()
    };
    assert_eq!(caption(&captioner), caption(&want));

    let error = Captioner::from_hub(&hub, "owner/other", "main", &options(), |_| {})
        .err()
        .unwrap();
    assert!(blip_core::error_chain(&error).contains("127.0.0.1:9"), "{error}");
}
