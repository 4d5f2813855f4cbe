//! A call on its way.

use crate::{
    error::Result,
    id::ContextId,
    limits::Fidelity,
    runtime::{Address, Wish, Work},
    value::{FromValue, Function, IntoArgs, Value},
};
use futures::future::BoxFuture;
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// A call into a script: a future of its result. Nothing happens before it is polled.
///
/// # Errors
/// What the script raises; `arity`, `type`, `range` and the like if an argument or the result
/// cannot be converted (the message names the path: `args[1]`, `result.name`); `timeout`, `depth`,
/// `memory` if it meets a limit; `dead` or `shutdown` if the context ends before the answer.
///
/// # Cancel safety
/// Dropping the call cancels it: if the script had begun, it unwinds, its context stays usable, and
/// what it had done stays done.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> calog::Result<()> {
/// use calog::{Broker, ErrorKind};
/// use std::time::Duration;
///
/// let broker = Broker::builder().build()?;
/// let context = broker.open("lua").await?;
/// context.eval::<()>("expose('spin', function() while true do end end)").await?;
/// let call = context.call::<()>("spin", ()).deadline(Duration::from_millis(50));
/// assert_eq!(call.await.unwrap_err().kind(), ErrorKind::Timeout);
/// # Ok(())
/// # }
/// ```
#[must_use = "a call does nothing unless it is awaited"]
pub struct Call<R> {
    state: State,
    result: PhantomData<fn() -> R>,
}

enum State {
    New(Box<New>),
    Running(BoxFuture<'static, Result<Value>>),
    Done,
}

/// A call that was not polled yet.
struct New {
    to: Result<(Arc<Address>, Work)>,
    wish: Wish,
    patient: bool,
}

impl<R: FromValue> Call<R> {
    pub(super) fn new(to: Result<(Arc<Address>, Work)>) -> Self {
        let new = New { to, wish: Wish::default(), patient: true };
        Self { state: State::New(Box::new(new)), result: PhantomData }
    }

    /// A call of `function`, whose owner `find` looks up.
    pub(super) fn function(
        function: Result<Function>,
        args: impl IntoArgs,
        find: impl FnOnce(ContextId) -> Option<Arc<Address>>,
    ) -> Self {
        Self::new(function.and_then(|function| {
            let closed = || crate::runtime::ended(crate::ErrorKind::Dead);
            let owner = find(function.context()).ok_or_else(closed)?;
            Ok((owner, Work::Call(function, args.into_args()?)))
        }))
    }

    fn change(mut self, change: impl FnOnce(&mut New)) -> Self {
        if let State::New(new) = &mut self.state {
            change(new);
        }
        self
    }

    /// How long the call may take, with all that it calls, from the first poll. The default is the
    /// context's [`Limits::deadline`](crate::Limits::deadline); the earlier one counts.
    pub fn deadline(self, limit: Duration) -> Self {
        self.change(|new| new.wish.deadline = Some(limit))
    }

    /// How values cross in this call and in those below it, instead of the context's setting.
    pub fn fidelity(self, fidelity: Fidelity) -> Self {
        self.change(|new| new.wish.fidelity = Some(fidelity))
    }

    /// The same call, refused with `busy` instead of waiting for room.
    pub(super) fn impatient(self) -> Self {
        self.change(|new| new.patient = false)
    }
}

impl<R: FromValue> Future for Call<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::New(new) => match new.to {
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok((address, work)) => {
                        let call = address.call(work, new.wish, new.patient);
                        self.state = State::Running(Box::pin(call));
                    }
                },
                State::Running(mut call) => {
                    let Poll::Ready(result) = call.as_mut().poll(cx) else {
                        self.state = State::Running(call);
                        return Poll::Pending;
                    };
                    let convert = |value| R::from_value(value).map_err(|e| e.at("result"));
                    return Poll::Ready(result.and_then(convert));
                }
                State::Done => return Poll::Pending,
            }
        }
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::New(_) => "Call(new)",
            State::Running(_) => "Call(running)",
            State::Done => "Call(done)",
        })
    }
}
