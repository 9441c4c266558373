//! The configuration file on arbitrary bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| arpeggio_speaker_fuzz::config(data));
