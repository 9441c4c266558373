//! What every watch of the API server has to know.

use kube::runtime::watcher::Error;

/// Whether the API server refuses the version to resume from: it has forgotten it, or was set back and does not know it yet.
/// kube's watcher would ask for it for ever: a new one has to begin with a list.
#[must_use]
pub fn is_beyond_resuming(error: &Error) -> bool {
    let Error::WatchStartFailed(kube::Error::Api(status)) = error else { return false };
    matches!(status.code, 400 | 410 | 504) || status.reason == "Expired"
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn only_a_version_that_will_never_do_is_given_up() {
        let refused = |code: u16, reason: &str| {
            let status = Status { code, reason: reason.to_owned(), ..Status::default() };
            kube::Error::Api(status.boxed())
        };
        for (code, reason, beyond) in [
            (410, "Expired", true),
            (400, "BadRequest", true),
            (504, "Timeout", true),
            (500, "Expired", true),
            (403, "Forbidden", false),
            (429, "TooManyRequests", false),
            (503, "ServiceUnavailable", false),
        ] {
            assert_eq!(is_beyond_resuming(&Error::WatchStartFailed(refused(code, reason))), beyond, "{code} {reason}");
            // A list asks for no version.
            assert!(!is_beyond_resuming(&Error::InitialListFailed(refused(code, reason))));
        }
    }
}
