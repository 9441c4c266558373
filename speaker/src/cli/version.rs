//! `speaker version`: what this binary is, for bug reports.

use std::io::Write;

use arpeggio_common::abi::LAYOUT_VERSION;

use super::{Answer, OutputError, output};

/// Writes version, layout of the maps and the target.
///
/// # Errors
/// Standard output cannot be written.
pub fn version(out: &mut impl Write) -> Result<Answer, OutputError> {
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    output::text(out, &format!("speaker {} (map layout v{LAYOUT_VERSION}, {target})\n", env!("CARGO_PKG_VERSION")))?;
    Ok(Answer::Yes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_layout_is_named() {
        let mut out = Vec::new();
        super::version(&mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("map layout v2"));
    }
}
