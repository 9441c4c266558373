//! Files of keys as administrators and Kubernetes change them.

use std::{fs, os::unix::fs::symlink, time::Duration};

use tokio::time::timeout;

use super::*;
use crate::world::Defaults;

const LIMIT: Duration = Duration::from_secs(10);
const ONE: &str = "keys: [\"00000000000000000000000000000001\"]\n";
const OTHER: &str = "keys: [\"00000000000000000000000000000002\"]\n";

fn config(text: &str) -> Loaded<Config> {
    let config =
        Config::parse(&format!("node: a\nannouncements: []\n{text}"), Path::new("a"), &Defaults::default()).unwrap();
    Loaded { value: Arc::new(config), file: "a".into(), at: std::time::UNIX_EPOCH }
}

impl Keyed {
    /// Waits until it signs with the key of this number; 0: with none.
    async fn signs(&mut self, number: u8) {
        let signs =
            |loaded: &Loaded<Config>| loaded.value.succession.keys.sign().map_or(0, |key| key.bytes()[15]) == number;
        let came = timeout(LIMIT, self.loaded.wait_for(signs)).await;
        assert!(came.is_ok_and(|came| came.is_ok()), "{:?}", self.loaded.borrow().value.succession.keys);
    }

    async fn is_refused(&mut self, refused: bool) {
        let wanted = |why: &Option<Refused>| why.is_some() == refused;
        assert!(timeout(LIMIT, self.refused.wait_for(wanted)).await.is_ok_and(|came| came.is_ok()));
    }
}

#[tokio::test]
async fn a_volume_of_a_secret_is_followed_and_a_bad_one_keeps_the_last_keys() {
    let folder = tempfile::tempdir().unwrap();
    let version = |name: &str, text: &str| {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("keys.yaml"), text).unwrap();
        symlink(name, folder.path().join("..data_tmp")).unwrap();
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
    };
    let path = folder.path().join("keys.yaml");
    let dirs = Dirs::watch([path.as_path()]);
    let (_config, receiver) = watch::channel(config(""));
    let mut keyed = Keyed::start(receiver, Some(path.clone()), &dirs).await;
    keyed.signs(0).await;
    // As kubelet does: a link to a file behind a link that is swapped.
    version("..1", ONE);
    symlink("..data/keys.yaml", &path).unwrap();
    keyed.signs(1).await;
    version("..2", "keys: [no]");
    keyed.is_refused(true).await;
    keyed.signs(1).await;
    version("..3", OTHER);
    keyed.signs(2).await;
    keyed.is_refused(false).await;
    // The Secret is deleted: whoever takes part goes on, or the others would take it for a stranger.
    fs::remove_file(&path).unwrap();
    let unsigned = |loaded: &Loaded<Config>| loaded.value.succession.keys.sign().is_none();
    assert!(timeout(Duration::from_millis(300), keyed.loaded.wait_for(unsigned)).await.is_err());
    symlink("..data/keys.yaml", &path).unwrap();
    version("..4", ONE);
    keyed.signs(1).await;
}

#[tokio::test]
async fn the_file_that_the_configuration_names_is_the_one() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    fs::write(&one, ONE).unwrap();
    fs::write(&other, OTHER).unwrap();
    let dirs = Dirs::watch([one.as_path()]);
    let (sender, receiver) = watch::channel(config(""));
    let mut keyed = Keyed::start(receiver, Some(one), &dirs).await;
    keyed.signs(1).await;
    let named = |path: &Path| config(&format!("succession: {{key_file: {}}}", path.display()));
    sender.send(named(&other)).unwrap();
    keyed.signs(2).await;
    sender.send(named(&folder.path().join("none"))).unwrap();
    keyed.signs(0).await;
}

#[tokio::test]
async fn a_file_that_is_bad_from_the_start_means_no_key_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.yaml");
    fs::write(&path, "keys: []").unwrap();
    let dirs = Dirs::watch([path.as_path()]);
    let (_sender, receiver) = watch::channel(config(""));
    let mut keyed = Keyed::start(receiver, Some(path), &dirs).await;
    keyed.is_refused(true).await;
    keyed.signs(0).await;
}
