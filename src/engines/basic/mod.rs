//! BASIC, in the dialect of MY-BASIC: an interpreter of our own, in safe Rust.

#![allow(dead_code, reason = "the parts are joined as they arrive")]

mod class;
mod code;
mod compile;
mod dict;
mod fault;
mod heap;
mod names;
mod lex;
mod library;
mod names;
mod number;
mod objects;
mod parse;
mod syntax;
mod text;
mod token;
mod value;
