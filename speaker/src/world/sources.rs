//! All inputs together: whenever one changes there is a new [`World`].

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::watch;

use super::{
    Cluster, ClusterPaths, Config, Defaults, Exclude, FileError, LinkWatch, Links, Loaded, NetlinkError, Refused,
    file::{Dirs, FileWatch, Reader},
    keyed::Keyed,
    kube::{ClientError, Kubernetes, KubernetesError},
    relevant::decide_alike,
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

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A file: static mode.
    File(PathBuf),
    /// The Kubernetes API, and a file with settings.
    Cluster(ClusterPaths),
}

/// Where the inputs are.
#[derive(Clone, Debug)]
pub struct SourcePaths {
    /// The configuration.
    pub config: Origin,
    /// The file of keys, where the configuration names none; it need not exist.
    pub keys: Option<PathBuf>,
    /// MetalLB's exclude file; it need not exist.
    pub exclude: PathBuf,
    /// Directory of what the next start goes on from: copies of the last good files, the last word of the API server.
    pub state_dir: PathBuf,
    /// Directory of FRR's sockets; it need not exist.
    pub frr_sockets: PathBuf,
}

/// There is no world to start with.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file is bad and nothing can stand in for it.
    #[error("the configuration cannot be used:\n{0}")]
    File(FileError),
    /// It is not known how to reach the API server.
    #[error("the Kubernetes API cannot be followed")]
    Client(#[source] ClientError),
    /// The interfaces cannot be followed.
    #[error(transparent)]
    Links(#[from] NetlinkError),
}

impl From<KubernetesError> for StartError {
    fn from(error: KubernetesError) -> Self {
        match error {
            KubernetesError::Settings(error) => Self::File(error),
            KubernetesError::Client(error) => Self::Client(error),
        }
    }
}

/// The configuration, always up to date.
#[derive(Debug)]
enum Configuration {
    File { keyed: Keyed, file: FileWatch<Config> },
    Cluster(Box<Kubernetes>),
}

impl Configuration {
    async fn start(paths: &SourcePaths, dirs: &Dirs, defaults: Defaults) -> Result<Self, StartError> {
        let path = match &paths.config {
            Origin::Cluster(cluster) => {
                return Ok(Self::Cluster(Box::new(Kubernetes::start(cluster, paths, dirs, defaults).await?)));
            }
            Origin::File(path) => path.clone(),
        };
        let config = Reader {
            path,
            copy: Some(paths.state_dir.join("last-good.yaml")),
            parse: Box::new(move |text: &str, file: &Path, changed_s| {
                Config::parse(text, file, &defaults).map(|config| config.of_file(changed_s))
            }),
            absent: None,
            last_resort: None,
        };
        let file = FileWatch::start(config, dirs).await.map_err(StartError::File)?;
        let keyed = Keyed::start(file.loaded.clone(), paths.keys.clone(), dirs).await;
        Ok(Self::File { keyed, file })
    }

    /// Cancel safe.
    async fn changed(&mut self) -> Result<(), SourceGone> {
        match self {
            Self::File { keyed, .. } => keyed.loaded.changed().await.map_err(|_gone| SourceGone("configuration file")),
            Self::Cluster(source) => source.config.changed().await.map_err(|_gone| SourceGone("Kubernetes API")),
        }
    }

    fn loaded(&self) -> Option<Loaded<Config>> {
        match self {
            Self::File { keyed, .. } => Some(keyed.loaded.borrow().clone()),
            Self::Cluster(source) => source.config.borrow().clone(),
        }
    }

    /// The newest, which is no change any more.
    fn take(&mut self) -> Option<Arc<Config>> {
        match self {
            Self::File { keyed, .. } => Some(Arc::clone(&keyed.loaded.borrow_and_update().value)),
            Self::Cluster(source) => source.config.borrow_and_update().as_ref().map(|loaded| Arc::clone(&loaded.value)),
        }
    }

    /// Why the newest configuration is not in force, and the newest file of keys.
    fn refused(&self) -> [Option<Refused>; 2] {
        match self {
            Self::File { keyed, file } => [file.refused.borrow().clone(), keyed.refused()],
            Self::Cluster(source) => source.refused(),
        }
    }
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
    config: Configuration,
    exclude: FileWatch<Exclude>,
    link_watch: LinkWatch,
    links: watch::Receiver<Arc<Links>>,
    /// Those of the last world.
    decided: Arc<Links>,
}

impl Sources {
    /// Reads both files and lists the interfaces of the calling thread's network namespace. A bad file is replaced by the
    /// copy of the last good one; a bad exclude file without a copy by MetalLB's patterns, because excluding too much is
    /// found at once and announcing on the devices of pods is not.
    ///
    /// # Errors
    /// When there is no usable configuration or the interfaces cannot be listed.
    pub async fn start(paths: &SourcePaths, defaults: Defaults) -> Result<Self, StartError> {
        let file = match &paths.config {
            Origin::File(path) => Some(path),
            Origin::Cluster(cluster) => cluster.settings.as_ref(),
        };
        let dirs = Dirs::watch(file.into_iter().chain([&paths.exclude]).map(PathBuf::as_path));
        let exclude = Reader {
            path: paths.exclude.clone(),
            copy: Some(paths.state_dir.join("last-good-exclude.yaml")),
            parse: Box::new(|text: &str, file: &Path, _changed_s| Exclude::parse(text, file)),
            absent: Some(Box::new(Exclude::nothing)),
            last_resort: Some(Exclude::metallb),
        };
        let config = Configuration::start(paths, &dirs, defaults).await?;
        let exclude = FileWatch::start(exclude, &dirs).await.map_err(StartError::File)?;
        let link_watch = LinkWatch::start().await?;
        let links = link_watch.links();
        Ok(Self { generation: 0, dirs, config, exclude, link_watch, links, decided: Arc::default() })
    }

    /// The first world as soon as there is a configuration, which of a file is at once; then waits until anything changed and
    /// gives the newest. Interfaces that no decision depends on change nothing; [`Self::links`] has them. Nothing is lost when
    /// the future is dropped.
    ///
    /// # Errors
    /// When a watch ended by itself.
    pub async fn changed(&mut self) -> Result<World, SourceGone> {
        loop {
            if self.generation > 0 || self.config.loaded().is_none() {
                tokio::select! {
                    config = self.config.changed() => config?,
                    exclude = self.exclude.loaded.changed() => exclude.map_err(|_gone| SourceGone("exclude file"))?,
                    links = self.links.changed() => {
                        links.map_err(|_gone| SourceGone("interfaces"))?;
                        let newest = Arc::clone(&self.links.borrow_and_update());
                        if decide_alike(&self.decided, &newest, &self.exclude.loaded.borrow().value) {
                            continue;
                        }
                    }
                }
            }
            let Some(config) = self.config.take() else { continue };
            self.generation += 1;
            self.decided = Arc::clone(&self.links.borrow_and_update());
            return Ok(World {
                generation: self.generation,
                config,
                links: Arc::clone(&self.decided),
                exclude: Arc::clone(&self.exclude.loaded.borrow_and_update().value),
            });
        }
    }

    /// Looks at the files now, as on SIGHUP. Text that did not change changes nothing.
    pub fn reload(&self) {
        self.dirs.look();
    }

    /// Lists the interfaces again: after attaching a program through a BPF link, of which the kernel tells nobody.
    pub fn refresh_links(&self) {
        self.link_watch.refresh();
    }

    /// All interfaces as they are now.
    pub fn links(&self) -> Arc<Links> {
        Arc::clone(&self.links.borrow())
    }

    /// The configuration in force, where it came from and since when; `None` before the API server said anything.
    pub fn config(&self) -> Option<Loaded<Config>> {
        self.config.loaded()
    }

    /// The way to the API server and what is seen there; `None` in static mode.
    pub const fn cluster(&self) -> Option<&Cluster> {
        match &self.config {
            Configuration::Cluster(source) => Some(&source.cluster),
            Configuration::File { .. } => None,
        }
    }

    /// Why the newest configuration file, file of keys and exclude file are not in force.
    pub fn refused(&self) -> Vec<Refused> {
        let exclude = self.exclude.refused.borrow().clone();
        self.config.refused().into_iter().chain([exclude]).flatten().collect()
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
