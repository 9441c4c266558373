//! Who may read metrics: whoever Kubernetes says may `get` the path. Asked with the caller's token, by a TokenReview and a
//! SubjectAccessReview, as MetalLB's programs do it (behaviour 7).

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

/// How long a verdict holds.
const HOLDS: Duration = Duration::from_secs(60);
/// Tokens whose verdict is remembered: more callers than a cluster has scrapers are asked for each time.
const REMEMBERED: usize = 64;
/// The longest token that is looked at, bytes. Those of ServiceAccounts have about 1,200.
const LONGEST: usize = 16 << 10;
/// Reviews at once: callers that are not known cannot make the API server work.
const AT_ONCE: usize = 2;
/// How long both reviews may take together.
const REVIEW: Duration = Duration::from_secs(5);

/// Why somebody may not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    /// There is no token, or nobody's.
    #[error("send the token of a ServiceAccount: Authorization: Bearer TOKEN")]
    Unknown,
    /// It is somebody's who may not.
    #[error("{user} may not get {path}; bind a ClusterRole with nonResourceURLs: [{path:?}], verbs: [get]")]
    Forbidden {
        /// Whose token it is.
        user: String,
        /// What was asked for.
        path: String,
    },
    /// The API server did not say.
    #[error("the API server cannot be asked whose token this is; try again")]
    Unasked(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    May,
    MayNot(String),
    Nobody,
}

/// What was answered lately, by token.
#[derive(Debug, Default)]
struct Verdicts(BTreeMap<String, (Verdict, Instant)>);

impl Verdicts {
    fn of(&self, token: &str, now: Instant) -> Option<Verdict> {
        let (verdict, until) = self.0.get(token)?;
        (now < *until).then(|| verdict.clone())
    }

    /// Remembers a verdict. The oldest goes when there are too many: a good one outlives a flood of bad ones only until it is
    /// asked for again.
    fn remember(&mut self, token: &str, verdict: Verdict, now: Instant) {
        self.0.retain(|_, (_, until)| now < *until);
        if self.0.len() >= REMEMBERED && !self.0.contains_key(token) {
            let worst = |(_, (verdict, until)): &(&String, &(Verdict, Instant))| (*verdict == Verdict::May, *until);
            if let Some(oldest) = self.0.iter().min_by_key(worst).map(|(token, _)| token.clone()) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(token.to_owned(), (verdict, now + HOLDS));
    }
}

/// Asks the API server, and remembers for a minute.
pub(super) struct Access {
    client: Client,
    verdicts: Mutex<Verdicts>,
    asking: Semaphore,
}

impl Access {
    /// `client` needs `create` on tokenreviews and subjectaccessreviews.
    #[must_use]
    pub(super) fn new(client: Client) -> Self {
        Self { client, verdicts: Mutex::default(), asking: Semaphore::new(AT_ONCE) }
    }

    /// Whether the caller with this `Authorization` header may get `path`.
    ///
    /// # Errors
    /// When it may not, or nobody can say.
    pub(super) async fn check(&self, authorization: Option<&str>, path: &str) -> Result<(), Denied> {
        let token = authorization.and_then(bearer).ok_or(Denied::Unknown)?;
        let known = self.known(token);
        let verdict = match known {
            Some(verdict) => verdict,
            None => self.ask(token, path).await?,
        };
        match verdict {
            Verdict::May => Ok(()),
            Verdict::MayNot(user) => Err(Denied::Forbidden { user, path: path.to_owned() }),
            Verdict::Nobody => Err(Denied::Unknown),
        }
    }

    fn known(&self, token: &str) -> Option<Verdict> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).of(token, Instant::now())
    }

    async fn ask(&self, token: &str, path: &str) -> Result<Verdict, Denied> {
        let _one_of_few = self.asking.acquire().await.map_err(|closed| Denied::Unasked(closed.into()))?;
        // Whoever asked before may have had the same token.
        if let Some(verdict) = self.known(token) {
            return Ok(verdict);
        }
        let verdict = match timeout(REVIEW, self.review(token, path)).await {
            Ok(verdict) => verdict.map_err(|error| Denied::Unasked(error.into()))?,
            Err(late) => return Err(Denied::Unasked(late.into())),
        };
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.remember(token, verdict.clone(), Instant::now());
        Ok(verdict)
    }

    async fn review(&self, token: &str, path: &str) -> kube::Result<Verdict> {
        let spec = TokenReviewSpec { token: Some(token.to_owned()), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let reviews: Api<TokenReview> = Api::all(self.client.clone());
        let status = reviews.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Ok(Verdict::Nobody);
        };
        let name = user.username.clone().unwrap_or_default();
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &subject(user, path)).await?;
        let allowed = answer.status.is_some_and(|status| status.allowed);
        Ok(if allowed { Verdict::May } else { Verdict::MayNot(name) })
    }
}

fn subject(user: UserInfo, path: &str) -> SubjectAccessReview {
    let attributes = NonResourceAttributes { path: Some(path.to_owned()), verb: Some("get".to_owned()) };
    let spec = SubjectAccessReviewSpec {
        extra: user.extra,
        groups: user.groups,
        non_resource_attributes: Some(attributes),
        uid: user.uid,
        user: user.username,
        ..SubjectAccessReviewSpec::default()
    };
    SubjectAccessReview { spec, ..SubjectAccessReview::default() }
}

/// The token of a header (RFC 6750 section 2.1; the word is in any case, RFC 9110 section 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= LONGEST).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_others_write_it() {
        for header in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(bearer(header), Some("abc"), "{header}");
        }
        for header in ["", "Bearer", "Bearer ", "Basic abc", "abc"] {
            assert_eq!(bearer(header), None, "{header}");
        }
        assert_eq!(bearer(&format!("Bearer {}", "x".repeat(LONGEST + 1))), None);
    }

    #[test]
    fn a_verdict_holds_for_a_minute() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        verdicts.remember("abc", Verdict::MayNot("eve".into()), now);
        assert_eq!(verdicts.of("abc", now + HOLDS - Duration::from_nanos(1)), Some(Verdict::MayNot("eve".into())));
        assert_eq!(verdicts.of("abc", now + HOLDS), None);
        assert_eq!(verdicts.of("abcd", now), None);
    }

    #[test]
    fn a_flood_of_tokens_neither_grows_nor_forgets_who_may() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        verdicts.remember("prometheus", Verdict::May, now);
        for number in 0..10_000_u32 {
            verdicts.remember(&number.to_string(), Verdict::Nobody, now + Duration::from_millis(1));
        }
        assert_eq!(verdicts.0.len(), REMEMBERED);
        assert_eq!(verdicts.of("prometheus", now + Duration::from_secs(30)), Some(Verdict::May));
    }
}
