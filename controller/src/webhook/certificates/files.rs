//! A certificate that somebody else makes: `tls.crt` and `tls.key` in a folder, such as a Secret of cert-manager that is mounted.

use std::{path::PathBuf, sync::Arc, time::Duration};

use arpeggio_common::program::with_causes;
use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};

use super::stored::{LEAF, Pair};
use crate::webhook::tls::{Served, TlsError};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Why the files are not served.
#[derive(Debug, thiserror::Error)]
enum FilesError {
    #[error("read {0}; --cert-dir has to hold tls.crt and tls.key")]
    Read(PathBuf, #[source] std::io::Error),
    #[error("serve the certificate in {0}")]
    Use(PathBuf, #[source] TlsError),
}

/// Serves what the folder holds, now and whenever it changes. `loaded` becomes true with the first certificate.
pub async fn follow(folder: PathBuf, served: Arc<Served>, loaded: watch::Sender<bool>) {
    let (mut now, mut told) = (Pair::default(), String::new());
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
                    warn!("the webhooks go on as they were: {text}");
                    told = text;
                }
            }
        }
        sleep(LOOK).await;
    }
}

/// The new pair, if it is another than `now` and is served.
async fn look(folder: &std::path::Path, now: &Pair, served: &Served) -> Result<Option<Pair>, FilesError> {
    let read = async |name: &str| {
        let path = folder.join(name);
        tokio::fs::read_to_string(&path).await.map_err(|error| FilesError::Read(path, error))
    };
    let new = Pair { certificate: read(LEAF[0]).await?, key: read(LEAF[1]).await? };
    if new == *now {
        return Ok(None);
    }
    served.exchange(&new.certificate, &new.key).map_err(|error| FilesError::Use(folder.to_owned(), error))?;
    Ok(Some(new))
}
