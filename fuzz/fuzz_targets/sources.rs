#![no_main]

#[path = "../src/sources.rs"]
mod sources;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sources::run(data));
