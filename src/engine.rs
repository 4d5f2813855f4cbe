//! The contract between calog and a language. **API boundary.**
//!
//! An [`Engine`] opens an [`Interpreter`] for each context, on the context's worker, and gives it a
//! [`Scope`]: all that it sees of calog. The runtime enters an interpreter only through the futures
//! of its methods, on one thread for life; so nothing here needs to be `Send` but the engine itself.
//! It is the context's actor that polls them; the first poll of a call may also come from a script of
//! another context on the same thread, whose fiber then lies below.
//!
//! A synchronous interpreter runs its scripts on [fibers](crate::fiber), a stackless one returns
//! plain futures; the runtime cannot tell them apart.

use crate::{
    error::{Error, ErrorKind, Result},
    fiber::Operation,
    fidelity::Rule,
    id::ContextId,
    limits::{Fidelity, Limits},
    native::{Caller, Native, Step},
    value::{Aggregate, Function, Value, WeakFunction},
};
use futures::future::LocalBoxFuture;
use std::{
    cell::RefCell,
    fmt, mem,
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
    task::{Context, Poll},
};

/// A language. Register one with [`Builder::engine`](crate::Builder::engine).
pub trait Engine: Send + Sync + 'static {
    /// The language's name, in lower case (`lua`).
    fn name(&self) -> &str;

    /// The extensions of its files, without the dot (`lua`), the preferred one first.
    fn extensions(&self) -> &[&str];

    /// A new interpreter for one context. Called on the context's worker.
    ///
    /// # Errors
    /// Whatever keeps the interpreter from starting; the context is then not opened.
    fn open(&self, scope: Rc<dyn Scope>) -> Result<Rc<dyn Interpreter>>;

    /// Does the language have booleans? What comes from one without them may be 0 or 1 where a
    /// receiver in Rust asks for a bool.
    fn has_bools(&self) -> bool {
        true
    }

    /// How values cross into the language and out of it, rule by rule, with samples. Whoever adds
    /// rules here should also test them.
    fn fidelity(&self) -> &'static [Rule] {
        &[]
    }
}

/// Whether calls of one interpreter that wait may finish in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// They may.
    Any,
    /// Only the innermost may: the others wait for it.
    Nested,
}

/// The source text of a script.
#[derive(Clone, Debug)]
pub struct Source {
    /// What errors call it: the path as it was given, or a name such as `=repl`.
    pub name: String,
    /// The text. Engines that want UTF-8 may rely on it.
    pub text: String,
    /// The folder whose files the script may import, if it came from a file.
    pub folder: Option<PathBuf>,
    /// Does anybody want what the script returns? If not, it need not be able to leave the context.
    pub wants_result: bool,
}

impl Source {
    /// The text of a script file: UTF-8, without a byte order mark, and with the first line blank
    /// if it begins with `#!`, so that line numbers stay.
    ///
    /// # Errors
    /// `load` if it is not UTF-8; the message names `shown` and the line.
    pub fn decode(bytes: Vec<u8>, shown: impl fmt::Display) -> Result<String> {
        let mut text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            Error::new(ErrorKind::Load, format!("{shown}:{line}: not UTF-8"))
        })?;
        if text.starts_with('\u{feff}') {
            text.remove(0);
        }
        if text.starts_with("#!") {
            text.replace_range(..text.find('\n').unwrap_or(text.len()), "");
        }
        Ok(text)
    }
}

/// One instance of a language, inside one context.
///
/// Dropping the future of a call cancels it: the script is unwound (its `__close` or `finally` run,
/// for a bounded time) before the drop returns, and the interpreter stays usable.
pub trait Interpreter {
    /// Compiles and runs the top level of a script; its result is what the script returns.
    ///
    /// # Errors
    /// `load` if it does not compile, else what the script raises.
    fn load(self: Rc<Self>, source: Source) -> LocalBoxFuture<'static, Result<Value>>;

    /// Calls the function that [`Scope::function`] published under `key`.
    ///
    /// # Errors
    /// What the function raises.
    fn call(self: Rc<Self>, key: u64, args: Vec<Value>) -> LocalBoxFuture<'static, Result<Value>>;

    /// The same with its first poll: the runtime calls functions this way. Most calls end at once,
    /// so an interpreter may see to it that only what waits needs a box. The arguments are taken out
    /// of `args`, and how a call has ended goes into `result`, which holds nil before: handed through
    /// all who take part, either would be moved again and again right after it was written, and each
    /// time takes as long as dozens of instructions.
    fn begin(
        self: Rc<Self>,
        key: u64,
        args: &mut Vec<Value>,
        cx: &mut Context<'_>,
        result: &mut Result<Value>,
    ) -> Begun {
        let mut call = self.call(key, mem::take(args));
        match call.as_mut().poll(cx) {
            Poll::Ready(ended) => {
                *result = ended;
                Begun::Ended
            }
            Poll::Pending => Begun::Waits(call),
        }
    }

    /// The last handle of function `key` is gone: the function may be collected.
    fn release(&self, key: u64);

    /// Bytes in use.
    fn memory(&self) -> usize;

    /// Functions that were published and not yet released.
    fn handles(&self) -> usize;

    /// Whether waiting calls may finish in any order.
    fn overlap(&self) -> Overlap;
}

/// How far a call came that was [begun](Interpreter::begin).
pub enum Begun {
    /// It has ended, and the result is in its place.
    Ended,
    /// It waits. This is the rest of it; dropping it cancels the call.
    Waits(LocalBoxFuture<'static, Result<Value>>),
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// A native.
    Native(Arc<Native>),
    /// A function that a script exports. Call it by name, so that a later export is followed.
    Function(Function),
    /// Data of a script or of the host.
    Data(Value),
    /// Not a name itself, but the beginning of some (`net` of `net.connect`).
    Namespace {
        /// It begins names of the host, which cannot change; else it comes and goes with exports.
        fixed: bool,
    },
}

/// What a script calls.
#[derive(Clone, Debug)]
pub enum Callee {
    /// A native.
    Native(Arc<Native>),
    /// A function value.
    Function(Function),
    /// Whatever has the name when the call is made.
    Name(Named),
}

/// A name that is called again and again: it remembers what it stood for, as long as no export
/// changes.
#[derive(Clone)]
pub struct Named {
    name: Arc<str>,
    /// What it stood for, and [when](Scope::epoch).
    seen: RefCell<Option<(u64, WeakFunction)>>,
}

impl Named {
    /// Nothing is looked up before the first call.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), seen: RefCell::new(None) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The function that the name stood for at `epoch`, if it was seen then.
    pub(crate) fn seen_at(&self, epoch: u64) -> Option<Function> {
        match &*self.seen.borrow() {
            Some((seen, function)) if *seen == epoch => function.upgrade(),
            _ => None,
        }
    }

    /// Remembers what the name stood for at `epoch`.
    pub(crate) fn see(&self, epoch: u64, function: &Function) {
        self.seen.replace(Some((epoch, function.downgrade())));
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

/// All that an interpreter sees of calog.
pub trait Scope {
    /// The context of the interpreter.
    fn id(&self) -> ContextId;

    /// A number that changes whenever any export does: what was resolved under it still holds while
    /// it is the same, if it was read before.
    fn epoch(&self) -> u64;

    /// The place of that number, for an interpreter that looks at it again and again.
    fn epochs(&self) -> Arc<AtomicU64>;

    /// What `name` stands for now, if anything.
    fn resolve(&self, name: &str) -> Option<Resolved>;

    /// The same for a language in which the case of a name does not count: what stands behind the
    /// one name that differs from `name` at the most in case, and how it is really written, which
    /// is the form for a [`Named`]. It takes longer than `resolve`: remember what it finds under
    /// the [epoch](Self::epoch).
    ///
    /// # Errors
    /// `not_found` if several names differ only in case; the message tells two of them.
    fn resolve_ignoring_case(&self, name: &str) -> Result<Option<(Arc<str>, Resolved)>>;

    /// Calls `callee` for the running script, as the next link of its
    /// [chain](crate::engine::Chain). The arguments are taken out of `args`. Nothing blocks: what
    /// has to wait comes back as [`Step::Wait`].
    fn call(&self, callee: &Callee, args: &mut [Value]) -> Step;

    /// A new handle for the function that the interpreter keeps under `key`.
    fn function(&self, key: u64) -> Function;

    /// Exports `value` under `name`. A later export of the same context replaces it.
    ///
    /// # Errors
    /// `denied` if the name belongs to the host or to another context; `type` if it is no name;
    /// `range` if it has more than 255 bytes;
    /// `unsupported` if the function belongs to another broker; `memory` if the context's exports
    /// would take more than its memory limit.
    fn expose(&self, name: &str, value: Value) -> Result<()>;

    /// Is `function` one that this broker can call?
    ///
    /// # Errors
    /// `unsupported` if it belongs to another broker of the process.
    fn admit(&self, function: &Function) -> Result<()>;

    /// Writes one line of output, or the rest of one.
    fn print(&self, line: &[u8]);

    /// Writes text that may have ends of lines (`\n`) inside and need not end with one. What is left
    /// of it goes out with its line or, without an end, when a script asks for input or when no call
    /// of the context is left; to an output that takes parts, also when a script calls out and when
    /// its call ends.
    fn write(&self, text: &[u8]);

    /// Waits for one line of input: the text without its end, or nil if there is no more.
    fn read_line(&self) -> Operation;

    /// Runs `task` beside the calls of the context until it ends or the context does: the way of a
    /// timer or a promise into the interpreter. It belongs to no [chain](crate::engine::Chain)
    /// unless it sets one.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>);

    /// The begin of a chain for work that nobody called for.
    fn root(&self) -> Chain;

    /// Hands an error that no caller waits for to the broker's error handler.
    fn report(&self, error: Error);

    /// Reads the text of a module beside the script: `path` is relative to the `folder` of the
    /// source. It must lie in the folder, also after links are followed.
    fn read_module(&self, folder: &Path, path: &Path) -> Operation;

    /// Must the interpreter look for the end of its slice itself, every some thousand steps
    /// ([`fiber::checkpoint`](crate::fiber::checkpoint))? If not, a signal can be made to remind it.
    fn polls(&self) -> bool;

    /// What the context may use.
    fn limits(&self) -> &Limits;

    /// How values cross in the running call.
    fn fidelity(&self) -> Fidelity;

    /// The context as natives see it.
    fn caller(&self) -> &Caller;
}

/// What every engine needs of it in the same form.
impl dyn Scope + '_ {
    /// May `value` enter the interpreter? What an aggregate of it may hold in the engine's language,
    /// `parts` says.
    ///
    /// # Errors
    /// `range` if it is nested too deep or too large, `unsupported` if it is a function of another
    /// broker, and those of `parts`.
    pub fn check_value(
        &self,
        value: &Value,
        parts: impl FnOnce(&Aggregate) -> Result<()>,
    ) -> Result<()> {
        let limits = self.limits();
        let too_large = || Err(Error::too_large(limits.value_bytes));
        match value {
            Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Real(_) => Ok(()),
            Value::String(bytes) | Value::Bytes(bytes) if bytes.len() > limits.value_bytes => {
                too_large()
            }
            Value::String(_) | Value::Bytes(_) => Ok(()),
            Value::Function(function) => self.admit(function),
            Value::Aggregate(aggregate) => {
                // This is also what bounds the recursions of the engine; a value may share its
                // parts, and would be written out at each of their places.
                let bytes = value.checked_size(limits.value_depth)?;
                if bytes > limits.value_bytes.saturating_mul(2) {
                    return too_large();
                }
                parts(aggregate)
            }
        }
    }

    /// May another function of the context be held by others, who hold `held` already?
    ///
    /// # Errors
    /// `memory` if those are as many as there may be.
    pub fn check_handles(&self, held: usize) -> Result<()> {
        let most = self.limits().handles;
        if held < most {
            return Ok(());
        }
        let message = format!("others hold {most} functions of the context: no more may leave it");
        Err(Error::new(ErrorKind::Memory, message))
    }

    /// `expose(name, value)`, as a script calls it.
    pub fn run_expose(&self, args: &mut [Value]) -> Step {
        let [Value::String(name), value] = args else {
            return wrong("expose(name, value): expected a name and a value");
        };
        let Ok(name) = std::str::from_utf8(name) else {
            return wrong("expose: the name is not UTF-8");
        };
        Step::Ready(self.expose(name, mem::take(value)).map(|()| Value::Nil))
    }

    /// `call(f, ...)`, as a script calls it: `f` is a function or a name.
    pub fn run_call(&self, args: &mut [Value]) -> Step {
        let Some((callee, args)) = args.split_first_mut() else {
            return wrong("call(f, ...): expected a function or a name");
        };
        let callee = match callee {
            Value::Function(function) => Callee::Function(function.clone()),
            Value::String(name) => match std::str::from_utf8(name) {
                Ok(name) => Callee::Name(Named::new(name)),
                Err(_) => return wrong("call: the name is not UTF-8"),
            },
            other => {
                let kind = other.type_name();
                return wrong(format!("call: expected a function or a name, got {kind}"));
            }
        };
        self.call(&callee, args)
    }
}

/// The failure of a function of calog's own that was called with the wrong arguments.
#[cfg_attr(not(any(feature = "lua", feature = "js")), allow(dead_code, reason = "engines use it"))]
pub(crate) fn wrong(message: impl Into<String>) -> Step {
    Step::Ready(Err(Error::new(ErrorKind::Type, message)))
}

pub use crate::chain::Chain;
