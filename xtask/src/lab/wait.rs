//! Waiting for something to become true, with a limit; never a fixed sleep.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// Pause between two looks: short against every time the tests are about, long enough to leave the processor to others.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until `look` succeeds, and returns what it saw.
///
/// # Errors
/// If it still fails when the time is over; the message says what was awaited and why the last look failed.
#[expect(clippy::disallowed_methods, reason = "waiting is about real time")]
pub fn eventually<T>(timeout: Duration, what: &str, mut look: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match look() {
            Ok(seen) => return Ok(seen),
            Err(error) if start.elapsed() >= timeout => {
                return Err(error).with_context(|| format!("waited {timeout:?} in vain for: {what}"));
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// As [`eventually`] for a plain condition.
///
/// # Errors
/// If the condition is still false when the time is over.
pub fn poll_until(timeout: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    eventually(timeout, what, || if condition() { Ok(()) } else { Err(anyhow::anyhow!("it is not so")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_returned() {
        let mut looks = 0;
        let seen = eventually(Duration::from_secs(5), "three looks", || {
            looks += 1;
            if looks < 3 { Err(anyhow::anyhow!("too few")) } else { Ok(looks) }
        });
        assert_eq!(seen.unwrap(), 3);
    }

    #[test]
    fn the_message_names_what_was_awaited_and_the_last_reason() {
        let error = poll_until(Duration::from_millis(20), "pigs to fly", || false).unwrap_err();
        assert_eq!(format!("{error:#}"), "waited 20ms in vain for: pigs to fly: it is not so");
    }
}
