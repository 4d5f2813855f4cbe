//! A counted handle to a function of a script.

use super::{FromValue, IntoArgs, Value, converted};
use crate::{error::Result, id::ContextId};
use futures::future::BoxFuture;
use std::{
    any::Any,
    fmt,
    sync::{Arc, Weak},
};

/// The side that owns functions: a context, as the handles of its functions see it.
///
/// The runtime implements it; the handle knows no more than this, so that values need no runtime.
pub(crate) trait Owner: Any + Send + Sync {
    /// The owning context.
    fn context(&self) -> ContextId;
    /// A number that tells the brokers of a process apart while they live.
    fn broker(&self) -> usize;
    /// Does its language have booleans?
    fn has_bools(&self) -> bool;
    /// Has it ended? Then it answers no call any more.
    fn has_ended(&self) -> bool;
    /// Calls `function`, which is one of this owner's, on the owner's worker, and keeps the handle
    /// until the answer is there. Nothing happens before the first poll; dropping the future
    /// cancels the call.
    fn call(&self, function: Function, args: Vec<Value>) -> BoxFuture<'static, Result<Value>>;
    /// The same for a script that runs now: where the owner lives on this thread and rests, the call
    /// runs at once, and `Ok` is how it ended. `Err` is what to wait for.
    fn call_at_once(
        &self,
        function: &Function,
        args: Vec<Value>,
    ) -> Result<Result<Value>, BoxFuture<'static, Result<Value>>>;
    /// The last handle of function `key` is gone. From any thread; must not block.
    fn release(&self, key: u64);
}

/// A counted handle to a script's function. Cloning it shares the handle; calling it runs the
/// function on its owner, wherever the caller is; the last drop, on any thread, releases it there.
///
/// Scripts get it as a function of their own language. A handle whose owner has closed stays
/// harmless: a call is an error of kind [`dead`](crate::ErrorKind::Dead).
#[derive(Clone)]
pub struct Function(Arc<Handle>);

/// On other lines of the cache than its count, which callers change while the owner reads the key.
#[repr(align(64))]
struct Handle {
    owner: Arc<dyn Owner>,
    key: u64,
    /// The owner's answer, which never changes, where a call needs it.
    has_bools: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.owner.release(self.key);
    }
}

impl Function {
    /// The handle of function `key` of `owner`, to be released once the last clone is dropped.
    pub(crate) fn new(owner: Arc<dyn Owner>, key: u64) -> Self {
        let has_bools = owner.has_bools();
        Self(Arc::new(Handle { owner, key, has_bools }))
    }

    /// A handle that does not keep the function.
    pub(crate) fn downgrade(&self) -> WeakFunction {
        WeakFunction(Arc::downgrade(&self.0))
    }

    /// The context that owns the function.
    pub fn context(&self) -> ContextId {
        self.0.owner.context()
    }

    /// The owner's key of the function.
    pub fn key(&self) -> u64 {
        self.0.key
    }

    /// Does the owner's language have booleans?
    pub(crate) fn has_bools(&self) -> bool {
        self.0.has_bools
    }

    /// The owner itself, for those who know its type.
    pub(crate) fn owner(&self) -> &dyn Any {
        &*self.0.owner
    }

    /// Tells the brokers of a process apart.
    pub(crate) fn broker(&self) -> usize {
        self.0.owner.broker()
    }

    /// Has its context ended? Then every call is an error of kind `dead`, for ever.
    pub(crate) fn is_dead(&self) -> bool {
        self.0.owner.has_ended()
    }

    /// Calls the function and converts what it returns.
    ///
    /// From within a native, the call belongs to the chain of calls that the native serves: it
    /// inherits the deadline and is one step deeper.
    ///
    /// # Errors
    /// What the function raises; `dead` if its context has closed; `type` and the like if its
    /// result is not an `R`.
    ///
    /// # Cancel safety
    /// Nothing happens before the first poll. Dropping the future cancels the script's call: it
    /// unwinds and what it had done stays done.
    pub fn call<R: FromValue + 'static>(
        &self,
        args: impl IntoArgs,
    ) -> BoxFuture<'static, Result<R>> {
        let call = args.into_args().map(|args| self.call_raw(args));
        let has_bools = self.0.has_bools;
        Box::pin(async move {
            let result = call?.await?;
            converted(has_bools, || R::from_value(result)).map_err(|error| error.at("result"))
        })
    }

    /// Calls the function for a script that runs now. `Err` is what to wait for, if it has not ended
    /// at once.
    pub(crate) fn call_at_once(
        &self,
        args: Vec<Value>,
    ) -> Result<Result<Value>, BoxFuture<'static, Result<Value>>> {
        self.0.owner.call_at_once(self, args)
    }

    /// Calls the function with plain values. The handle lives until the call is answered.
    pub fn call_raw(&self, args: Vec<Value>) -> BoxFuture<'static, Result<Value>> {
        self.0.owner.call(self.clone(), args)
    }
}

/// A handle that does not keep its function: for remembering what a name stood for.
#[derive(Clone)]
pub(crate) struct WeakFunction(Weak<Handle>);

impl WeakFunction {
    /// The function, unless it was released.
    pub(crate) fn upgrade(&self) -> Option<Function> {
        self.0.upgrade().map(Function)
    }
}

/// Handles are equal if they are the same handle, or name the same function of the same owner.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.key() == other.key()
                && self.context() == other.context()
                && self.broker() == other.broker())
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({}#{})", self.context(), self.key())
    }
}
