//! All inputs together: whenever one changes there is a new [`World`].

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::watch;

use super::{
    Config, Defaults, Exclude, FileError, LinkWatch, Links, Loaded, NetlinkError, Refused,
    file::{Dirs, FileWatch, Reader},
};

/// Everything a decision is made of, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// Counts the worlds of one process, from 1.
    pub generation: u64,
    /// What the administrator wants.
    pub config: Arc<Config>,
    /// The interfaces there are.
    pub links: Arc<Links>,
    /// The interfaces to leave alone.
    pub exclude: Arc<Exclude>,
}

/// Where the inputs are.
#[derive(Clone, Debug)]
pub struct SourcePaths {
    /// The configuration file.
    pub config: PathBuf,
    /// MetalLB's exclude file; it need not exist.
    pub exclude: PathBuf,
    /// Directory for the copies of the last good files.
    pub run_dir: PathBuf,
}

/// There is no world to start with.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file is bad and nothing can stand in for it.
    #[error("the configuration cannot be used:\n{0}")]
    File(FileError),
    /// The interfaces cannot be followed.
    #[error(transparent)]
    Links(#[from] NetlinkError),
}

/// A watch ended by itself, which is a fault of the program.
#[derive(Debug, thiserror::Error)]
#[error("nobody watches the {0} any more; restart the agent and report this")]
pub struct SourceGone(&'static str);

/// The watches. Dropping it ends them.
#[derive(Debug)]
pub struct Sources {
    generation: u64,
    dirs: Dirs,
    config: FileWatch<Config>,
    exclude: FileWatch<Exclude>,
    link_watch: LinkWatch,
    links: watch::Receiver<Arc<Links>>,
}

impl Sources {
    /// Reads both files and lists the interfaces of the calling thread's network namespace. A bad file is replaced by the
    /// copy of the last good one; a bad exclude file without a copy by MetalLB's patterns, because excluding too much is
    /// found at once and announcing on the devices of pods is not.
    ///
    /// # Errors
    /// When there is no usable configuration or the interfaces cannot be listed.
    pub async fn start(paths: &SourcePaths, defaults: Defaults) -> Result<Self, StartError> {
        let dirs = Dirs::watch([paths.config.as_path(), paths.exclude.as_path()]);
        let config = Reader {
            path: paths.config.clone(),
            copy: paths.run_dir.join("last-good.yaml"),
            parse: Box::new(move |text: &str, file: &Path| Config::parse(text, file, &defaults)),
            absent: None,
            last_resort: None,
        };
        let exclude = Reader {
            path: paths.exclude.clone(),
            copy: paths.run_dir.join("last-good-exclude.yaml"),
            parse: Box::new(Exclude::parse),
            absent: Some(Exclude::nothing),
            last_resort: Some(Exclude::metallb),
        };
        let config = FileWatch::start(config, &dirs).await.map_err(StartError::File)?;
        let exclude = FileWatch::start(exclude, &dirs).await.map_err(StartError::File)?;
        let link_watch = LinkWatch::start().await?;
        let links = link_watch.links();
        Ok(Self { generation: 0, dirs, config, exclude, link_watch, links })
    }

    /// The first world at once, then waits until anything changed and gives the newest. Nothing is lost when the future is
    /// dropped.
    ///
    /// # Errors
    /// When a watch ended by itself.
    pub async fn changed(&mut self) -> Result<World, SourceGone> {
        if self.generation > 0 {
            tokio::select! {
                config = self.config.loaded.changed() => config.map_err(|_gone| SourceGone("configuration file"))?,
                exclude = self.exclude.loaded.changed() => exclude.map_err(|_gone| SourceGone("exclude file"))?,
                links = self.links.changed() => links.map_err(|_gone| SourceGone("interfaces"))?,
            }
        }
        self.generation += 1;
        Ok(World {
            generation: self.generation,
            config: Arc::clone(&self.config.loaded.borrow_and_update().value),
            links: Arc::clone(&self.links.borrow_and_update()),
            exclude: Arc::clone(&self.exclude.loaded.borrow_and_update().value),
        })
    }

    /// Looks at the files now, as on SIGHUP. Text that did not change changes nothing.
    pub fn reload(&self) {
        self.dirs.look();
    }

    /// Lists the interfaces again: after attaching a program through a BPF link, of which the kernel tells nobody.
    pub fn refresh_links(&self) {
        self.link_watch.refresh();
    }

    /// The configuration in force, where it came from and since when.
    pub fn config(&self) -> Loaded<Config> {
        self.config.loaded.borrow().clone()
    }

    /// Why the newest configuration file and the newest exclude file are not in force.
    pub fn refused(&self) -> Vec<Refused> {
        [self.config.refused.borrow().clone(), self.exclude.refused.borrow().clone()].into_iter().flatten().collect()
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
