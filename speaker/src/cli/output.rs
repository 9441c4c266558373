//! Results on their way out: a table, JSON or YAML.

use std::io::{self, Write};

use serde::Serialize;

use crate::args::Output;

/// Why a result could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Nobody reads any more, or the disk is full.
    #[error("cannot write the result")]
    Write(#[from] io::Error),
    /// Cannot happen with the types of this program.
    #[error("cannot write the result as JSON")]
    Json(#[from] serde_json::Error),
    /// Cannot happen with the types of this program.
    #[error("cannot write the result as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// Writes `report` in the form that was asked for; `table` makes the one for people. A reader that has gone away (`| head`)
/// is no error.
///
/// # Errors
/// The result could not be written.
pub(super) fn write<T: Serialize>(
    out: &mut impl Write,
    output: Output,
    report: &T,
    table: impl FnOnce() -> String,
) -> Result<(), OutputError> {
    let text = match output {
        Output::Table => table(),
        Output::Json => serde_json::to_string_pretty(report)? + "\n",
        Output::Yaml => serde_saphyr::to_string(report)?,
    };
    self::text(out, &text)
}

/// Writes text as it is.
///
/// # Errors
/// The text could not be written.
pub(super) fn text(out: &mut impl Write, text: &str) -> Result<(), OutputError> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_form_ends_with_a_line_break() {
        let value = std::collections::BTreeMap::from([("a", 1)]);
        for (output, expected) in
            [(Output::Table, "A 1\n"), (Output::Json, "{\n  \"a\": 1\n}\n"), (Output::Yaml, "a: 1\n")]
        {
            let mut out = Vec::new();
            write(&mut out, output, &value, || "A 1\n".to_owned()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let write = |kind| write(&mut Broken(kind), Output::Json, &1, String::new);
        assert!(write(io::ErrorKind::BrokenPipe).is_ok());
        assert!(matches!(write(io::ErrorKind::StorageFull), Err(OutputError::Write(_))));
    }
}
