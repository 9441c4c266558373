//! Durations as Go writes them (`1m30s`), which is how MetalLB's kinds have them.
//!
//! `kube::core::Duration` reads the same texts, but panics on numbers that do not fit; what users write must not do that.

use std::time::Duration;

const NANOSECOND: u128 = 1;
const SECOND: u128 = 1_000_000_000;
/// Most digits of a number that are looked at: more than any duration of 2^63 nanoseconds has.
const DIGITS: usize = 19;

/// The duration that `text` stands for; `None` if it is none or is negative. What Go's `time.ParseDuration` takes, up to its
/// greatest duration of 2^63 - 1 nanoseconds; fractions of a nanosecond are cut off.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" || text == "-0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(end);
        let end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        total = total.checked_add(part(number, self::unit(unit)?)?)?;
        rest = behind;
    }
    let nanoseconds = i64::try_from(total).ok()?;
    Some(Duration::from_nanos(nanoseconds.unsigned_abs()))
}

fn unit(text: &str) -> Option<u128> {
    Some(match text {
        "ns" => NANOSECOND,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return None,
    })
}

/// `number` times `unit`, in nanoseconds.
fn part(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let fraction = fraction.get(..DIGITS).unwrap_or(fraction);
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole.checked_mul(unit)?.checked_add(fraction.checked_mul(unit)? / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_takes_is_taken() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("+0", 0),
            ("-0", 0),
            ("90s", 90_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1.s", 1_000),
            ("+3s", 3_000),
            ("100ms", 100),
            ("1h0m0.25s", 3_600_250),
            ("2000us", 2),
            ("2000µs", 2),
            ("3000000ns", 3),
            ("1s1s", 2_000),
            ("0.3333333333333333333333333s", 333),
        ] {
            let milliseconds_read = parse(text).map(|duration| duration.as_millis());
            assert_eq!(milliseconds_read, Some(milliseconds), "{text}");
        }
        assert_eq!(parse("9223372036854775807ns"), Some(Duration::from_nanos(i64::MAX.unsigned_abs())));
    }

    #[test]
    fn what_go_refuses_is_refused_and_so_is_what_is_negative() {
        for text in [
            "",
            "s",
            "1",
            "90",
            "1x",
            "1 s",
            " 1s",
            "1s ",
            ".s",
            "1..5s",
            "1.5.2s",
            "-1s",
            "--1s",
            "1e3s",
            "infs",
            "NaNs",
            "1d",
            "9223372036854775808ns",
            "99999999999999999999999999999999999999999999s",
            "9999999999h",
            "1s-2s",
            "１s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9.+smhnuµ -]{0,60}") {
            let _ = parse(&text);
        }
    }
}
