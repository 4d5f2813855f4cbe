//! Everything that is decided before there is a broker.

use super::Broker;
use crate::{
    engine::Engine,
    error::{Error, ErrorKind, Result},
    host::{Host, Queue, Task},
    limits::{Fidelity, Limits},
    native::{Handler, HandlerMut, Native, Parameters},
    runtime::{Failure, Output, Parts, Runtime},
    value::{IntoValue, Value},
};
use std::{fmt, future::Future, io::Write, sync::Arc};
use tokio::task::LocalSet;

/// Builds a [`Broker`]: natives, engines and settings.
///
/// Natives are registered once and are then callable from every script of every language. What is
/// registered cannot change while the broker lives, so a script never finds a name gone.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> calog::Result<()> {
/// use calog::{Broker, Error};
///
/// let broker = Broker::builder()
///     // Runs at once, on the worker of the calling script.
///     .native("add", |a: i64, b: i64| a + b)
///     // May fail.
///     .native("parse", |text: String| text.trim().parse::<i64>())
///     // Is awaited: the script waits, no thread does.
///     .native_async("fetch", |id: i64| async move { Ok::<_, Error>(format!("user {id}")) })
///     // Blocks: runs on tokio's pool for that.
///     .native_blocking("hostname", || std::fs::read_to_string("/etc/hostname"))
///     .build()?;
/// let context = broker.open("lua").await?;
/// let user: String = context.eval("return fetch(add(40, parse(' 2 ')))").await?;
/// assert_eq!(user, "user 42");
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is built before `build`"]
pub struct Builder {
    natives: Vec<Native>,
    data: Vec<(String, Result<Value>)>,
    host: Vec<(String, Task)>,
    queue: Queue,
    engines: Vec<Arc<dyn Engine>>,
    limits: Limits,
    fidelity: Fidelity,
    output: Output,
    input: Option<Native>,
    on_failure: Box<dyn Fn(Failure) + Send + Sync>,
    workers: usize,
    signals: bool,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Builder({} natives)", self.natives.len())
    }
}

impl Default for Builder {
    /// Every engine whose cargo feature is on, default limits, a worker per core, output to stdout.
    fn default() -> Self {
        Self {
            natives: crate::natives::all(),
            data: Vec::new(),
            host: Vec::new(),
            queue: Queue::default(),
            engines: crate::engines::builtin(),
            limits: Limits::default(),
            fidelity: Fidelity::Strict,
            output: Output { print: Arc::new(to_stdout), takes_parts: true },
            input: None,
            on_failure: Box::new(|failure| to_stderr(&failure)),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            signals: cfg!(unix),
        }
    }
}

fn to_stdout(_context: &str, text: &[u8], ends_line: bool) {
    let mut out = std::io::stdout().lock();
    let end: &[u8] = if ends_line { b"\n" } else { b"" };
    // A closed stdout is not the script's fault, and there is nowhere to say so.
    let _ = out.write_all(text).and_then(|()| out.write_all(end)).and_then(|()| out.flush());
}

fn to_stderr(failure: &Failure) {
    let _ = writeln!(std::io::stderr(), "calog: in {}: {:?}", failure.context, failure.error);
}

impl Builder {
    /// Registers a native that runs at once, on the worker of the calling script. It must not
    /// block: use [`native_blocking`](Self::native_blocking) for that.
    ///
    /// See [`native`](crate::native) for what its parameters and its result may be. If it panics,
    /// the script gets an error of kind `panicked`, and the worker lives on.
    pub fn native<P, H>(mut self, name: &str, handler: H) -> Self
    where
        P: Parameters,
        H: Handler<P, Output: IntoValue>,
    {
        self.natives.push(Native::sync(name, handler));
        self
    }

    /// Registers a native whose future the calling script awaits. It is polled on the script's own
    /// worker and need not be `Send`. When the script's call is cancelled, the future is dropped.
    pub fn native_async<P, H>(mut self, name: &str, handler: H) -> Self
    where
        P: Parameters,
        H: Handler<P, Output: Future<Output: IntoValue> + 'static>,
    {
        self.natives.push(Native::asynchronous(name, handler));
        self
    }

    /// Registers a native that blocks: it runs on tokio's blocking pool while the script waits.
    /// When the script's call is cancelled, it goes on, and what it returns is dropped.
    pub fn native_blocking<P, H>(mut self, name: &str, handler: H) -> Self
    where
        P: Parameters + Send + 'static,
        H: Handler<P, Output: IntoValue>,
    {
        self.natives.push(Native::blocking(name, handler));
        self
    }

    /// Registers a host native: it may change its captured state, need not be `Send`, and runs on
    /// the host's thread, one at a time, when the [`Host`] is pumped. Build with
    /// [`build_with_host`](Self::build_with_host).
    pub fn native_host<P, H>(mut self, name: &str, mut handler: H) -> Self
    where
        P: Parameters,
        H: HandlerMut<P, Output: IntoValue>,
    {
        let task: Task = Box::new(move |caller, args| {
            handler.call(Native::parameters::<P>(caller, args)?).into_value()
        });
        self.natives.push(self.queue.native(name, self.host.len()));
        self.host.push((name.to_string(), task));
        self
    }

    /// Registers data that every script sees under `name`, by value. If it cannot be converted,
    /// `build` says so.
    pub fn data(mut self, name: &str, value: impl IntoValue) -> Self {
        self.data.push((name.to_string(), value.into_value()));
        self
    }

    /// Adds a language. The builtin engines are there already, in front.
    pub fn engine(mut self, engine: impl Engine) -> Self {
        self.engines.push(Arc::new(engine));
        self
    }

    /// Removes all engines, so that only those added from here on are there.
    pub fn no_engines(mut self) -> Self {
        self.engines.clear();
        self
    }

    /// What contexts may use unless they are opened with other limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How values cross unless a context or a call chooses otherwise.
    pub fn fidelity(mut self, fidelity: Fidelity) -> Self {
        self.fidelity = fidelity;
        self
    }

    /// Where the output of scripts goes (`print`): called with the context's name and one line,
    /// without its end, on the context's worker. The default writes to stdout.
    ///
    /// Some languages print text without an end of line. That is kept until its line ends; what is
    /// left when the calls of the context have ended, or when one asks for [input](Self::input),
    /// comes as a line of its own, as do the parts of a line of more than 1 MiB.
    pub fn output(mut self, output: impl Fn(&str, &[u8]) + Send + Sync + 'static) -> Self {
        let print = Arc::new(move |name: &str, line: &[u8], _: bool| output(name, line));
        self.output = Output { print, takes_parts: false };
        self
    }

    /// The same for an output that can go on in the middle of a line, such as a terminal: called
    /// with the context's name, text, and whether the line ends there. Text without an end of line
    /// comes when a script calls out, asks for input or ends.
    pub fn output_parts(
        mut self,
        output: impl Fn(&str, &[u8], bool) + Send + Sync + 'static,
    ) -> Self {
        self.output = Output { print: Arc::new(output), takes_parts: true };
        self
    }

    /// Where the input of scripts comes from: called when a script waits for a line, it gives one as
    /// text without its end (a [`String`], [`Bytes`](bytes::Bytes)), or [`None`] at the end of the
    /// input. It is a native like those of [`native_async`](Self::native_async), and may take the
    /// [`Caller`](crate::Caller). The default has none: all input is at its end.
    ///
    /// ```
    /// use calog::{Broker, Caller};
    /// let builder = Broker::builder().input(|caller: Caller| async move {
    ///     (caller.name() == "quiz").then_some("42")
    /// });
    /// ```
    pub fn input<P, H>(mut self, source: H) -> Self
    where
        P: Parameters,
        H: Handler<P, Output: Future<Output: IntoValue> + 'static>,
    {
        self.input = Some(Native::asynchronous("input", source));
        self
    }

    /// What happens when a call fails that nobody waits for
    /// ([`Context::post`](crate::Context::post)). Called on the context's worker or, if there is a
    /// [`Host`], by its pump. The default writes to stderr.
    pub fn on_failure(mut self, handler: impl Fn(Failure) + Send + Sync + 'static) -> Self {
        self.on_failure = Box::new(handler);
        self
    }

    /// How many worker threads. The default is one per core; 1 makes everything run in one order.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Whether a script whose slice is over is interrupted by a signal to its worker (SIGURG), which
    /// is the default on Unix and costs a running script nothing. Without signals, and elsewhere,
    /// Lua runs with a hook that looks every 10,000 instructions, and tight loops take 1.4 to 3
    /// times as long. In inline mode, where nobody could send a signal, that hook is what makes
    /// slices and deadlines hold for a Lua script that computes.
    pub fn signals(mut self, signals: bool) -> Self {
        self.signals = signals && cfg!(unix);
        self
    }

    /// Starts the broker with its worker threads.
    ///
    /// # Errors
    /// `denied` if a name is registered twice; `type` if one is a name that scripts cannot write;
    /// `unsupported` if there are host natives (they need a [`Host`]); `io` if the system refuses
    /// threads.
    pub fn build(self) -> Result<Broker> {
        self.check_no_host()?;
        let workers = self.workers;
        let runtime = Runtime::threaded(self.parts()?, workers)?;
        Ok(Broker(Arc::new(runtime)))
    }

    /// The same with the host's own side.
    ///
    /// # Errors
    /// Those of [`build`](Self::build), but for `unsupported`.
    pub fn build_with_host(mut self) -> Result<(Broker, Host)> {
        let host = self.host();
        let workers = self.workers;
        let runtime = Runtime::threaded(self.parts()?, workers)?;
        Ok((Broker(Arc::new(runtime)), host))
    }

    /// Starts the broker without threads of its own: all contexts run on `local`, while that is
    /// driven. For tests under paused time, for games, for hosts of one thread. There is no watchdog
    /// in this mode: a Lua script that computes for long holds the thread up unless
    /// [`signals`](Self::signals) are off, and what no interrupt reaches holds it in any case.
    ///
    /// # Errors
    /// Those of [`build`](Self::build).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> calog::Result<()> {
    /// use calog::Broker;
    /// let local = tokio::task::LocalSet::new();
    /// let broker = Broker::builder().build_inline(&local)?;
    /// let answer: i64 = local
    ///     .run_until(async { broker.open("lua").await?.eval("return 6 * 7").await })
    ///     .await?;
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn build_inline(self, local: &LocalSet) -> Result<Broker> {
        self.check_no_host()?;
        Ok(Broker(Arc::new(Runtime::inline(self.parts()?, local)?)))
    }

    /// The same with the host's own side.
    ///
    /// # Errors
    /// Those of [`build`](Self::build), but for `unsupported`.
    pub fn build_inline_with_host(mut self, local: &LocalSet) -> Result<(Broker, Host)> {
        let host = self.host();
        Ok((Broker(Arc::new(Runtime::inline(self.parts()?, local)?)), host))
    }

    fn check_no_host(&self) -> Result<()> {
        let Some((name, _)) = self.host.first() else { return Ok(()) };
        let message = format!("host native `{name}` needs a host: use `build_with_host`");
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    fn host(&mut self) -> Host {
        let tasks = std::mem::take(&mut self.host).into_iter().map(|(_, task)| task).collect();
        let ignore: Box<dyn Fn(Failure) + Send + Sync> = Box::new(|_| {});
        let handler = std::mem::replace(&mut self.on_failure, ignore);
        let queue = std::mem::take(&mut self.queue);
        self.on_failure = queue.failures();
        Host::new(tasks, handler, queue)
    }

    fn parts(self) -> Result<Parts> {
        let Self { natives, data, engines, limits, fidelity, output, .. } = self;
        let Self { input, on_failure, signals, .. } = self;
        let data = data.into_iter().map(|(name, value)| match value {
            Ok(value) => Ok((name, value)),
            Err(error) => Err(error.at(name)),
        });
        let data = data.collect::<Result<_>>()?;
        Ok(Parts { natives, data, engines, limits, fidelity, output, input, on_failure, signals })
    }
}
