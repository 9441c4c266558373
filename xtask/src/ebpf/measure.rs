//! How many instructions the programs of an object have.

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};

/// Bytes of one BPF instruction.
const INSTRUCTION: u64 = 8;
/// Section of the functions that programs call.
const FUNCTIONS: &str = ".text";

/// One program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    /// Its own instructions.
    pub(super) own: usize,
    /// Its own and those of every function of the object: an upper bound of what the kernel has to look at.
    pub(super) with_calls: usize,
}

/// The programs of an ELF object, by name.
pub(super) fn programs(bytes: &[u8]) -> Result<Vec<Program>> {
    let file = object::File::parse(bytes).context("not an ELF object")?;
    let instructions = |bytes: u64| usize::try_from(bytes / INSTRUCTION).context("object too large");
    let mut programs = Vec::new();
    let mut functions = 0;
    for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text) {
        let Some(section) = symbol.section_index().and_then(|index| file.section_by_index(index).ok()) else {
            continue;
        };
        if section.kind() != SectionKind::Text {
            continue;
        }
        if section.name()? == FUNCTIONS {
            functions += instructions(symbol.size())?;
        } else {
            let own = instructions(symbol.size())?;
            programs.push(Program { name: symbol.name()?.to_owned(), own, with_calls: own });
        }
    }
    for program in &mut programs {
        program.with_calls += functions;
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_no_object_is_refused() {
        assert!(super::programs(b"neither fish nor flesh").is_err());
    }
}
