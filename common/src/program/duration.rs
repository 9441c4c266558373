//! Times on the command line.

use std::time::Duration;

/// A time with its unit, at least a millisecond: `500ms`, `10s`, `1m`.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration >= Duration::from_millis(1) => Ok(duration),
        Ok(_) => Err("must be at least 1ms".to_owned()),
        Err(error) => Err(format!("{error}; write a number with its unit, like 500ms or 10s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_is_no_shorter_than_a_millisecond() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("999us"), Err("must be at least 1ms".to_owned()));
        assert!(duration("10").is_err_and(|why| why.ends_with("like 500ms or 10s")));
    }
}
