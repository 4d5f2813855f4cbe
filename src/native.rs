//! The contract of a native: a Rust function that every script may call. **API boundary.**
//!
//! A native is a closure with typed parameters. Each parameter is an [`Argument`]: any type with a
//! conversion ([`FromValue`]), [`Value`] for the raw form, [`Rest`] for all that is left, or
//! [`Caller`] for who is calling. What it returns is anything with a conversion ([`IntoValue`]), or
//! a `Result` of it. Too few and too many arguments are errors of kind `arity`; an `Option` may be
//! left out.

use crate::{
    chain::Chain,
    error::{Error, ErrorKind, Frame, Result},
    fiber::{self, Operation},
    id::ContextId,
    permissions::Permissions,
    resources::{Handle, Resources},
    value::{FromValue, IntoValue, Rest, Value, converted},
};
use futures::FutureExt;
use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

/// How a call goes on.
pub enum Step {
    /// It is over.
    Ready(Result<Value>),
    /// It has to wait for this.
    Wait(Operation),
}

/// Who calls a native: the context whose script it is, or the host.
///
/// As a parameter of a native it takes no argument of the script.
///
/// ```
/// use calog::{Broker, Caller};
/// let builder = Broker::builder()
///     .native("whoami", |caller: Caller| caller.name().to_string());
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) context: ContextId,
    pub(crate) name: Arc<str>,
    pub(crate) permissions: Arc<Permissions>,
    /// Tells the brokers of a process apart.
    pub(crate) broker: usize,
    /// How large a value may be that crosses to the caller.
    pub(crate) value_bytes: usize,
    /// How deep such a value may be nested.
    pub(crate) value_depth: usize,
    /// Does the caller's language have booleans?
    pub(crate) has_bools: bool,
    /// What natives keep for the context.
    pub(crate) resources: Arc<Resources>,
}

impl Caller {
    /// The calling context; [`ContextId::HOST`] for the host.
    pub fn context(&self) -> ContextId {
        self.context
    }

    /// The name of the calling context; `host` for the host.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the calling context may reach.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Keeps `resource` for the calling context, until it is [released](Self::release) or the
    /// context ends: then it is dropped, on the context's worker, before the end is announced.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> calog::Result<()> {
    /// use calog::{Broker, Caller, Handle, Result};
    /// use std::sync::atomic::{AtomicI64, Ordering};
    ///
    /// let broker = Broker::builder()
    ///     .native("counter.new", |caller: Caller| caller.keep(AtomicI64::new(0)))
    ///     .native("counter.next", |caller: Caller, counter: Handle| -> Result<i64> {
    ///         Ok(caller.resource::<AtomicI64>(counter)?.fetch_add(1, Ordering::Relaxed) + 1)
    ///     })
    ///     .build()?;
    /// # #[cfg(feature = "lua")] {
    /// let context = broker.open("lua").await?;
    /// let script = "local c = counter.new() counter.next(c) return counter.next(c)";
    /// assert_eq!(context.eval::<i64>(script).await?, 2);
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `busy` if the context keeps [`Limits::resources`](crate::Limits::resources) already, `dead`
    /// if it has ended.
    pub fn keep<T: Send + Sync + 'static>(&self, resource: T) -> Result<Handle> {
        self.resources.keep(Arc::new(resource))
    }

    /// The resource that the calling context keeps under `handle`.
    ///
    /// # Errors
    /// `dead` if it keeps none: it was released, or belongs to another context; `type` if it is no
    /// `T`.
    pub fn resource<T: Send + Sync + 'static>(&self, handle: Handle) -> Result<Arc<T>> {
        self.resources.find(handle).unwrap_or_else(|| Err(self.lacks(handle)))
    }

    /// Takes the resource out of the calling context. It is dropped when nobody uses it any more.
    ///
    /// # Errors
    /// Those of [`resource`](Self::resource).
    pub fn release<T: Send + Sync + 'static>(&self, handle: Handle) -> Result<Arc<T>> {
        self.resources.release(handle).unwrap_or_else(|| Err(self.lacks(handle)))
    }

    fn lacks(&self, handle: Handle) -> Error {
        let message = format!("context `{}` has no open handle {handle}", self.name);
        Error::new(ErrorKind::Dead, message)
    }

    /// Runs `task` beside the calls of the calling context, on its worker, until it ends or the
    /// context does. Whatever a script shall be called back for is done in one:
    /// [`Broker::settled`](crate::Broker::settled) waits for it, and so does `calog run`.
    ///
    /// May be called from any thread. The task belongs to no chain of calls; if the context has
    /// ended, it is dropped.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.resources.begin(Box::pin(task), true);
    }

    /// The same for what only serves calls, and shall keep no program alive by itself: a connection
    /// that is kept for the next request.
    #[allow(dead_code, reason = "not every feature has such")]
    pub(crate) fn attend(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.resources.begin(Box::pin(task), false);
    }

    /// The one `T` of the calling context, made when it is first asked for and dropped as what it
    /// [keeps](Self::keep).
    ///
    /// # Errors
    /// `dead` if the context has ended.
    #[allow(dead_code, reason = "not every feature has such")]
    pub(crate) fn single<T: Send + Sync + 'static>(
        &self,
        make: impl FnOnce() -> T,
    ) -> Result<Arc<T>> {
        self.resources.single(make)
    }

    /// Hands an error that no caller waits for to the
    /// [error handler](crate::Builder::on_failure) of the broker, unless it only says that the broker
    /// is shutting down.
    pub fn report(&self, error: Error) {
        self.resources.report(error);
    }

    /// Is the call from a script of the broker that runs `other`'s?
    pub fn same_broker(&self, other: &Self) -> bool {
        self.broker == other.broker
    }
}

/// The arguments of one call, taken one after another.
pub struct Arguments<'a> {
    caller: &'a Caller,
    values: &'a mut [Value],
    taken: usize,
    /// Whose errors are told to be those of what has to be waited for; `None` if the caller tells that.
    blamed: Option<&'a Arc<str>>,
}

impl Arguments<'_> {
    /// The next value; `None` if there is no more.
    #[inline]
    fn next(&mut self) -> Option<&mut Value> {
        let slot = self.values.get_mut(self.taken)?;
        self.taken += 1;
        Some(slot)
    }
}

/// A type that a native may have as parameter.
pub trait Argument: Sized {
    /// Takes it from the arguments.
    ///
    /// # Errors
    /// `arity` if it is missing, `type` and the like if it is not one, with the path (`args[2]`).
    fn take(args: &mut Arguments<'_>) -> Result<Self>;
}

impl<T: FromValue> Argument for T {
    #[inline]
    fn take(args: &mut Arguments<'_>) -> Result<Self> {
        // Nothing refers to `args` itself, so that it is never put together in memory.
        let index = args.taken + 1;
        match args.next() {
            Some(slot) => T::take_from(slot).map_err(|e| e.at(format_args!("args[{index}]"))),
            None => T::missing().map_err(|e| e.at(format_args!("args[{index}]"))),
        }
    }
}

impl<T: FromValue> Argument for Rest<T> {
    fn take(args: &mut Arguments<'_>) -> Result<Self> {
        let mut rest = Vec::with_capacity(args.values.len() - args.taken);
        while args.taken < args.values.len() {
            rest.push(T::take(args)?);
        }
        Ok(Self(rest))
    }
}

impl Argument for Caller {
    fn take(args: &mut Arguments<'_>) -> Result<Self> {
        Ok(args.caller.clone())
    }
}

/// All parameters of a native: a tuple of up to eight [`Argument`]s.
pub trait Parameters: Sized {
    /// Takes them all.
    ///
    /// # Errors
    /// Those of [`Argument::take`]; `arity` if arguments are left over.
    fn take_all(args: Arguments<'_>) -> Result<Self>;
}

/// A closure whose parameters are the tuple `P`. Implemented for all `Fn` closures of up to eight.
pub trait Handler<P>: Send + Sync + 'static {
    /// What the closure returns.
    type Output;
    /// Calls it.
    fn call(&self, parameters: P) -> Self::Output;
}

/// The same for closures that change their state: host natives.
pub trait HandlerMut<P>: 'static {
    /// What the closure returns.
    type Output;
    /// Calls it.
    fn call(&mut self, parameters: P) -> Self::Output;
}

macro_rules! arities {
    ($(($($name:ident),*))*) => {$(
        impl<$($name: Argument),*> Parameters for ($($name,)*) {
            #[inline]
            #[allow(unused_mut, reason = "nothing is taken for no parameters")]
            fn take_all(mut args: Arguments<'_>) -> Result<Self> {
                let all = ($($name::take(&mut args)?,)*);
                if args.taken < args.values.len() {
                    let (most, given) = (args.taken, args.values.len());
                    let s = if most == 1 { "" } else { "s" };
                    let message = format!("expected {most} argument{s}, got {given}");
                    return Err(Error::new(ErrorKind::Arity, message));
                }
                Ok(all)
            }
        }

        impl<F, R, $($name),*> Handler<($($name,)*)> for F
        where
            F: Fn($($name),*) -> R + Send + Sync + 'static,
        {
            type Output = R;

            #[allow(non_snake_case, reason = "the type's name serves as the variable's")]
            fn call(&self, ($($name,)*): ($($name,)*)) -> R {
                self($($name),*)
            }
        }

        impl<F, R, $($name),*> HandlerMut<($($name,)*)> for F
        where
            F: FnMut($($name),*) -> R + 'static,
        {
            type Output = R;

            #[allow(non_snake_case, reason = "the type's name serves as the variable's")]
            fn call(&mut self, ($($name,)*): ($($name,)*)) -> R {
                self($($name),*)
            }
        }
    )*};
}

arities! {
    () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, G)
    (A, B, C, D, E, G, H) (A, B, C, D, E, G, H, I)
}

/// Takes the parameters of a native, as the language of the caller means them.
#[inline]
fn take<P: Parameters>(args: Arguments<'_>) -> Result<P> {
    converted(args.caller.has_bools, || P::take_all(args))
}

/// Runs what blocks on tokio's pool for that. Once it has begun, it is not given up.
pub(crate) async fn on_the_pool<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(Error::from_panic(error.into_panic())),
        Err(_) => Err(Error::new(ErrorKind::Shutdown, "the runtime is shutting down")),
    }
}

/// A Rust function as scripts see it: a name and what it runs.
pub struct Native {
    name: Arc<str>,
    run: Run,
}

/// Runs on the calling context's worker. What has to be waited for is begun and comes back; what is
/// through at once writes its result into the value: moving one about costs more than a short
/// native does.
type Run = Box<dyn Fn(Arguments<'_>, &mut Value) -> Result<Option<Operation>> + Send + Sync>;

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Native({})", self.name)
    }
}

impl Native {
    /// The name that scripts call it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A native that runs at once.
    pub(crate) fn sync<P: Parameters, H: Handler<P>>(name: &str, handler: H) -> Self
    where
        H::Output: IntoValue,
    {
        let run = move |args: Arguments<'_>, result: &mut Value| {
            *result = handler.call(take::<P>(args)?).into_value()?;
            Ok(None)
        };
        Self { name: name.into(), run: Box::new(run) }
    }

    /// A native whose future the calling script awaits, on the script's own worker.
    pub(crate) fn asynchronous<P: Parameters, H: Handler<P>>(name: &str, handler: H) -> Self
    where
        H::Output: Future<Output: IntoValue> + 'static,
    {
        Self::later(name, move |args| Ok(handler.call(take::<P>(args)?)))
    }

    /// A native that blocks: it runs on tokio's blocking pool while the script waits.
    pub(crate) fn blocking<P: Parameters + Send + 'static, H: Handler<P>>(
        name: &str,
        handler: H,
    ) -> Self
    where
        H::Output: IntoValue,
    {
        let handler = Arc::new(handler);
        Self::later(name, move |args| {
            let (handler, parameters) = (handler.clone(), take::<P>(args)?);
            Ok(async move {
                // What it calls back belongs to the chain of its caller.
                let chain = Chain::current();
                let work = move || handler.call(parameters).into_value();
                let work = move || match chain {
                    Some(chain) => chain.run(work),
                    None => work(),
                };
                on_the_pool(work).await
            })
        })
    }

    /// A native that starts with `start` and is then awaited.
    fn later<F>(
        name: &str,
        start: impl Fn(Arguments<'_>) -> Result<F> + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: IntoValue> + 'static,
    {
        let run = move |args: Arguments<'_>, _: &mut Value| {
            let blamed = args.blamed;
            Ok(Some(Self::awaited(blamed, start(args)?)))
        };
        Self { name: name.into(), run: Box::new(run) }
    }

    /// A native that gives something back, and returns whether it was there. It does so at once;
    /// its caller waits until that is through, which `handler` gives, unless the call is given up: it
    /// may not wait any more, and has to be able to close what it has opened.
    #[cfg_attr(not(feature = "net"), allow(dead_code, reason = "sockets need it"))]
    pub(crate) fn closing<P: Parameters, H, F>(name: &str, handler: H) -> Self
    where
        H: Handler<P, Output = Result<Option<F>>>,
        F: Future<Output = ()> + 'static,
    {
        let run = move |args: Arguments<'_>, result: &mut Value| {
            let blamed = args.blamed;
            let closing = handler.call(take::<P>(args)?)?;
            *result = Value::Bool(closing.is_some());
            let through = |gone: F| gone.map(|()| true);
            let awaited = closing.filter(|_| !fiber::dying()).map(through);
            Ok(awaited.map(|gone| Self::awaited(blamed, gone)))
        };
        Self { name: name.into(), run: Box::new(run) }
    }

    /// What the script waits for. Where somebody is to be blamed, a panic is an error, and errors are
    /// told to be the native's; else that is left to the caller.
    fn awaited<T: IntoValue + 'static>(
        blamed: Option<&Arc<str>>,
        work: impl Future<Output = T> + 'static,
    ) -> Operation {
        let Some(name) = blamed.cloned() else {
            return Box::pin(work.map(T::into_value));
        };
        Box::pin(async move {
            let mut work = pin!(work);
            let poll = poll_fn(|cx| {
                let poll = || work.as_mut().poll(cx).map(T::into_value);
                catch_unwind(AssertUnwindSafe(poll))
                    .unwrap_or_else(|panic| Poll::Ready(Err(Error::from_panic(panic))))
            });
            poll.await.map_err(|error| error.called_from(vec![Frame::native(&*name)]))
        })
    }

    /// A native that takes its caller and its values as they are.
    pub(crate) fn later_raw<F>(
        name: &str,
        start: impl Fn(&Caller, Vec<Value>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Value>> + 'static,
    {
        Self::later(name, move |args| {
            let values = args.values.iter_mut().map(std::mem::take).collect();
            Ok(start(args.caller, values))
        })
    }

    /// Starts a call for `caller`. The arguments are taken out of `args`. Never panics: a panic of
    /// the closure is an error of kind `panicked`.
    pub fn call(&self, caller: &Caller, args: &mut [Value]) -> Step {
        let mut result = Value::Nil;
        match self.call_into(caller, args, &mut result) {
            Ok(None) => Step::Ready(Ok(result)),
            Ok(Some(operation)) => Step::Wait(operation),
            Err(error) => Step::Ready(Err(error)),
        }
    }

    /// The same for a caller that has a place for the result: it is there, unless there is an
    /// operation to wait for.
    pub(crate) fn call_into(
        &self,
        caller: &Caller,
        args: &mut [Value],
        result: &mut Value,
    ) -> Result<Option<Operation>> {
        let args = Arguments { caller, values: args, taken: 0, blamed: Some(&self.name) };
        catch_unwind(AssertUnwindSafe(|| (self.run)(args, result)))
            .unwrap_or_else(|panic| Err(Error::from_panic(panic)))
            .map_err(|error| self.blame(error))
    }

    /// The same for a caller that catches panics itself, also those of the operation, and tells
    /// [whose](Self::blame) an error is.
    #[cfg_attr(not(feature = "lua"), allow(dead_code, reason = "Lua needs it"))]
    #[inline]
    pub(crate) fn run_into(
        &self,
        caller: &Caller,
        args: &mut [Value],
        result: &mut Value,
    ) -> Result<Option<Operation>> {
        (self.run)(Arguments { caller, values: args, taken: 0, blamed: None }, result)
    }

    /// An error of the native's, which says so.
    #[cold]
    pub(crate) fn blame(&self, error: Error) -> Error {
        error.called_from(vec![Frame::native(&*self.name)])
    }

    /// Takes the parameters of a host native from its values.
    pub(crate) fn parameters<P: Parameters>(caller: &Caller, values: &mut [Value]) -> Result<P> {
        take(Arguments { caller, values, taken: 0, blamed: None })
    }
}
