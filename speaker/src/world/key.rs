//! The file of keys: by which frames of other nodes are known to be theirs.
//!
//! ```yaml
//! keys: ["8f14e45fceea167a5a36dedd4bea2543"]   # the first one signs, all are accepted; at most two
//! unauthenticated: refuse                      # optional; accept: frames without a proof too, while a key is rolled out
//! ```

use std::path::Path;

use arpeggio_common::model::{Key, Keys};
use arpeggio_speaker_config::{FileError, Problem, yaml};
use serde::Deserialize;
use serde_saphyr::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeys {
    keys: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    unauthenticated: Unauthenticated,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unauthenticated {
    Accept,
    #[default]
    Refuse,
}

/// Reads the text of a file of keys. No error contains any of it.
///
/// # Errors
/// All keys that are none; or the first place that is not YAML, has an unknown field or a value of the wrong shape.
pub(super) fn parse(text: &str, file: &Path) -> Result<Keys, FileError> {
    let refuse = |problems| FileError { file: file.to_owned(), problems };
    let RawKeys { keys: list, unauthenticated } = match yaml::parse::<RawKeys>(text) {
        Ok(Some(raw)) => raw,
        Ok(None) => {
            return Err(refuse(vec![Problem::new(0, "", "the file holds no keys; take it away if there are none")]));
        }
        // The parser's own words may quote the text.
        Err(Problem { line, field, .. }) => {
            let text = "this is not of the form keys: [\"32 hexadecimal digits\"], unauthenticated: accept or refuse";
            return Err(refuse(vec![Problem { line, field, text: text.to_owned() }]));
        }
    };
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    for (index, text) in list.value.iter().enumerate() {
        match Key::from_hex(&text.value) {
            Ok(key) => keys.push(key),
            Err(error) => {
                problems.push(Problem::new(text.referenced.line(), format!("keys[{index}]"), error.to_string()));
            }
        }
    }
    if !problems.is_empty() {
        return Err(refuse(problems));
    }
    let accept = unauthenticated == Unauthenticated::Accept;
    Keys::new(keys, accept)
        .map_err(|error| refuse(vec![Problem::new(list.referenced.line(), "keys", error.to_string())]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "8f14e45fceea167a5a36dedd4bea2543";

    fn parse(text: &str) -> Result<Keys, String> {
        super::parse(text, Path::new("a")).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_what_has_no_proof_is_refused() {
        let key = Key::from_hex(KEY).unwrap();
        assert_eq!(parse(&format!("keys: [{KEY}]")), Ok(Keys::new(vec![key], false).unwrap()));
        let both = parse(&format!("keys:\n- \"{KEY}\"\n- 00000000000000000000000000000001\nunauthenticated: accept\n"))
            .unwrap();
        assert_eq!((both.sign(), both.accept().len(), both.accept_unauthenticated()), (Some(&key), 2, true));
    }

    #[test]
    fn a_file_that_is_none_says_where_and_gives_no_key_away() {
        for (text, expected) in [
            ("", "a: the file holds no keys"),
            ("keys: []", "a:1: keys: 0 keys are listed"),
            (&format!("keys: [{KEY}, {KEY}]"), "a:1: keys: the same key is listed twice"),
            (
                &format!("keys:\n- {KEY}a\n- {KEY}\n- b{KEY}"),
                "a:2: keys[0]: a key is 32 hexadecimal digits, this has 33",
            ),
            (&format!("keys: {KEY}"), "a:1: keys: this is not of the form"),
            (&format!("key: [{KEY}]"), "this is not of the form"),
            (&format!("keys: [{KEY}]\nunauthenticated: {KEY}"), "unauthenticated: this is not of the form"),
            (KEY, "this is not of the form"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains(&KEY[..8]), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_the_controller_writes_is_read(bytes in prop::collection::btree_set(any::<[u8; 16]>(), 1..=2), accept: bool) {
            let Ok(keys) = bytes.into_iter().map(Key::new).collect::<Result<Vec<_>, _>>() else { return Ok(()) };
            let keys = Keys::new(keys, accept).unwrap();
            prop_assert_eq!(parse(&keys.to_text()), Ok(keys));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = parse(&text);
        }
    }
}
