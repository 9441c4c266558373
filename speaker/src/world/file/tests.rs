//! Files as administrators, editors and Kubernetes change them.

use std::{fs, os::unix::fs::symlink, path::Path};

use arpeggio_speaker_config::Problem;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// Content that is good when it is a number.
fn reader(directory: &Path) -> Reader<u32> {
    let parse = |text: &str, file: &Path, _changed_s: u64| {
        let refuse = |error: std::num::ParseIntError| FileError {
            file: file.to_owned(),
            problems: vec![Problem::new(1, "", error.to_string())],
        };
        text.trim().parse().map_err(refuse)
    };
    Reader {
        path: directory.join("conf/number"),
        copy: Some(directory.join("run/last-good")),
        parse: Box::new(parse),
        absent: None,
        last_resort: None,
    }
}

struct Files {
    directory: tempfile::TempDir,
    dirs: Dirs,
}

impl Files {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("conf")).unwrap();
        fs::write(directory.path().join("conf/number"), text).unwrap();
        let dirs = Dirs::watch([directory.path().join("conf/number").as_path()]);
        assert_eq!(dirs.interval(), Duration::from_secs(10), "the tests need inotify");
        Self { directory, dirs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, text: &str) {
        fs::write(self.path("conf/number"), text).unwrap();
    }

    async fn start(&self) -> FileWatch<u32> {
        FileWatch::start(reader(self.directory.path()), &self.dirs).await.unwrap()
    }
}

impl FileWatch<u32> {
    fn value(&self) -> u32 {
        *self.loaded.borrow().value
    }

    async fn becomes(&mut self, wanted: u32) {
        let came = timeout(LIMIT, self.loaded.wait_for(|loaded| *loaded.value == wanted)).await;
        assert!(came.is_ok_and(|came| came.is_ok()), "still {}, refused: {:?}", self.value(), self.refused.borrow());
    }

    async fn is_refused(&mut self) -> FileError {
        let came = timeout(LIMIT, self.refused.wait_for(Option::is_some)).await;
        came.expect("in time").unwrap().clone().unwrap().error
    }

    async fn is_good_again(&mut self) {
        timeout(LIMIT, self.refused.wait_for(Option::is_none)).await.expect("in time").unwrap();
    }
}

#[tokio::test]
async fn a_written_file_is_taken() {
    let files = Files::new("1");
    let mut watch = files.start().await;
    assert_eq!((watch.value(), watch.loaded.borrow().file.clone()), (1, files.path("conf/number")));
    files.write("2");
    watch.becomes(2).await;
    assert_eq!(fs::read_to_string(files.path("run/last-good")).unwrap(), "2");
}

#[tokio::test]
async fn a_bad_file_keeps_the_good_one_in_force() {
    let files = Files::new("1");
    let mut watch = files.start().await;
    files.write("two");
    assert!(watch.is_refused().await.to_string().contains("invalid digit"));
    assert_eq!((watch.value(), fs::read_to_string(files.path("run/last-good")).unwrap().as_str()), (1, "1"));
    fs::remove_file(files.path("conf/number")).unwrap();
    timeout(LIMIT, watch.refused.changed()).await.unwrap().unwrap();
    assert!(watch.is_refused().await.to_string().ends_with("there is no such file; create it"));
    assert_eq!(watch.value(), 1);
    files.write("1");
    watch.is_good_again().await;
    assert!(!watch.loaded.has_changed().unwrap(), "the same content is no change");
    files.write("3");
    watch.becomes(3).await;
}

#[tokio::test]
async fn an_editor_renames_over_the_file() {
    let files = Files::new("1");
    let mut watch = files.start().await;
    fs::write(files.path("conf/.number.swp"), "2").unwrap();
    fs::rename(files.path("conf/.number.swp"), files.path("conf/number")).unwrap();
    watch.becomes(2).await;
}

/// A mounted ConfigMap: the file is a link through `..data`, a link that is swapped.
#[tokio::test]
async fn kubernetes_swaps_a_link() {
    let files = Files::new("1");
    fs::remove_file(files.path("conf/number")).unwrap();
    for (version, text) in [("..v1", "1"), ("..v2", "2")] {
        fs::create_dir(files.path("conf").join(version)).unwrap();
        fs::write(files.path("conf").join(version).join("number"), text).unwrap();
    }
    symlink("..v1", files.path("conf/..data")).unwrap();
    symlink("..data/number", files.path("conf/number")).unwrap();
    let mut watch = files.start().await;
    assert_eq!(watch.value(), 1);
    symlink("..v2", files.path("conf/..data_tmp")).unwrap();
    fs::rename(files.path("conf/..data_tmp"), files.path("conf/..data")).unwrap();
    fs::remove_dir_all(files.path("conf/..v1")).unwrap();
    watch.becomes(2).await;
}

#[tokio::test]
async fn somebody_may_ask_for_a_look() {
    let files = Files::new("1");
    let blind = Dirs::blind();
    let mut watch = FileWatch::start(reader(files.directory.path()), &blind).await.unwrap();
    files.write("2");
    blind.look();
    watch.becomes(2).await;
}

#[tokio::test]
async fn without_inotify_files_are_looked_at_now_and_then() {
    let files = Files::new("1");
    let blind = Dirs::blind();
    let mut watch = FileWatch::start(reader(files.directory.path()), &blind).await.unwrap();
    files.write("2");
    watch.becomes(2).await;
}

#[tokio::test]
async fn looking_is_no_reason_to_look() {
    let files = Files::new("1");
    let _watch = files.start().await;
    let mut reasons = files.dirs.news();
    files.dirs.look();
    reasons.changed().await.unwrap();
    for _ in 0..5 {
        fs::read_to_string(files.path("conf/number")).unwrap();
    }
    assert!(timeout(SETTLE * 6, reasons.changed()).await.is_err(), "reading counts as a change");
}

#[tokio::test]
async fn the_last_good_copy_stands_in_at_the_start() {
    let files = Files::new("7");
    drop(files.start().await);
    files.write("bad");
    let mut watch = files.start().await;
    assert_eq!((watch.value(), watch.loaded.borrow().file.clone()), (7, files.path("run/last-good")));
    assert!(watch.is_refused().await.file.ends_with("conf/number"));
    files.write("8");
    watch.becomes(8).await;
    watch.is_good_again().await;
    assert_eq!(watch.loaded.borrow().file, files.path("conf/number"));
}

#[tokio::test]
async fn with_neither_there_is_no_start_unless_there_is_a_last_resort() {
    let files = Files::new("bad");
    let error = FileWatch::start(reader(files.directory.path()), &files.dirs).await.unwrap_err();
    assert!(error.to_string().contains("conf/number:1: invalid digit"), "{error}");
    fs::create_dir(files.path("run")).unwrap();
    fs::write(files.path("run/last-good"), "bad too").unwrap();
    let error = FileWatch::start(reader(files.directory.path()), &files.dirs).await.unwrap_err();
    assert!(error.file.ends_with("conf/number"), "{error}");
    let patient = Reader { last_resort: Some(|| 99), ..reader(files.directory.path()) };
    let mut watch = FileWatch::start(patient, &files.dirs).await.unwrap();
    assert_eq!(watch.value(), 99);
    watch.is_refused().await;
}

#[tokio::test]
async fn a_file_that_need_not_be_there_may_come_and_go() {
    let files = Files::new("1");
    fs::remove_file(files.path("conf/number")).unwrap();
    let optional = Reader { absent: Some(Box::new(|| 0)), ..reader(files.directory.path()) };
    let mut watch = FileWatch::start(optional, &files.dirs).await.unwrap();
    assert_eq!((watch.value(), watch.refused.borrow().is_some()), (0, false));
    files.write("4");
    watch.becomes(4).await;
    fs::remove_file(files.path("conf/number")).unwrap();
    watch.becomes(0).await;
}

#[tokio::test]
async fn what_is_no_text_is_refused() {
    let files = Files::new("1");
    let mut watch = files.start().await;
    fs::write(files.path("conf/number"), [0xff, 0xfe]).unwrap();
    let error = watch.is_refused().await.to_string();
    assert!(error.contains("the file cannot be read (stream did not contain valid UTF-8)"), "{error}");
}

/// A writer that truncates, waits and writes is not caught half-way.
#[tokio::test]
async fn half_a_file_is_not_taken() {
    let files = Files::new("1");
    let mut watch = files.start().await;
    for _ in 0..4 {
        files.write("");
        sleep(SETTLE / 5).await;
        files.write("22");
        sleep(SETTLE / 5).await;
    }
    watch.becomes(22).await;
    assert!(watch.refused.borrow().is_none(), "the empty file was read");
}

#[tokio::test]
async fn a_copy_that_cannot_be_kept_does_not_stop_anything() {
    let files = Files::new("1");
    fs::write(files.path("run"), "a file where the directory should be").unwrap();
    let mut watch = files.start().await;
    files.write("2");
    watch.becomes(2).await;
}

#[test]
fn a_relative_path_has_a_directory() {
    let dirs = Dirs::watch([Path::new("number")]);
    assert_eq!(dirs.interval(), Duration::from_secs(10));
}
