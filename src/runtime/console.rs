//! What the scripts of a context print and read.

use super::context::Address;
use crate::{
    error::{Error, ErrorKind, Result, contain},
    fiber::Operation,
    native::Step,
    value::Value,
};
use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

/// Where output goes: the context's name, text, and whether the line ends there.
type Print = dyn Fn(&str, &[u8], bool) + Send + Sync;

/// Where the output of scripts goes.
#[derive(Clone)]
pub(crate) struct Output {
    pub(crate) print: Arc<Print>,
    /// It wants text as soon as somebody could look for it. Else it wants whole lines, and less only
    /// where no more will come.
    pub(crate) takes_parts: bool,
}

/// How much text without an end of line is kept; more is handed over in parts.
const MOST_KEPT: usize = 1 << 20;

/// How much room for text is kept when a line was handed over.
const KEPT_ROOM: usize = 4096;

/// The output and the input of one context.
///
/// Text is kept until its line ends, so that the lines of contexts stay whole beside each other.
pub(super) struct Console {
    address: Arc<Address>,
    /// The begin of a line.
    line: RefCell<Vec<u8>>,
    /// How many calls have begun that may go on with it.
    calls: Cell<usize>,
}

impl Console {
    pub(super) fn new(address: Arc<Address>) -> Self {
        Self { address, line: RefCell::default(), calls: Cell::new(0) }
    }

    /// The text goes on, and may have ends of lines inside.
    pub(super) fn write(&self, text: &[u8]) {
        let mut rest = text;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.print(&rest[..end]);
            rest = &rest[end + 1..];
        }
        if self.line.borrow().len() + rest.len() > MOST_KEPT {
            self.flush();
        }
        if rest.len() > MOST_KEPT {
            return self.hand_over(rest, false);
        }
        self.line.borrow_mut().extend_from_slice(rest);
    }

    /// The same for text with which its line ends.
    pub(super) fn print(&self, text: &[u8]) {
        if self.line.borrow().is_empty() {
            return self.hand_over(text, true);
        }
        self.line.borrow_mut().extend_from_slice(text);
        self.end_part(true);
    }

    /// What was kept must wait no longer.
    pub(super) fn flush(&self) {
        if !self.line.borrow().is_empty() {
            self.end_part(false);
        }
    }

    /// The script may be about to wait for long.
    pub(super) fn may_wait(&self) {
        if self.address.settings.output.takes_parts {
            self.flush();
        }
    }

    /// A call of the context begins.
    pub(super) fn call_begins(&self) {
        self.calls.set(self.calls.get() + 1);
    }

    /// A call of the context has ended: what it printed is there before its result is.
    pub(super) fn call_ends(&self) {
        let others = self.calls.get().saturating_sub(1);
        self.calls.set(others);
        match others {
            0 => self.flush(),
            _ => self.may_wait(),
        }
    }

    /// Hands over what was kept.
    fn end_part(&self, ends: bool) {
        let mut line = self.line.take();
        self.hand_over(&line, ends);
        if line.capacity() <= KEPT_ROOM {
            line.clear();
            self.line.replace(line);
        }
    }

    fn hand_over(&self, text: &[u8], ends: bool) {
        // The host's code: the script is not to blame for its panic.
        let print = || (self.address.settings.output.print)(self.address.name(), text, ends);
        contain(print);
    }

    /// One line of input, without its end; nil at the end of the input.
    pub(super) fn read_line(&self) -> Operation {
        // What asks for it must be seen before it is waited for.
        self.flush();
        let (caller, most) = (self.address.caller(), self.address.settings.limits.value_bytes);
        let Some(input) = &self.address.shared.input else {
            return Box::pin(async { Ok(Value::Nil) });
        };
        let step = input.call(caller, &mut []);
        Box::pin(async move {
            let line = match step {
                Step::Ready(line) => line,
                Step::Wait(operation) => operation.await,
            };
            check_line(line?, most)
        })
    }
}

impl Drop for Console {
    /// What tasks have left that belong to no call.
    fn drop(&mut self) {
        self.flush();
    }
}

/// What the host gives as a line must be one, of at the most `most` bytes. To scripts it is text.
fn check_line(line: Value, most: usize) -> Result<Value> {
    match line {
        Value::String(bytes) | Value::Bytes(bytes) if bytes.len() > most => {
            Err(Error::too_large(most))
        }
        Value::Nil => Ok(line),
        Value::String(bytes) | Value::Bytes(bytes) => Ok(Value::String(bytes)),
        other => {
            let message = format!("a line of input is a {}, not text", other.type_name());
            Err(Error::new(ErrorKind::Type, message))
        }
    }
}
