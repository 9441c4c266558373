//! The packet decision on arbitrary bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| arpeggio_speaker_fuzz::packet(data));
