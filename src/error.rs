//! The one error of calog, the same in Rust and in every script.

use crate::value::Value;
use std::{
    any::Any,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    str::FromStr,
};

/// The result of everything in calog that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg_attr(not(any(feature = "lua", feature = "js")), allow(dead_code, reason = "engines use it"))]
/// The payload of a `load` error for a text that ended too early.
pub(crate) const INCOMPLETE: &str = "incomplete";

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// What went wrong, as one word that is the same in Rust and in every script.
        ///
        /// Each kind says whether the call may be made again: *never ran* (safe), *ran in part*
        /// (only if the callee is idempotent) or *fate unknown*.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $variant,)* }

        impl ErrorKind {
            /// Every kind, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word that scripts see.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl FromStr for ErrorKind {
            type Err = Error;

            fn from_str(word: &str) -> Result<Self> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(Error::new(Self::NotFound, format!("no error kind `{word}`"))),
                }
            }
        }
    };
}

kinds! {
    /// A script raised it, or a native returned it. Ran in part: the script decides what it means.
    Raised = "raised",
    /// No native, export, engine or file has the name. Never ran.
    NotFound = "not_found",
    /// The context or function is closed or released. Fate unknown if the call had begun.
    Dead = "dead",
    /// A number does not fit where it should go, or a value is nested deeper or larger than the
    /// cap. Never ran if the message names an argument; ran if it names the result.
    Range = "range",
    /// The value has no counterpart on the other side (a coroutine, a cycle, bytes that are not
    /// UTF-8). Never ran if the message names an argument; ran if it names the result.
    Unrepresentable = "unrepresentable",
    /// A value has another type than was declared. Never ran, unless the message names the result.
    Type = "type",
    /// Too few or too many arguments. Never ran.
    Arity = "arity",
    /// The chain of calls is deeper than the limit. Never ran.
    Depth = "depth",
    /// The deadline passed. Ran in part.
    Timeout = "timeout",
    /// The caller gave the call up. Ran in part.
    Cancelled = "cancelled",
    /// The memory limit of the context was reached. Ran in part.
    Memory = "memory",
    /// A permission is missing, or a name is taken. Never ran.
    Denied = "denied",
    /// No room now, or in use by somebody else. Never ran: try again later.
    Busy = "busy",
    /// The operation does not exist here. Never ran.
    Unsupported = "unsupported",
    /// A script could not be read or compiled. Never ran. The payload is the text `incomplete` if
    /// the script ended too early, so that more of it could make it complete.
    Load = "load",
    /// A native panicked. Ran in part; the worker lives on.
    Panicked = "panicked",
    /// The connection to another process was lost. Fate unknown.
    Transport = "transport",
    /// The broker is shutting down. Fate unknown if the call had begun.
    Shutdown = "shutdown",
    /// The operating system refused an input or output. Ran in part.
    Io = "io",
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One step of the way that an error came: a place in a script, or a native.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The engine's name (`lua`), or `native` for a Rust function.
    pub language: String,
    /// The name of the script: its path as it was loaded, or the name given to the source; for a
    /// native the empty string.
    pub script: String,
    /// The line in the script, from 1, where the language knows it.
    pub line: Option<u32>,
    /// The function's name, where the language knows it.
    pub function: Option<String>,
}

impl Frame {
    /// A place in a script.
    pub fn script(language: impl Into<String>, script: impl Into<String>) -> Self {
        Self { language: language.into(), script: script.into(), line: None, function: None }
    }

    /// A Rust function.
    pub fn native(name: impl Into<String>) -> Self {
        let (language, script) = ("native".into(), String::new());
        Self { language, script, line: None, function: Some(name.into()) }
    }

    /// The same frame at `line`.
    pub fn line(self, line: u32) -> Self {
        Self { line: Some(line), ..self }
    }

    /// The same frame in `function`.
    pub fn function(self, function: impl Into<String>) -> Self {
        Self { function: Some(function.into()), ..self }
    }
}

impl fmt::Display for Frame {
    /// `lua prices.lua:12 in discount`, or `native fs.read`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.language)?;
        if !self.script.is_empty() {
            write!(f, " {}", self.script)?;
        }
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match &self.function {
            Some(name) if self.script.is_empty() => write!(f, " {name}"),
            Some(name) => write!(f, " in {name}"),
            None => Ok(()),
        }
    }
}

/// The one error: a [kind](ErrorKind), a message, an optional payload and a trace through all
/// languages.
///
/// In a script it is the language's own catchable error, with the same `kind` and `message`;
/// rethrown, it keeps both and gains frames.
///
/// ```
/// use calog::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::NotFound, "no order 42");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "not_found: no order 42");
/// assert_eq!(Error::raised("boom").to_string(), "boom");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    /// What the message says, after the path if there is one.
    what: String,
    /// Where in the arguments or in a value it happened (`args[1].name`); empty if nowhere.
    path: String,
    /// `path: what`, kept whole so that `message` can lend it.
    message: String,
    payload: Value,
    trace: Vec<Frame>,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner {
            kind,
            what: message.clone(),
            path: String::new(),
            message,
            payload: Value::Nil,
            trace: Vec::new(),
        }))
    }

    /// An error of kind [`Raised`](ErrorKind::Raised): what a native returns for a failure of its
    /// own.
    pub fn raised(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Raised, message.to_string())
    }

    /// What went wrong, as one word.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What went wrong, for people; it names the place in the value if there is one
    /// (`args[1].name: expected string, got int`).
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What a script raised, if that was more than a text; else [`Value::Nil`].
    pub fn payload(&self) -> &Value {
        &self.0.payload
    }

    /// The way it came, through all languages, in call order: the outermost call first.
    pub fn trace(&self) -> &[Frame] {
        &self.0.trace
    }

    /// Only the trace.
    pub(crate) fn into_trace(self) -> Vec<Frame> {
        self.0.trace
    }

    /// The error for a value of more than `limit` bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(ErrorKind::Range, format!("the value takes more than {limit} bytes"))
    }

    /// The same error with a payload.
    pub fn with_payload(mut self, payload: Value) -> Self {
        self.0.payload = payload;
        self
    }

    /// The same error, found one step deeper: `segment` (`[2]`, `.name`, `args`) is put before its
    /// path.
    pub fn at(mut self, segment: impl fmt::Display) -> Self {
        let inner = &mut *self.0;
        inner.path.insert_str(0, &segment.to_string());
        inner.message = format!("{}: {}", inner.path.trim_start_matches('.'), inner.what);
        self
    }

    /// The same error with the frames of one more caller (in call order) before its trace.
    pub fn called_from(mut self, mut frames: Vec<Frame>) -> Self {
        frames.append(&mut self.0.trace);
        self.0.trace = frames;
        self
    }

    /// The error for a panic's payload.
    pub(crate) fn from_panic(panic: Box<dyn Any + Send>) -> Self {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        drop_payload(panic);
        Self::new(ErrorKind::Panicked, text.unwrap_or_else(|| "panic without a message".into()))
    }
}

/// Runs code of others that must not take its caller down, and whose panic there is nobody to tell.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
        drop_payload(panic);
    }
}

/// Drops the payload of a panic, which may be anything, also what panics when it is dropped: whoever
/// caught a panic must not go on with another.
#[expect(clippy::mem_forget, reason = "nobody knows what the drop of that would do")]
fn drop_payload(panic: Box<dyn Any + Send>) {
    if let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(worse);
    }
}

impl fmt::Display for Error {
    /// The message, with the kind before it unless the kind is `raised`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ErrorKind::Raised => f.write_str(self.message()),
            kind => write!(f, "{kind}: {}", self.message()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind(), self.message())?;
        self.trace().iter().try_for_each(|frame| write!(f, "\n  {frame}"))
    }
}

impl std::error::Error for Error {}

/// Two errors are equal if kind, message, payload and trace are.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        a.kind == b.kind && a.message == b.message && a.payload == b.payload && a.trace == b.trace
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, error.to_string())
    }
}

macro_rules! raised_from {
    ($($type:ty),*) => {$(
        impl From<$type> for Error {
            fn from(error: $type) -> Self {
                Self::raised(error)
            }
        }
    )*};
}

raised_from!(
    String,
    &str,
    Box<dyn std::error::Error>,
    Box<dyn std::error::Error + Send + Sync>,
    fmt::Error,
    std::num::ParseIntError,
    std::num::ParseFloatError,
    std::num::TryFromIntError,
    std::string::FromUtf8Error,
    std::str::Utf8Error
);
