//! What failures of the system are called.

use crate::error::{Error, ErrorKind};
use std::{fmt, io};

/// The error for a socket operation, `what`, that the system has failed.
pub(in crate::natives) fn failed(what: impl fmt::Display, error: &io::Error) -> Error {
    let kind = kind(error);
    match error.kind() {
        // Only TLS tells a cut from an end.
        io::ErrorKind::UnexpectedEof => {
            Error::new(kind, format!("{what}: the peer broke off, this is not its proper end"))
        }
        _ => Error::new(kind, format!("{what}: {error}")),
    }
}

fn kind(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::WriteZero
        // What TLS finds wrong with its peer comes as these.
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::InvalidData => ErrorKind::Transport,
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        io::ErrorKind::AddrInUse => ErrorKind::Busy,
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::InvalidInput => ErrorKind::Range,
        _ => code(error),
    }
}

/// The kinds that have a number of the system and no name in Rust.
#[cfg(unix)]
fn code(error: &io::Error) -> ErrorKind {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => ErrorKind::Busy,
        Some(libc::EMSGSIZE) => ErrorKind::Range,
        _ => ErrorKind::Io,
    }
}

#[cfg(not(unix))]
fn code(_error: &io::Error) -> ErrorKind {
    ErrorKind::Io
}
