//! An error and everything behind it, in one line.

use std::error::Error;

/// The text of the error followed by those of its causes; a cause whose text is already there is left out.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read the list{}", if *.repeats { ": not allowed" } else { "" })]
    struct Outer {
        repeats: bool,
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("not allowed")]
    struct Inner;

    #[test]
    fn causes_are_told_once() {
        for repeats in [false, true] {
            assert_eq!(with_causes(&Outer { repeats, source: Inner }), "read the list: not allowed");
        }
    }
}
