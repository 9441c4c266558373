//! What both programs serve over HTTP: metrics, to callers that Kubernetes lets read them. And TLS, for whatever is served.

mod access;
mod args;
mod files;
mod metrics;
mod port;
pub mod tls;

pub use self::{
    args::{MetricsArgs, MinVersion, TlsArgs, TlsArgsError},
    files::follow,
    metrics::{Collect, ServeError, Server, encode, servers},
    port::{BindError, Port},
};
