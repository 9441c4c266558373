//! What `manifests/` says, for the tools that build and test what it names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::paths;

/// The folder that `kubectl apply -k` takes.
#[must_use]
pub fn folder() -> PathBuf {
    paths::root().join("manifests")
}

/// What the base consists of.
#[derive(Debug, Deserialize)]
pub struct Kustomization {
    /// Files, relative to the folder.
    pub resources: Vec<String>,
    /// Tags of images.
    #[serde(default)]
    pub images: Vec<Image>,
}

/// The tag of an image.
#[derive(Debug, Deserialize)]
pub struct Image {
    /// As pods name it.
    pub name: String,
    /// Tag that is put behind it.
    #[serde(rename = "newTag")]
    pub tag: String,
}

/// Reads `manifests/kustomization.yaml`.
///
/// # Errors
/// If it cannot be read or has another shape.
pub fn kustomization() -> Result<Kustomization> {
    read(&folder().join("kustomization.yaml"))
}

/// Name and tag of the image that the pods run.
///
/// # Errors
/// As [`kustomization`], or if it names no image.
pub fn image() -> Result<String> {
    let all = kustomization()?.images;
    let image = all.first().context("manifests/kustomization.yaml names no image: write `images:`")?;
    Ok(format!("{}:{}", image.name, image.tag))
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("read {}", path.display()))
}

/// Every object of the base: the files of the kustomization, document by document.
///
/// # Errors
/// If a file is missing or is not YAML.
pub fn objects() -> Result<Vec<serde_json::Value>> {
    let mut objects = Vec::new();
    for file in kustomization()?.resources {
        let path = folder().join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let documents: Vec<serde_json::Value> =
            serde_saphyr::from_multiple(&text).with_context(|| format!("read {}", path.display()))?;
        objects.extend(documents);
    }
    Ok(objects)
}
