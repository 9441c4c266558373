//! Generations of orders in words.

use jiff::Timestamp;

use arpeggio_succession::generation::{Basis, basis};

/// For people: the number that kubectl shows, or that the file says, or when the file was changed.
pub fn describe_generation(generation: u64) -> String {
    let time = |second: u64| i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
    match basis(generation) {
        Basis::Object(created_s, count) => match time(created_s) {
            Some(created) => format!("{count} of the object made {created}"),
            None => count.to_string(),
        },
        Basis::Counted(number) => number.to_string(),
        Basis::Changed(changed_s) => match time(changed_s) {
            Some(changed) => format!("of the file changed {changed}"),
            None => "of the file".to_owned(),
        },
        Basis::Unknown => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use arpeggio_common::model::Mode;

    use super::*;
    use arpeggio_succession::generation::{of_file, of_number, of_object};

    const CREATED_S: u64 = 1_796_000_000;

    #[test]
    fn people_are_told_the_number_that_kubectl_shows_or_the_age_of_the_file() {
        assert_eq!(describe_generation(of_object(CREATED_S, 7)), "7 of the object made 2026-11-30T00:53:20Z");
        assert_eq!(describe_generation(of_number(12)), "12");
        let of_file = of_file(CREATED_S, std::iter::empty(), Mode::Exclusive);
        assert_eq!(describe_generation(of_file), "of the file changed 2026-11-30T00:53:20Z");
    }
}
