//! Pure: what the API server, or the way to it, said; in a sentence.

use arpeggio_common::program::with_causes;
use kube::{Error, runtime::watcher};

/// Why a request failed.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's other errors are told in its own words")]
pub fn fault(error: &Error) -> String {
    match error {
        Error::Api(status) if !status.message.is_empty() => format!("{} ({})", status.message.trim(), status.code),
        Error::Api(status) => format!("{} ({})", status.reason, status.code),
        // The names of the library's variants say nothing to an operator.
        Error::Service(source) => with_causes(&**source),
        Error::HyperError(source) => with_causes(source),
        Error::ReadEvents(source) => with_causes(source),
        other => other.to_string(),
    }
}

/// Why a request failed, and what to do where it is known.
pub(super) fn request_fault(error: &Error) -> String {
    let code = if let Error::Api(status) = error { status.code } else { 0 };
    fault(error) + remedy(code)
}

/// Why a watch failed, and what to do where it is known.
pub(super) fn watch_fault(error: &watcher::Error) -> String {
    let (text, code) = match error {
        watcher::Error::InitialListFailed(source)
        | watcher::Error::WatchStartFailed(source)
        | watcher::Error::WatchFailed(source) => {
            let code = if let Error::Api(status) = source { status.code } else { 0 };
            (fault(source), code)
        }
        watcher::Error::WatchError(status) => (format!("{} ({})", status.message, status.code), status.code),
        watcher::Error::NoResourceVersion => (error.to_string(), 0),
    };
    text + remedy(code)
}

const fn remedy(code: u16) -> &'static str {
    match code {
        404 => "; is the kind not installed? Apply the CRDs of the manifests",
        401 => "; the token is not accepted",
        403 => "; give the ServiceAccount the rights in the manifests",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn what_the_server_says_is_told_with_a_remedy() {
        let status = |code| Error::Api(Status::failure("no such thing", "NotFound").with_code(code).boxed());
        assert_eq!(fault(&status(409)), "no such thing (409)");
        let text = watch_fault(&watcher::Error::InitialListFailed(status(404)));
        assert!(text.starts_with("no such thing (404)") && text.contains("CRDs"), "{text}");
        let text = watch_fault(&watcher::Error::WatchStartFailed(status(403)));
        assert!(text.contains("ServiceAccount"), "{text}");
        let refused = std::io::Error::other("connection refused");
        assert_eq!(fault(&Error::Service(refused.into())), "connection refused");
    }
}
