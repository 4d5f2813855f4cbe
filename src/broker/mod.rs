//! The face: what a host does with calog.

mod builder;
mod call;
mod context;
mod open;

pub use builder::Builder;
pub use call::Call;
pub use context::Context;
pub use open::Open;

use crate::{
    engine::Resolved,
    error::{Error, ErrorKind, Result},
    fidelity::Rule,
    id::ContextId,
    runtime::{Runtime, Stats},
    value::{FromValue, IntoArgs, Value},
};
use std::{fmt, path::Path, sync::Arc, time::Duration};

/// The runtime that a host creates; cheap to clone. Any number may live in one process, and nothing
/// passes between them.
///
/// When the last clone is dropped, every context ends and open calls are answered with `shutdown`.
/// The drop waits for the workers, some milliseconds as a rule and a second at the most; to wait
/// without blocking the thread, call [`shutdown`](Self::shutdown) before.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> calog::Result<()> {
/// use calog::Broker;
/// use std::time::Duration;
///
/// let broker = Broker::builder().native("add", |a: i64, b: i64| a + b).build()?;
/// let context = broker.open("lua").await?;
/// context.eval::<()>("expose('double', function(x) return add(x, x) end)").await?;
/// let four: i64 = broker.call("double", (2,)).await?;
/// assert_eq!(four, 4);
/// broker.shutdown(Duration::from_secs(1)).await
/// # }
/// ```
#[derive(Clone)]
pub struct Broker(Arc<Runtime>);

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broker({} contexts)", self.contexts().len())
    }
}

impl Broker {
    /// A builder: natives and settings are given once, before there is a broker.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Opens an empty context of an engine (`lua`). Await it, or set more before.
    ///
    /// # Errors
    /// `not_found` if there is no such engine, `shutdown` if the broker is going down, and what the
    /// engine says when it cannot start.
    pub fn open(&self, engine: &str) -> Open {
        Open::engine(self, engine)
    }

    /// Opens a context for a script file and runs its top level. Await it, or set more before.
    ///
    /// The extension chooses the engine. Without one, the engines are asked in the order of their
    /// registration, each with its extensions in order, and the first file that is there wins. The
    /// context is named after the file's stem.
    ///
    /// # Errors
    /// `not_found` if there is no such file, `unsupported` if no engine knows the extension, `load`
    /// if the file is no readable script, and what the script raises. No half-open context is left.
    pub fn load(&self, path: impl AsRef<Path>) -> Open {
        Open::file(self, path.as_ref())
    }

    /// Calls a function that some script exports as `name`.
    ///
    /// # Errors
    /// `not_found` if nobody does now, `type` if it is data, else what [`Context::call`] gives.
    ///
    /// # Cancel safety
    /// Dropping the call cancels the script's part of it.
    pub fn call<R: FromValue>(&self, name: &str, args: impl IntoArgs) -> Call<R> {
        let function = match self.0.shared.directory.resolve(name) {
            Some(Resolved::Function(function)) => Ok(function),
            Some(Resolved::Data(data)) => {
                let message = format!("`{name}` is no function but data: {}", data.type_name());
                Err(Error::new(ErrorKind::Type, message))
            }
            Some(Resolved::Native(_)) => {
                let message = format!("`{name}` is a native: call it in Rust");
                Err(Error::new(ErrorKind::Unsupported, message))
            }
            Some(Resolved::Namespace { .. }) | None => {
                let message = format!("no script exports `{name}`");
                Err(Error::new(ErrorKind::NotFound, message))
            }
        };
        Call::function(function, args)
    }

    /// The data that a script or the host has published as `name`, or a handle if it is a script's
    /// function; `None` if there is no such name.
    pub fn export(&self, name: &str) -> Option<Value> {
        match self.0.shared.directory.resolve(name)? {
            Resolved::Function(function) => Some(Value::Function(function)),
            Resolved::Data(data) => Some(data),
            Resolved::Native(_) | Resolved::Namespace { .. } => None,
        }
    }

    /// Every name that scripts see now, natives and exports, sorted.
    pub fn names(&self) -> Vec<String> {
        self.0.shared.directory.names()
    }

    /// The context with this id.
    ///
    /// # Errors
    /// `dead` if it has closed, even if another context has its slot now.
    pub fn context(&self, id: ContextId) -> Result<Context> {
        let context = self.0.shared.directory.context(id).map(Context);
        context
            .ok_or_else(|| Error::new(self.0.shared.why_ended(), format!("context {id} is closed")))
    }

    /// Every context that is open now.
    pub fn contexts(&self) -> Vec<Context> {
        self.0.shared.directory.contexts().into_iter().map(Context).collect()
    }

    /// The engines, in the order of their registration: name and extensions.
    pub fn engines(&self) -> impl Iterator<Item = (&str, &[&str])> {
        self.0.shared.engines.iter().map(|engine| (engine.name(), engine.extensions()))
    }

    /// How values cross into each language and out of it: the name of the engine and its rules, in
    /// the order of registration. An engine without rules tells nothing.
    ///
    /// ```
    /// use calog::{Broker, fidelity::Direction};
    /// let broker = Broker::builder().build()?;
    /// for (engine, rules) in broker.fidelity() {
    ///     for rule in rules.iter().filter(|rule| rule.direction() == Direction::Out) {
    ///         println!("{engine}: {}, {}, is {} outside", rule.about, rule.sample, rule.strict);
    ///     }
    /// }
    /// # Ok::<(), calog::Error>(())
    /// ```
    pub fn fidelity(&self) -> impl Iterator<Item = (&str, &'static [Rule])> {
        self.0.shared.engines.iter().map(|engine| (engine.name(), engine.fidelity()))
    }

    /// What contexts and workers use and do now. It asks nobody, so it does not wait, not even for a
    /// worker that does not respond; what a context uses is what it used a moment ago, when it
    /// last said so.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> calog::Result<()> {
    /// # use calog::Broker;
    /// let broker = Broker::builder().workers(2).build()?;
    /// let context = broker.open("lua").name("shop").await?;
    /// context.eval::<()>("expose('f', function() end)").await?;
    /// let stats = broker.stats();
    /// assert_eq!((stats.contexts.len(), stats.stuck_workers()), (1, 0));
    /// assert_eq!(stats.totals().calls, 1);
    /// for context in &stats.contexts {
    ///     println!("{} uses {} bytes", context.name, context.usage.memory_bytes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stats(&self) -> Stats {
        self.0.shared.stats()
    }

    /// Waits until no script has anything left to do by itself: no timer, no promise under way.
    /// Calls that the host waits for are not looked at.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    pub async fn settled(&self) {
        let mut tasks = self.0.shared.tasks.subscribe();
        // The sender lives in the broker, so waiting cannot fail.
        let _ = tasks.wait_for(|count| *count == 0).await;
    }

    /// Ends everything: every open call is answered with `shutdown`, scripts are unwound, all
    /// threads are joined. May be called twice, and from several places.
    ///
    /// # Errors
    /// `timeout` if something has not ended within `limit`; it goes on ending by itself.
    ///
    /// # Cancel safety
    /// Once polled, everything is told to end, whether or not somebody waits for it.
    pub async fn shutdown(&self, limit: Duration) -> Result<()> {
        self.0.shutdown(limit).await
    }
}
