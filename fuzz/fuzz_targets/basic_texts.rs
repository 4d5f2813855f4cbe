#![no_main]

#[path = "../src/basic.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod basic;

libfuzzer_sys::fuzz_target!(|data: &[u8]| basic::run_text(data));
