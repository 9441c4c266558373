//! A certificate that somebody else makes: `tls.crt` and `tls.key` in a folder, such as a Secret of cert-manager that is mounted.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};

use super::tls::{Served, TlsError};
use crate::program::with_causes;

/// Certificate and key in a Secret of type `kubernetes.io/tls`.
const FILES: [&str; 2] = ["tls.crt", "tls.key"];

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Why the files are not served.
#[derive(Debug, thiserror::Error)]
enum FilesError {
    #[error("read {0}; the folder has to hold tls.crt and tls.key")]
    Read(PathBuf, #[source] std::io::Error),
    #[error("serve the certificate in {0}")]
    Use(PathBuf, #[source] TlsError),
}

/// Serves what the folder holds, now and whenever it changes. `loaded` becomes true with the first certificate.
pub async fn follow(folder: PathBuf, served: Arc<Served>, loaded: watch::Sender<bool>) {
    let (mut now, mut told) = (<[String; 2]>::default(), String::new());
    loop {
        match look(&folder, &now, &served).await {
            Ok(None) => told.clear(),
            Ok(Some(new)) => {
                info!(folder = %folder.display(), "serving another certificate");
                now = new;
                told.clear();
                loaded.send_replace(true);
            }
            Err(error) => {
                let text = with_causes(&error);
                if text != told {
                    warn!(folder = %folder.display(), "the certificate stays as it was: {text}");
                    told = text;
                }
            }
        }
        sleep(LOOK).await;
    }
}

/// The new pair, if it is another than `now` and is served.
async fn look(folder: &std::path::Path, now: &[String; 2], served: &Served) -> Result<Option<[String; 2]>, FilesError> {
    let read = async |name: &str| {
        let path = folder.join(name);
        tokio::fs::read_to_string(&path).await.map_err(|error| FilesError::Read(path, error))
    };
    let [certificate, key] = FILES;
    let new = [read(certificate).await?, read(key).await?];
    if new == *now {
        return Ok(None);
    }
    served.exchange(&new[0], &new[1]).map_err(|error| FilesError::Use(folder.to_owned(), error))?;
    Ok(Some(new))
}
