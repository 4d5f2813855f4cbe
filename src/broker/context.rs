//! The handle of a context.

use super::Call;
use crate::{
    engine::Source,
    error::{ErrorKind, Result},
    id::ContextId,
    runtime::{Address, Usage, Work, ended},
    value::{FromValue, Function, IntoArgs},
};
use std::{fmt, sync::Arc};

/// A handle to one interpreter and its mailbox; cheap to clone.
///
/// The broker owns the context: dropping handles does not close it, [`close`](Self::close) does. A
/// handle that outlives it is harmless: every use is an error of kind `dead` (or `shutdown`).
#[derive(Clone)]
pub struct Context(pub(super) Arc<Address>);

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} {})", self.name(), self.id())
    }
}

impl Context {
    /// The context's address.
    pub fn id(&self) -> ContextId {
        self.0.id()
    }

    /// The context's name. Names need not be unique.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Calls a function that the context's scripts export as `name`.
    ///
    /// Calls of one context overlap where the script waits, and end in any order. In JavaScript that
    /// holds for promises; while a script waits in a plain call there, a call from the host begins
    /// only when nothing waits any more. An exported function is found when the call is made.
    ///
    /// # Errors
    /// `not_found` if the context exports no such name, `type` if it is data; else see [`Call`].
    ///
    /// # Cancel safety
    /// Dropping the call cancels the script's part of it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> calog::Result<()> {
    /// # use calog::{Broker, ErrorKind};
    /// let broker = Broker::builder().build()?;
    /// let context = broker.open("lua").await?;
    /// context.eval::<()>("expose('f', function(a, b) return a .. b end)").await?;
    /// let ab: String = context.call("f", ("a", "b")).await?;
    /// assert_eq!(ab, "ab");
    /// let error = context.call::<i64>("g", ()).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn call<R: FromValue>(&self, name: &str, args: impl IntoArgs) -> Call<R> {
        Call::function(self.0.export(name), args)
    }

    /// The same without waiting for room: a context that has its fill of calls
    /// ([`Limits::concurrent_calls`](crate::Limits::concurrent_calls)) refuses.
    ///
    /// # Errors
    /// `busy` if there is no room now; else those of [`call`](Self::call).
    ///
    /// # Cancel safety
    /// That of [`call`](Self::call).
    pub fn try_call<R: FromValue>(&self, name: &str, args: impl IntoArgs) -> Call<R> {
        self.call(name, args).impatient()
    }

    /// Compiles and runs `source` in the context; the result is what it returns.
    ///
    /// # Errors
    /// `load` if it does not compile; else see [`Call`].
    ///
    /// # Cancel safety
    /// Dropping the call cancels it; what the source had done stays done.
    pub fn eval<R: FromValue>(&self, source: &str) -> Call<R> {
        self.eval_as("=eval", source)
    }

    /// The same, with the name that errors give the source. A name that begins with `=` is no file.
    ///
    /// # Errors
    /// Those of [`eval`](Self::eval).
    ///
    /// # Cancel safety
    /// That of [`eval`](Self::eval).
    pub fn eval_as<R: FromValue>(&self, name: &str, source: &str) -> Call<R> {
        let (name, text) = (name.into(), source.into());
        let source = Source { name, text, folder: None, wants_result: true };
        self.load(source)
    }

    pub(super) fn load<R: FromValue>(&self, source: Source) -> Call<R> {
        Call::new(Ok(Work::Load(self.0.clone(), Box::new(source))))
    }

    /// Calls an exported function without waiting for its end. If it fails, the broker's error
    /// handler gets the error ([`Builder::on_failure`](crate::Builder::on_failure)).
    ///
    /// # Errors
    /// `not_found`, `type` and conversion errors at once; `busy` if the context has its fill of
    /// calls; `dead` or `shutdown` if it has closed.
    pub fn post(&self, name: &str, args: impl IntoArgs) -> Result<()> {
        let function = self.0.export(name)?;
        let owner = self.0.owner(function.context()).ok_or_else(|| ended(ErrorKind::Dead))?;
        owner.post(Work::Call(function, args.into_args()?))
    }

    /// A handle to a function that the context exports as `name`.
    ///
    /// # Errors
    /// `not_found` if it exports no such name, `type` if it is data.
    pub fn function(&self, name: &str) -> Result<Function> {
        self.0.export(name)
    }

    /// What the context uses now.
    ///
    /// # Errors
    /// `dead` or `shutdown` if it has closed, `busy` if its worker does not respond
    /// ([`Broker::stats`](crate::Broker::stats) knows what it used last).
    ///
    /// # Cancel safety
    /// Safe: asking changes nothing.
    pub async fn usage(&self) -> Result<Usage> {
        self.0.usage().await
    }

    /// Closes the context: calls that are queued, running or suspended are answered with `dead`,
    /// scripts are unwound, its exports disappear. Returns when all of it is gone. Closing twice is
    /// fine. A context whose worker does not respond ends when that does again.
    ///
    /// # Cancel safety
    /// Once polled, the context ends, whether or not somebody waits for it.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
