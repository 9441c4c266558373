//! Reading YAML with faults that say line and field.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

use super::problem::Problem;

/// The longest text that is read, in bytes: a hundred times what ten thousand announcements need.
pub const MAX_TEXT: usize = 64 << 20;

/// One YAML document; `None` when the text holds none (empty, only comments, or `null`).
///
/// # Errors
/// The first thing that is not YAML or does not fit `T`: the deserializer cannot go on behind it.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<Option<T>, Problem> {
    if text.len() > MAX_TEXT {
        let text = format!("the file has {} bytes; at most {MAX_TEXT} are read, make it smaller", text.len());
        return Err(Problem::new(0, "", text));
    }
    match serde_saphyr::from_str_with_options(text, options()) {
        Ok(value) => Ok(value),
        Err(error) => {
            let field = path::<Option<T>>(text);
            Err(Problem::new(line(&error), field, explain(&error)))
        }
    }
}

/// Strict where a slip of the pen could hide, and budgets that follow from [`MAX_TEXT`] instead of small documents.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: MAX_TEXT, max_events: MAX_TEXT },
        emit_comments: false,
        with_snippet: false,
    }
}

/// Where the deserializer stopped. The path is only worth its cost once it is known that there is a fault.
fn path<T: DeserializeOwned>(text: &str) -> String {
    let mut field = String::new();
    let result = serde_saphyr::with_deserializer_from_str_with_options(text, options(), |deserializer| {
        serde_path_to_error::deserialize::<_, T>(deserializer).map_err(|error| {
            field = render(error.path());
            error.into_inner()
        })
    });
    if result.is_err() { field } else { String::new() }
}

/// `Spanned` is a structure with the field `value` to serde; the document has no such level (and we no such field).
fn render(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } if key == "value" => {}
            Segment::Map { key } => {
                let dot = if text.is_empty() { "" } else { "." };
                text.push_str(&format!("{dot}{key}"));
            }
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}

fn line(error: &Error) -> u64 {
    error.location().map_or(0, |location| location.line())
}

/// The parser's words, with a remedy where it knows one.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "sixty variants of a foreign, open enumeration; these have a better text"
)]
fn explain(error: &Error) -> String {
    match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("there is no field {field:?} here; {}", suggest(field, expected))
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("this key");
            format!("{key:?} stands here twice in one mapping; keep one of them")
        }
        Error::Unexpected { expected: "mapping start", .. } => {
            "a mapping is expected here; write its fields below it, each with its value".to_owned()
        }
        Error::Unexpected { expected: "sequence start", .. } => {
            "a list is expected here; write each item on a line of its own after a dash, or all of them in brackets"
                .to_owned()
        }
        Error::Unexpected { expected: "string scalar", .. } => {
            "a single value is expected here; write it without brackets, braces or fields of its own".to_owned()
        }
        Error::NullIntoString { .. } => "the value is missing; write one or leave the item out".to_owned(),
        Error::MultipleDocuments { .. } => {
            "a second document starts here; one file is one document, remove the line ---".to_owned()
        }
        other => {
            let said: Cow<'_, str> = UserMessageFormatter.format_message(other);
            format!("{said}; mend the YAML at this line")
        }
    }
}

/// The nearest of the known words, or all of them.
pub fn suggest(word: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    // 0.8 takes transposed, missing and doubled letters, and not words that merely start alike.
    match nearest.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((likeness, candidate)) if likeness >= 0.8 => format!("did you mean {candidate:?}?"),
        _ => format!("the known ones are {}", known.join(", ")),
    }
}
