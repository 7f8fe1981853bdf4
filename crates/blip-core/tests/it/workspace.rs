//! Who may depend on whom, read from the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Normal dependencies of each package of the workspace: name to (features, whether default features are on).
type Dependencies = BTreeMap<String, BTreeMap<String, (Vec<String>, bool)>>;

fn dependencies() -> Dependencies {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().unwrap().clone();
    list(&metadata["packages"])
        .iter()
        .map(|package| {
            let normal = list(&package["dependencies"])
                .iter()
                // A normal dependency has no kind.
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| {
                    let features = list(&dependency["features"]).iter().map(text).collect();
                    let default = dependency["uses_default_features"].as_bool().unwrap();
                    (text(&dependency["name"]), (features, default))
                })
                .collect();
            (text(&package["name"]), normal)
        })
        .collect()
}

/// A package's dependencies inside the workspace.
fn ours(dependencies: &Dependencies, package: &str) -> BTreeSet<String> {
    let names = dependencies[package].keys();
    names
        .filter(|name| dependencies.contains_key(*name))
        .cloned()
        .collect()
}

#[test]
fn parts_depend_on_the_contract_and_not_on_each_other() {
    let dependencies = dependencies();
    let expected: [(&str, &[&str]); 14] = [
        ("blip-traits", &[]),
        // The kernels are behind a feature.
        ("blip-nn", &["blip-kernels", "blip-traits"]),
        ("blip-vit", &["blip-nn", "blip-traits"]),
        ("blip-decoder", &["blip-nn", "blip-traits"]),
        ("blip-tasks", &["blip-traits"]),
        ("blip-processor", &["blip-traits"]),
        ("blip-weights", &[]),
        ("blip-index", &["blip-traits"]),
        ("blip-testkit", &["blip-traits"]),
        ("blip-metrics", &[]),
        ("blip-data", &["blip-processor"]),
        // Under a feature, the trained model.
        ("blip-demo", &["blip-core", "blip-processor"]),
        ("blip-kernels", &[]),
        // Training works on the whole tree.
        (
            "blip-train",
            &["blip-core", "blip-data", "blip-encoder", "blip-nn", "blip-traits"],
        ),
    ];
    for (package, expected) in expected {
        let expected: BTreeSet<String> = expected.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(ours(&dependencies, package), expected, "{package}");
    }
}

#[test]
fn no_part_chooses_a_backend() {
    let dependencies = dependencies();
    for (package, dependencies) in &dependencies {
        if let Some((features, default)) = dependencies.get("burn") {
            assert!(!default, "{package} takes burn's default features");
            // Training takes optimizers and the graph of gradients, which run on any backend.
            let expected: &[&str] = match package.as_str() {
                "blip-train" => &["optim", "std"],
                _ => &["std"],
            };
            let mut features = features.clone();
            features.sort();
            assert_eq!(features, expected, "{package}");
        }
    }
}

#[test]
fn each_outside_library_has_one_home() {
    let dependencies = dependencies();
    let homes: [(&str, &[&str]); 7] = [
        ("tokenizers", &["blip-processor"]),
        // A log's curves are written with it, under a feature.
        ("image", &["blip-processor", "blip-train"]),
        // The demonstration model's files are put together from parts; the testkit reads goldens, which are no models.
        ("safetensors", &["blip-demo", "blip-testkit", "blip-weights"]),
        ("pytorch-reader", &["blip-weights"]),
        // The kernels map no file: weights lie in large pages.
        ("memmap2", &["blip-index", "blip-kernels", "blip-weights"]),
        ("ureq", &["blip-weights"]),
        ("tar", &["blip-data"]),
    ];
    for (library, expected) in homes {
        let users: Vec<&str> = dependencies
            .iter()
            .filter(|(_, dependencies)| dependencies.contains_key(library))
            .map(|(package, _)| package.as_str())
            .collect();
        assert_eq!(users, expected, "{library}");
    }
}
