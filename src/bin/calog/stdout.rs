//! stdout, which the scripts and the session share.

use crate::{
    report::Reporter,
    stop::{self, Stop},
    text::clean,
};
use calog::{Error, ErrorKind};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How much of a line is remembered: more than a prompt needs.
const MOST_REMEMBERED: usize = 1000;

/// One stdout, in as many hands as need it.
#[derive(Clone)]
pub(crate) struct Stdout {
    stop: Stop,
    /// What stands in the line that has no end yet.
    line: Arc<Mutex<Vec<u8>>>,
}

impl Stdout {
    pub(crate) fn new(stop: &Stop) -> Self {
        Self { stop: stop.clone(), line: Arc::default() }
    }

    /// Writes text and flushes it. When that fails, the program ends: quietly if nobody reads it any
    /// more, as programs do that do not ignore SIGPIPE, else with an error.
    pub(crate) fn print(&self, text: &[u8], ends_line: bool) {
        let mut line = self.line();
        let mut out = io::stdout().lock();
        let end: &[u8] = if ends_line { b"\n" } else { b"" };
        let written =
            out.write_all(text).and_then(|()| out.write_all(end)).and_then(|()| out.flush());
        match written {
            Ok(()) if ends_line => line.clear(),
            Ok(()) => {
                let room = MOST_REMEMBERED.saturating_sub(line.len());
                line.extend_from_slice(&text[..text.len().min(room)]);
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.stop.request(stop::BROKEN_PIPE);
            }
            Err(error) => {
                if self.stop.request(1) {
                    let message = format!("stdout: {error}");
                    Reporter::stderr().print(&Error::new(ErrorKind::Io, message));
                }
            }
        }
    }

    /// Ends the line, if one has begun.
    pub(crate) fn end_line(&self) {
        if !self.line().is_empty() {
            self.print(b"", true);
        }
    }

    /// Whoever types at the terminal goes on in the line that has begun, and ends it. Returns what
    /// stands in it.
    pub(crate) fn take_line(&self) -> String {
        let line = std::mem::take(&mut *self.line());
        clean(&String::from_utf8_lossy(&line))
    }

    fn line(&self) -> MutexGuard<'_, Vec<u8>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
