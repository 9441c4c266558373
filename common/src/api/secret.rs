//! Secrets that hold the password of a BGP session (MetalLB behaviour 1.3, `passwordSecret`).

use k8s_openapi::api::core::v1::Secret;

use super::contend::Conflict;

/// The type that such a Secret has to have.
pub const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
/// The key of the password in it.
const KEY: &str = "password";
/// More does not fit into the kernel (TCP MD5), bytes.
const LONGEST: usize = 80;

/// What a Secret that a peer names is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSecret {
    /// It holds a password.
    Good,
    /// There is none of the name.
    Missing,
    /// It has another type than [`BASIC_AUTH`].
    Type(String),
    /// It holds no password, or an empty one.
    Empty,
    /// What it holds cannot be a password.
    Unusable(&'static str, &'static str),
}

impl PasswordSecret {
    /// Of a Secret as it was read.
    pub fn of(secret: Option<&Secret>) -> Self {
        let Some(secret) = secret else { return Self::Missing };
        let of_type = secret.type_.as_deref().unwrap_or("Opaque");
        if of_type != BASIC_AUTH {
            return Self::Type(of_type.to_owned());
        }
        match std::str::from_utf8(password(secret)) {
            Ok("") => Self::Empty,
            Ok(text) => unusable(text).map_or(Self::Good, |(rule, remedy)| Self::Unusable(rule, remedy)),
            Err(_) => Self::Unusable("is not text", "use characters that can be typed"),
        }
    }

    /// The password of a Secret as it was read, or why there is none.
    ///
    /// # Errors
    /// A sentence with the name of the Secret and what to do.
    pub fn read(secret: Option<&Secret>, name: &str, namespace: &str) -> Result<String, String> {
        match Self::of(secret).conflict(name, namespace) {
            None => Ok(secret.map(|secret| String::from_utf8_lossy(password(secret)).into_owned()).unwrap_or_default()),
            Some(Conflict { field, value, rule, remedy }) => Err(format!("{field} {value:?} {rule}; {remedy}")),
        }
    }

    /// What is wrong with a peer that names it.
    pub(super) fn conflict(&self, name: &str, namespace: &str) -> Option<Conflict> {
        let wrong = |rule: String, remedy: String| {
            Some(Conflict { field: "spec.passwordSecret.name", value: name.to_owned(), rule, remedy })
        };
        match self {
            Self::Good => None,
            Self::Missing => wrong(
                format!("names no Secret in {namespace} (secret ref not found)"),
                format!("create it with type {BASIC_AUTH}; the peer waits for that"),
            ),
            Self::Type(of_type) => wrong(
                format!("names a Secret of type {of_type} (secret type mismatch)"),
                format!("delete it and create one of type {BASIC_AUTH}: a type cannot be changed"),
            ),
            Self::Empty => wrong(
                "names a Secret without a password (password not specified in the secret)".to_owned(),
                format!("write the password into it under the key {KEY}"),
            ),
            Self::Unusable(rule, remedy) => {
                wrong(format!("names a Secret with a password that {rule}"), (*remedy).to_owned())
            }
        }
    }
}

fn password(secret: &Secret) -> &[u8] {
    secret.data.as_ref().and_then(|data| data.get(KEY)).map_or(&[][..], |password| &password.0)
}

/// Why a text cannot be a password, and the way out.
pub(super) fn unusable(password: &str) -> Option<(&'static str, &'static str)> {
    if password.len() > LONGEST {
        return Some(("is too long", "use at most 80 bytes, which is all that TCP MD5 takes"));
    }
    let is_typed = !password.chars().any(char::is_control);
    (!is_typed).then_some(("has a line end or another control character", "use characters that can be typed"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn of(of_type: &str, data: Value) -> PasswordSecret {
        let secret: Secret = from_value(json!({"type": of_type, "data": data})).unwrap();
        PasswordSecret::of(Some(&secret))
    }

    #[test]
    fn a_secret_is_of_the_type_and_holds_a_password_that_can_be_one() {
        // "secret", "", "a\n", and bytes that are no text.
        assert_eq!(of(BASIC_AUTH, json!({"username": "YQ==", "password": "c2VjcmV0"})), PasswordSecret::Good);
        assert_eq!(of("Opaque", json!({"password": "c2VjcmV0"})), PasswordSecret::Type("Opaque".to_owned()));
        for data in [json!({}), json!(null), json!({"Password": "c2VjcmV0"}), json!({"password": ""})] {
            assert_eq!(of(BASIC_AUTH, data.clone()), PasswordSecret::Empty, "{data}");
        }
        for password in ["YQo=", "//4="] {
            let read = of(BASIC_AUTH, json!({"password": password}));
            assert!(matches!(read, PasswordSecret::Unusable(..)), "{read:?}");
        }
        assert_eq!(PasswordSecret::of(None), PasswordSecret::Missing);
        assert_eq!(unusable(&"x".repeat(80)), None);
        assert!(unusable(&"x".repeat(81)).is_some());
    }

    #[test]
    fn a_password_is_read_or_the_reason_why_there_is_none() {
        let secret = json!({"type": BASIC_AUTH, "data": {"password": "c2VjcmV0"}});
        let secret: Secret = from_value(secret).unwrap();
        assert_eq!(PasswordSecret::read(Some(&secret), "bgp", "m"), Ok("secret".to_owned()));
        let missing = PasswordSecret::read(None, "bgp", "m").unwrap_err();
        assert!(missing.contains("\"bgp\" names no Secret in m"), "{missing}");
    }

    #[test]
    fn a_sentence_names_the_secret_and_never_what_it_holds() {
        let secrets = [PasswordSecret::Missing, PasswordSecret::Type("Opaque".to_owned()), PasswordSecret::Empty];
        for secret in secrets {
            let conflict = secret.conflict("bgp", "m").unwrap();
            assert_eq!((conflict.field, conflict.value.as_str()), ("spec.passwordSecret.name", "bgp"));
        }
        assert!(PasswordSecret::Good.conflict("bgp", "m").is_none());
    }
}
