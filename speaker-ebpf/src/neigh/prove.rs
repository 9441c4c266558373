//! The proof of a statement, as a function that the kernel verifies once: it is called from many states of the program, through
//! each of which a static function would be followed again.

#![expect(
    unsafe_code,
    reason = "a function that is verified by itself has a name of its own and takes pointers, which may be null to the verifier"
)]

use arpeggio_common::wire::{Key, Statement, proof};

/// The proof of `statement` by `key`.
#[inline(always)]
pub(super) fn prove(key: &Key, statement: &Statement) -> u64 {
    arpeggio_prove(key, statement)
}

/// Global, so that the kernel verifies it by its parameters alone (Linux 5.6).
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn arpeggio_prove(key: *const Key, statement: *const Statement) -> u64 {
    if key.is_null() || statement.is_null() {
        return 0;
    }
    // SAFETY: `prove`, the only caller, hands over references.
    let key = unsafe { &*key };
    // SAFETY: as above.
    let statement = unsafe { &*statement };
    proof(key, statement)
}
