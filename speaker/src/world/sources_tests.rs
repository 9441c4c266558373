//! The three watches together, on real files and interfaces.

use std::{fs, time::Duration};

use arpeggio_succession::generation::{Basis, basis};
use tokio::time::timeout;

use super::*;
use crate::world::testing::{in_namespace, ip};

const LIMIT: Duration = Duration::from_secs(10);

fn paths(directory: &Path) -> SourcePaths {
    SourcePaths {
        config: Origin::File(directory.join("config.yaml")),
        keys: None,
        exclude: directory.join("excludel2.yaml"),
        state_dir: directory.join("run"),
        frr_sockets: directory.join("frr"),
    }
}

impl SourcePaths {
    fn file(&self) -> &Path {
        match &self.config {
            Origin::File(path) => path,
            Origin::Cluster(_) => panic!("static mode"),
        }
    }
}

/// The first world that is as wanted.
async fn until(sources: &mut Sources, wanted: impl Fn(&World) -> bool) -> World {
    let search = async {
        loop {
            let world = sources.changed().await.unwrap();
            if wanted(&world) {
                return world;
            }
        }
    };
    timeout(LIMIT, search).await.expect("the world changes in time")
}

fn announce(address: &str) -> String {
    format!("node: node-a\nannouncements:\n- address: {address}\n  l2: {{candidates: [node-a]}}\n")
}

#[test]
fn every_input_makes_a_new_world() {
    in_namespace(async || {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path());
        fs::write(paths.file(), announce("192.0.2.1")).unwrap();
        let mut sources = Sources::start(&paths, Defaults::default()).await.unwrap();
        let first = timeout(LIMIT, sources.changed()).await.unwrap().unwrap();
        let changed = fs::metadata(paths.file()).unwrap().modified().unwrap();
        let changed_s = changed.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(basis(first.config.newest_order()), Basis::Changed(changed_s), "an order is as old as the file");
        assert_eq!((first.generation, first.config.announcements.len(), first.links.0.len()), (1, 1, 1));
        assert_eq!(*first.exclude, Exclude::nothing());

        ip("link add w0 type veth peer name w1");
        let mut links = sources.links.clone();
        timeout(LIMIT, links.wait_for(|links| links.0.len() == 3)).await.unwrap().unwrap();
        let none = timeout(Duration::from_millis(50), sources.changed()).await;
        assert!(none.is_err() && sources.links().0.len() == 3, "interfaces that are down decide nothing");
        ip("link set w0 up");
        ip("link set w1 up");
        let second = until(&mut sources, |world| world.links.0.len() == 3).await;
        assert!(second.generation > 1 && Arc::ptr_eq(&first.config, &second.config));

        fs::write(&paths.exclude, "announcedInterfacesToExclude: [^w1$]").unwrap();
        let third = until(&mut sources, |world| world.exclude.excludes("w1").is_some()).await;
        assert!(Arc::ptr_eq(&second.config, &third.config));

        fs::write(paths.file(), announce("192.0.2.2")).unwrap();
        let wanted = "192.0.2.2".parse().unwrap();
        until(&mut sources, |world| world.config.announcements.contains_key(&wanted)).await;
        assert_eq!((sources.config().unwrap().file, sources.refused()), (paths.file().to_owned(), vec![]));

        fs::write(paths.file(), "announcements: 1").unwrap();
        let mut refused = {
            let Configuration::File { file, .. } = &sources.config else { panic!("static mode") };
            file.refused.clone()
        };
        timeout(LIMIT, refused.wait_for(Option::is_some)).await.unwrap().unwrap();
        assert!(sources.refused()[0].error.to_string().contains("config.yaml:1: announcements: "));
        assert!(sources.config().unwrap().value.announcements.contains_key(&wanted), "the good one stays in force");
        assert!(timeout(Duration::from_millis(100), sources.changed()).await.is_err(), "a bad file is no new world");
    });
}

#[test]
fn a_bad_exclude_file_at_the_start_means_metallbs_patterns() {
    in_namespace(async || {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path());
        fs::write(paths.file(), announce("192.0.2.1")).unwrap();
        fs::write(&paths.exclude, "announcedInterfacesToExclude: ['(']").unwrap();
        let mut sources = Sources::start(&paths, Defaults::default()).await.unwrap();
        assert_eq!(*sources.changed().await.unwrap().exclude, Exclude::metallb());
        assert_eq!(sources.refused().len(), 1);
    });
}

#[test]
fn without_a_configuration_there_is_no_start_but_with_a_copy() {
    in_namespace(async || {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path());
        let error = Sources::start(&paths, Defaults::default()).await.unwrap_err().to_string();
        assert!(error.ends_with("config.yaml: there is no such file; create it"), "{error}");
        fs::write(paths.file(), announce("192.0.2.1")).unwrap();
        drop(Sources::start(&paths, Defaults::default()).await.unwrap());
        let age = |file: &Path| {
            fs::metadata(file).unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap()
        };
        let changed_s = age(paths.file()).as_secs();
        fs::write(paths.file(), "{").unwrap();
        let mut sources = Sources::start(&paths, Defaults::default()).await.unwrap();
        let config = sources.changed().await.unwrap().config;
        let newest = basis(config.newest_order());
        assert_eq!((config.announcements.len(), newest), (1, Basis::Changed(changed_s)), "a copy is no newer");
        assert_eq!(sources.config().unwrap().file, paths.state_dir.join("last-good.yaml"));
    });
}
