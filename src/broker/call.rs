//! A call on its way.

use crate::{
    error::Result,
    fiber,
    limits::Fidelity,
    runtime::{Answer, Began, Wish, Work},
    value::{FromValue, Function, IntoArgs, Value, converted},
};
use futures::future::BoxFuture;
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};
use tokio::task::coop;

/// A call into a script: a future of its result. Nothing happens before it is polled.
///
/// # Errors
/// What the script raises; `arity`, `type`, `range` and the like if an argument or the result
/// cannot be converted (the message names the path: `args[1]`, `result.name`); `timeout`, `depth`,
/// `memory` if it meets a limit; `dead` or `shutdown` if the context ends before the answer; `busy`
/// if its worker does not respond ([`Limits::stuck_after`](crate::Limits::stuck_after)) when the call
/// is made, `timeout` if that is so later; `cancelled` by [`cancel_on`](Self::cancel_on).
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
    /// When it resolves, the call is given up.
    cancel: Option<BoxFuture<'static, ()>>,
    result: PhantomData<fn() -> R>,
}

enum State {
    New(New),
    /// `has_bools`: the result's language has booleans.
    Sent {
        answer: Answer,
        has_bools: bool,
    },
    /// It has ended at once, and lets others run.
    Over {
        result: Result<Value>,
        has_bools: bool,
    },
    /// It waits for room.
    Waits {
        call: BoxFuture<'static, Result<Value>>,
        has_bools: bool,
    },
    Done,
}

/// A call that was not polled yet.
struct New {
    /// Lent to who begins it: see [`Work::begin`].
    work: Result<Option<Work>>,
    wish: Wish,
    patient: bool,
}

impl<R: FromValue> Call<R> {
    // In the frame of who awaits it: what a function returns is moved right after it was written.
    #[inline(always)]
    pub(super) fn new(work: Result<Work>) -> Self {
        let new = New { work: work.map(Some), wish: Wish::default(), patient: true };
        Self { state: State::New(new), cancel: None, result: PhantomData }
    }

    #[inline(always)]
    pub(super) fn function(function: Result<Function>, args: impl IntoArgs) -> Self {
        Self::new(function.and_then(|function| Ok(Work::Call(function, args.into_args()?))))
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

    /// Gives the call up when `signal` resolves: the script is ended as if the call had been dropped,
    /// and the call is an error of kind `cancelled`. A call whose result is there at the same moment
    /// gives the result; one whose signal resolves before it was polled never begins.
    ///
    /// Any future will do: the other half of a oneshot channel, a Ctrl-C, or the token of the crate
    /// `tokio-util`, which many calls share, as `token.cancelled_owned()`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> calog::Result<()> {
    /// use calog::{Broker, ErrorKind};
    /// use tokio_util::sync::CancellationToken;
    ///
    /// let broker = Broker::builder().build()?;
    /// let context = broker.open("lua").await?;
    /// context.eval::<()>("expose('spin', function() while true do end end)").await?;
    /// let token = CancellationToken::new();
    /// let call = context.call::<()>("spin", ()).cancel_on(token.clone().cancelled_owned());
    /// let call = tokio::spawn(call);
    /// token.cancel();
    /// assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel_on(self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        let signal: BoxFuture<'static, ()> = match self.cancel {
            None => Box::pin(signal),
            Some(first) => Box::pin(async move {
                tokio::select! {
                    () = first => {}
                    () = signal => {}
                }
            }),
        };
        Self { cancel: Some(signal), ..self }
    }

    /// The same call, refused with `busy` instead of waiting for room.
    pub(super) fn impatient(self) -> Self {
        self.change(|new| new.patient = false)
    }
}

impl<R: FromValue> Future for Call<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        let this = &mut *self;
        if let State::New(_) = this.state {
            if this.is_cancelled(cx) {
                return Poll::Ready(Err(fiber::cancelled()));
            }
            let State::New(new) = &mut this.state else { return Poll::Pending };
            let (mut has_bools, mut result) = (true, Ok(Value::Nil));
            let began = match &mut new.work {
                Ok(work) => {
                    has_bools = work.as_ref().is_none_or(Work::has_bools);
                    Work::begin(work, &new.wish, new.patient, &mut result)
                }
                Err(error) => {
                    result = Err(error.clone());
                    Began::Over
                }
            };
            this.state = match began {
                Began::Over => {
                    // It never waited: many such calls must let others run too.
                    if pin!(coop::consume_budget()).poll(cx).is_ready() {
                        this.state = State::Done;
                        return Poll::Ready(convert(result, has_bools));
                    }
                    State::Over { result, has_bools }
                }
                Began::Sent(answer) => State::Sent { answer, has_bools },
                Began::Waits(call) => State::Waits { call, has_bools },
            };
        }
        let (polled, has_bools) = match &mut this.state {
            State::Sent { answer, has_bools } => (Pin::new(answer).poll(cx), *has_bools),
            State::Waits { call, has_bools } => (call.as_mut().poll(cx), *has_bools),
            State::Over { result, has_bools } => {
                let polled = pin!(coop::consume_budget()).poll(cx);
                let result = polled.map(|()| mem::replace(result, Ok(Value::Nil)));
                (result, *has_bools)
            }
            State::New(_) | State::Done => return Poll::Pending,
        };
        if let Poll::Ready(result) = polled {
            this.state = State::Done;
            return Poll::Ready(convert(result, has_bools));
        }
        // One that has ended gives its result, whatever comes meanwhile.
        if !matches!(this.state, State::Over { .. }) && this.is_cancelled(cx) {
            return Poll::Ready(Err(fiber::cancelled()));
        }
        Poll::Pending
    }
}

/// The result as the caller wants it.
#[inline]
fn convert<R: FromValue>(mut result: Result<Value>, has_bools: bool) -> Result<R> {
    let Ok(value) = &mut result else { return result.and_then(R::from_value) };
    converted(has_bools, || R::take_from(value)).map_err(|error| error.at("result"))
}

impl<R> Call<R> {
    /// Has the signal come? The call is dropped then, which ends the script.
    fn is_cancelled(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(signal) = &mut self.cancel else { return false };
        let came = signal.as_mut().poll(cx).is_ready();
        if came {
            self.state = State::Done;
            self.cancel = None;
        }
        came
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::New(_) => "Call(new)",
            State::Sent { .. } | State::Over { .. } | State::Waits { .. } => "Call(running)",
            State::Done => "Call(done)",
        })
    }
}
