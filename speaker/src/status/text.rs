//! How single values are written for people.

use crate::decide::AttachMode;

/// The name of a mode, as it is typed and as it stands in JSON.
pub const fn attach_mode_name(mode: AttachMode) -> &'static str {
    match mode {
        AttachMode::Native => "native",
        AttachMode::Tcx => "tcx",
        AttachMode::Generic => "generic",
        AttachMode::User => "user",
    }
}

/// A span of time with two units at most: `0.4s`, `12s`, `3m 10s`, `4d 3h`.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 10 => format!("{seconds}.{}s", ms % 1000 / 100),
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => pair(minutes, "m", seconds % 60, "s"),
        (0, _, _) => pair(hours, "h", minutes % 60, "m"),
        (_, _, _) => pair(days, "d", hours % 24, "h"),
    }
}

fn pair(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit} {small}{small_unit}") }
}

/// `1 frame`, `2 frames`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (ms, text) in [
            (0, "0.0s"),
            (450, "0.4s"),
            (9_999, "9.9s"),
            (10_000, "10s"),
            (59_999, "59s"),
            (60_000, "1m"),
            (190_000, "3m 10s"),
            (3_600_000, "1h"),
            (7_500_000, "2h 5m"),
            (86_400_000, "1d"),
            (356_400_000, "4d 3h"),
        ] {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn the_name_of_a_mode_is_its_json() {
        for mode in AttachMode::LADDER {
            assert_eq!(serde_json::to_string(&mode).unwrap(), format!("\"{}\"", attach_mode_name(mode)));
        }
    }
}
