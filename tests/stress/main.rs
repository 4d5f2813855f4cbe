//! A script cannot take the service down: calls, contexts, runaways, ends and shutdowns in numbers.
//!
//! Every test here takes seconds and two cores, so all are ignored by default. To run them:
//!
//! ```sh
//! cargo test --release --test stress -- --ignored --test-threads=1 --nocapture
//! ```
//!
//! Each prints what it measured. What it asserts are the bounds named at the top of its file. A
//! further engine is a row in `engines.rs`.

#![cfg(all(feature = "lua", feature = "js"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crowd;
mod ends;
mod engines;
mod leaks;
mod lost;
mod panics;
mod random;
mod resources;
mod runaways;
mod shutdown;
