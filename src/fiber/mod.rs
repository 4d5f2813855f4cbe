//! Fibers: how a synchronous interpreter waits.
//!
//! A script call runs on a stack of its own (2 MiB, pooled per thread). The [`Fiber`] is a future:
//! polling it runs the script; when the script waits, the fiber suspends back to whoever polled it,
//! and no thread is blocked. Code on the fiber waits with [`block_on`]; a preempted script passes
//! through [`yield_now`].
//!
//! Three rules, which the SAFETY arguments of this folder and of the engines lean on:
//!
//! 1. A fiber runs only inside `Fiber::resume`, always on the thread that made it.
//! 2. Nothing that belongs to a *thread* (a tokio guard, a borrow of a thread-local) is held across
//!    a suspend. What waits keeps its state in the fiber's control block or on the fiber's own stack.
//! 3. A dropped fiber is resumed as *dying* until it ends: every wait fails at once, and the engine
//!    must end in bounded time. Forced unwinding is never relied on: through C frames it leaks or
//!    aborts.
#![expect(unsafe_code, reason = "switches stacks and lends the waker to the code on them")]
#![cfg_attr(
    not(all(feature = "lua", feature = "js")),
    allow(dead_code, unused_imports, reason = "some of it serves only engines in C")
)]

mod interrupt;
mod nest;
mod strand;
#[cfg(test)]
mod tests;
mod turn;

pub use interrupt::expired;
pub(crate) use interrupt::{
    Over, Slot, Slots, Target, Watched, has_passed, in_turn, join_turn, pass, running, turn_is_over,
};
pub use nest::{Admission, Nest};
pub use turn::Turn;

use crate::{
    error::{Error, ErrorKind, Frame, Result, contain},
    value::Value,
};
use corosensei::Yielder;
use futures::future::LocalBoxFuture;
use std::{
    cell::{Cell, RefCell},
    future::Future,
    marker::PhantomData,
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    ptr,
    task::{Context, Poll, Waker},
    time::Duration,
};
use strand::{Run, Strand};

/// Bytes of a fiber's stack. Lua has no check of its own against the native stack: 256 KiB crashed
/// under nested pattern matching and 431 KiB was the high water mark. JavaScript has one, and spends
/// most of the stack on recursion of scripts, about 700 bytes a call. In a debug build C is not
/// optimised and takes several times as much. The pages are touched on demand; an idle stack costs
/// one.
pub const STACK_BYTES: usize = if cfg!(debug_assertions) { 8 << 20 } else { 2 << 20 };

/// How long a cancelled script may compute in its `__close` handlers and `finally` blocks before it
/// is ended at its next instruction. It is the thread's own time, not the clock's: on a busy
/// machine the handlers have as much of it as on an idle one. In a debug build, where all that they
/// call takes several times as long, they have four times as much.
pub const GRACE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 8 } else { 2 });

/// In the place of a time that has passed for good.
const OVER: Duration = Duration::ZERO;

/// What a raw native waits for.
pub type Operation = LocalBoxFuture<'static, Result<Value>>;

thread_local! {
    /// Where the fiber was that was ended last.
    static LAST_TRACE: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
    /// When the handlers of fibers that end together must have ended.
    static TOGETHER: Cell<Option<Duration>> = const { Cell::new(None) };
    static CURRENT: Cell<*const Control> = const { Cell::new(ptr::null()) };
}

/// Does code run on a fiber that has three quarters of its stack left, so that it may run somebody
/// else's too?
pub(crate) fn has_room() -> bool {
    let here = 0_u8;
    let here = (&raw const here).addr();
    with_current(|control| here.saturating_sub(control.stack_limit) > STACK_BYTES / 4 * 3)
        .unwrap_or(false)
}

/// Does the code that asks run on a fiber?
pub(crate) fn is_on() -> bool {
    !CURRENT.get().is_null()
}

/// The error of everything that waits on a fiber whose call was given up.
pub fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the call was cancelled")
}

/// How long this thread has computed for, since some moment.
#[cfg(unix)]
fn computed() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the right type. The clock of a thread exists while it
    // runs, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How long this thread has been there, since some moment: the nearest there is without a clock of
/// its own.
#[cfg(not(unix))]
fn computed() -> Duration {
    use std::{sync::LazyLock, time::Instant};
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed()
}

/// The part of a fiber that the code running on it can see. It belongs to the fiber's strand, and is
/// cleared between two fibers.
pub(crate) struct Control {
    /// Where to suspend to; set by the first instruction on the strand.
    yielder: Cell<*const Yielder<*const Self, bool>>,
    /// What the strand is to run next.
    job: Cell<Option<Run>>,
    /// The parcel of the fiber, which is being resumed. Only valid inside `resume`.
    parcel: Cell<*mut ()>,
    /// The waker of the poll that is running the fiber now. Only valid inside `resume`.
    waker: Cell<*const Waker>,
    /// Set once the fiber is told to end: until when it may go on by itself; then, once it was made
    /// to raise, until when its handlers may run.
    dying: Cell<Option<Duration>>,
    /// It was made to raise.
    raised: Cell<bool>,
    /// It suspended because its slice was over, not to wait.
    preempted: Cell<bool>,
    /// It waits for something that does not need its interpreter, and keeps that meanwhile.
    keeps: Cell<bool>,
    /// The lowest address of its stack.
    stack_limit: usize,
    /// What a raw native waits for. It is here and not on the fiber's stack so that a raw wait has
    /// nothing to drop when an error jumps over its frame.
    operation: RefCell<Option<Operation>>,
    /// How the last operation ended.
    outcome: Cell<Option<Result<Value>>>,
    /// What an interrupt should poke when this fiber runs; kept here while it is suspended.
    target: Cell<Target>,
    /// A word for the engine whose call this is (Lua: the call's own Lua thread).
    pub(crate) tag: Cell<*const ()>,
}

/// Runs `f` with the control block of the fiber that runs now, if one does.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(&Control) -> R) -> Option<R> {
    let current = CURRENT.get();
    // SAFETY: by rule 1 `CURRENT` is null or points to the control block of the strand whose
    // `resume` is on this thread's stack below us. `resume` borrows that strand until it returns,
    // so the block outlives every frame on the fiber, and with them `f`.
    (!current.is_null()).then(|| f(unsafe { &*current }))
}

/// Is the fiber that runs now being ended? `false` off any fiber.
pub fn dying() -> bool {
    with_current(Control::is_dying).unwrap_or(false)
}

impl Control {
    fn new(stack_limit: usize) -> Self {
        Self {
            yielder: Cell::new(ptr::null()),
            job: Cell::new(None),
            parcel: Cell::new(ptr::null_mut()),
            waker: Cell::new(Waker::noop()),
            dying: Cell::new(None),
            raised: Cell::new(false),
            preempted: Cell::new(false),
            keeps: Cell::new(false),
            stack_limit,
            operation: RefCell::new(None),
            outcome: Cell::new(None),
            target: Cell::new(Target::NONE),
            tag: Cell::new(ptr::null()),
        }
    }

    /// Its fiber has ended: nothing of it reaches the next one. What a resume sets is left.
    #[inline]
    fn clear(&self) {
        self.job.set(None);
        self.dying.set(None);
        self.raised.set(false);
        self.preempted.set(false);
        self.keeps.set(false);
        self.target.set(Target::NONE);
        self.tag.set(ptr::null());
        // SAFETY: only this thread has the cell, and the borrow ends here.
        if unsafe { (*self.outcome.as_ptr()).is_some() } {
            drop(self.outcome.take());
        }
        if self.operation.borrow().is_some() {
            self.end_operation();
        }
    }

    /// Is the fiber being ended?
    pub(crate) fn is_dying(&self) -> bool {
        self.dying.get().is_some()
    }

    /// An interrupt point of a fiber that is being ended: must it raise now?
    ///
    /// A script that catches everything spends its first grace in a loop. It is made to raise once,
    /// then its handlers have as long again, and after that every interrupt point raises.
    pub(crate) fn must_raise(&self) -> bool {
        let Some(until) = self.dying.get() else { return false };
        if until > OVER && computed() < until {
            return false;
        }
        // The first time, handlers get their share. After that the clock is not asked any more: a
        // script may have hundreds of thousands of handlers, and each of them raises.
        let was_raised = self.raised.replace(true);
        self.dying.set(Some(if was_raised { OVER } else { until + GRACE }));
        true
    }

    /// Is it being ended, and may its handlers still run?
    pub(crate) fn in_grace(&self) -> bool {
        self.dying.get().is_some_and(|until| until > OVER && computed() < until)
    }

    #[inline]
    fn suspend(&self) {
        // SAFETY: set on entry to the strand, before anything could call this; the yielder lives at
        // the bottom of the strand's own stack for as long as that has frames. Nobody but the
        // running fiber reaches its `Control` (through `with_current`), so it is this fiber that
        // suspends.
        unsafe { (*self.yielder.get()).suspend(false) };
    }

    /// Polls `step` to its end and suspends in between. `None`: the fiber is dying.
    // See `Strand::resume`.
    #[inline(always)]
    fn drive<T>(&self, mut step: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        loop {
            if self.is_dying() {
                return None;
            }
            // SAFETY: we are inside `resume` (rule 1), whose caller lent this waker for its
            // duration.
            let waker = unsafe { &*self.waker.get() };
            if let Poll::Ready(value) = step(&mut Context::from_waker(waker)) {
                return Some(value);
            }
            self.suspend();
        }
    }

    /// Leaves `operation` for the next [`wait`](Self::wait).
    pub(crate) fn begin(&self, operation: Operation) {
        *self.operation.borrow_mut() = Some(operation);
    }

    /// Leaves an outcome as if an operation had ended with it.
    pub(crate) fn settle(&self, outcome: Result<Value>) {
        self.outcome.set(Some(outcome));
    }

    /// How the last operation ended. Asked without one, or twice, it is `cancelled`.
    pub(crate) fn take_outcome(&self) -> Result<Value> {
        self.outcome.take().unwrap_or_else(|| Err(cancelled()))
    }

    /// The value that the last operation ended with, where it lies; null if there is none or it
    /// failed. It is there until the next `settle` or `take_outcome`.
    pub(crate) fn lend_value(&self) -> *const Value {
        // SAFETY: only this thread has the cell, and the borrow ends here.
        match unsafe { &*self.outcome.as_ptr() } {
            Some(Ok(value)) => value,
            _ => ptr::null(),
        }
    }

    /// Waits for the operation that [`begin`](Self::begin) left. `false`: it was given up.
    ///
    /// A raw C function may call it: across the suspend no value with a destructor is on the stack,
    /// and a panic of the operation becomes its outcome instead of unwinding.
    // See `Strand::resume`.
    #[inline(always)]
    pub(crate) fn wait(&self) -> bool {
        let has_ended = self.drive(|cx| self.advance(cx)).is_some();
        if !has_ended {
            self.abandon();
        }
        has_ended
    }

    /// Polls the operation; when it has ended, its outcome is left for `take_outcome`. Also called
    /// for a fiber that may not go on yet, so that what it waits for does.
    #[inline]
    fn advance(&self, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut slot = self.operation.borrow_mut();
            let Some(operation) = slot.as_mut() else { return Poll::Ready(()) };
            // An outcome goes straight to its place, and what is none is not moved at all: a move of
            // what was just written in parts takes as long as dozens of instructions.
            let poll = || match operation.as_mut().poll(cx) {
                Poll::Ready(outcome) => {
                    self.settle(outcome);
                    Poll::Ready(())
                }
                Poll::Pending => Poll::Pending,
            };
            match catch_unwind(AssertUnwindSafe(poll)) {
                Ok(Poll::Ready(())) => {}
                Ok(Poll::Pending) => return Poll::Pending,
                Err(panic) => self.settle(Err(Error::from_panic(panic))),
            }
        }
        self.end_operation();
        Poll::Ready(())
    }

    /// Gives up what the fiber waits for: the calls below end now.
    fn abandon(&self) {
        if self.end_operation() {
            self.settle(Err(cancelled()));
        }
    }

    /// `false`: there was none.
    fn end_operation(&self) -> bool {
        // Dropping it may cancel other calls, which must not happen under the borrow.
        let Some(ended) = self.operation.borrow_mut().take() else { return false };
        contain(|| drop(ended));
        true
    }

    fn doom(&self) {
        self.dying.set(Some(computed() + GRACE));
    }

    /// The lowest address of the fiber's stack, for interpreters that check it.
    pub(crate) fn stack_limit(&self) -> usize {
        self.stack_limit
    }
}

/// The running fiber is to end soon, as if it had been dropped.
pub(crate) fn doom() {
    with_current(Control::doom);
}

/// Waits for `future` without giving the interpreter to another call: for what must not be
/// interleaved and does not depend on the interpreter, such as the text of a module.
///
/// # Errors
/// Those of [`block_on`].
pub(crate) fn block_on_keeping<F: Future>(future: F) -> Result<F::Output> {
    with_current(|control| control.keeps.set(true));
    let result = block_on(future);
    with_current(|control| control.keeps.set(false));
    result
}

/// Waits for `future` from synchronous code on a fiber.
///
/// # Errors
/// `cancelled` if the call was given up: the code must end soon, and every later wait fails at
/// once. `unsupported` if no fiber runs.
pub fn block_on<F: Future>(future: F) -> Result<F::Output> {
    let mut future = pin!(future);
    with_current(|control| control.drive(|cx| future.as_mut().poll(cx)))
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, "there is no call to wait in"))?
        .ok_or_else(cancelled)
}

/// Lets the other contexts of the worker run. `false`: the call was given up.
pub fn yield_now() -> bool {
    with_current(|control| {
        if !control.is_dying() {
            control.preempted.set(true);
            interrupt::count_preemption();
            control.suspend();
        }
        !control.is_dying()
    })
    .unwrap_or(true)
}

/// A point at which native code that loops for a script lets itself be interrupted: lets others run
/// if the slice is over. `false`: the call is to end now.
///
/// A call that is being ended goes on for the time that its handlers have.
pub fn checkpoint() -> bool {
    match with_current(|control| control.is_dying().then(|| control.must_raise())).flatten() {
        Some(must_raise) => !must_raise,
        None => !interrupt::expired_by_clock() || yield_now(),
    }
}

/// Runs `f`, which drops many fibers: their handlers share one [`GRACE`], so that the end of a
/// context takes no longer for a thousand calls than for one.
pub(crate) fn end_together<R>(f: impl FnOnce() -> R) -> R {
    let outer = TOGETHER.get();
    TOGETHER.set(outer.or_else(|| Some(computed() + GRACE)));
    let result = f();
    TOGETHER.set(outer);
    result
}

/// Where the fiber was that was ended last on this thread, if its engine told: the trace for the
/// error that the caller gets instead of the fiber's own.
pub(crate) fn take_last_trace() -> Vec<Frame> {
    LAST_TRACE.try_with(RefCell::take).unwrap_or_default()
}

/// At the end of a thread the place may be gone before the last fibers are: then nobody asks.
fn tell_last_trace(trace: Vec<Frame>) {
    let _ = LAST_TRACE.try_with(|last| last.replace(trace));
}

/// A call on its own stack, as a future: `F` is what it runs, `R` what that results in. Dropping it
/// ends the call (rule 3).
pub struct Fiber<R, F> {
    /// `None` once it has ended.
    strand: Option<Strand>,
    /// What it runs, until it has begun.
    job: Option<F>,
    result: PhantomData<R>,
}

impl<R, F> Unpin for Fiber<R, F> {}

/// A fiber that will run `f` when it is polled. A panic of `f` is an error of kind `panicked`.
///
/// # Errors
/// `memory` if the system has no room for another stack.
pub fn spawn<R: 'static, F>(f: F) -> Result<Fiber<R, F>>
where
    F: FnOnce() -> Result<R> + 'static,
{
    let strand = Strand::for_job::<R, F>()?;
    Ok(Fiber { strand: Some(strand), job: Some(f), result: PhantomData })
}

impl<R: 'static, F: FnOnce() -> Result<R> + 'static> Fiber<R, F> {
    /// The same with its first poll, in which most calls end: those never become a fiber, and how they
    /// ended goes into `result`, where nothing is dropped. `Some`: one that has not ended.
    // In the frame of its caller, as all up to the switch of stacks: the job moves less.
    #[inline(always)]
    fn begin(job: &mut Option<F>, cx: &mut Context<'_>, result: &mut Result<R>) -> Option<Self> {
        let mut strand = match Strand::for_job::<R, F>() {
            Ok(strand) => strand,
            Err(error) => {
                *result = Err(error);
                return None;
            }
        };
        strand.control().waker.set(cx.waker());
        // SAFETY: the strand was taken for these types, and `result` is a reference.
        if unsafe { strand.resume(job, result) } {
            strand.retire();
            return None;
        }
        let fiber = Self { strand: Some(strand), job: None, result: PhantomData };
        fiber.has_suspended(cx);
        Some(fiber)
    }
}

impl<R, F> Fiber<R, F> {
    /// Runs it until it waits (`None`) or has ended.
    // See `Strand::resume`.
    #[inline(always)]
    fn resume(&mut self) -> Option<Result<R>> {
        let Some(strand) = &mut self.strand else { return Some(Err(cancelled())) };
        let mut result = MaybeUninit::uninit();
        // SAFETY: `spawn` or `begin` took the strand for these types, and `result` lies here.
        if !unsafe { strand.resume(&mut self.job, result.as_mut_ptr()) } {
            return None;
        }
        if let Some(strand) = self.strand.take() {
            strand.retire();
        }
        // SAFETY: the job has ended, so it is written.
        Some(unsafe { result.assume_init() })
    }

    /// It was polled and has not ended.
    fn has_suspended(&self, cx: &mut Context<'_>) {
        if let Some(control) = self.control() {
            control.waker.set(Waker::noop());
        }
        if self.preempted() {
            // Not `wake_by_ref`: a LocalSet polls self-woken tasks up to 61 times before it lets
            // timers and I/O in, which here would be 61 slices. `pass` wakes after they had their
            // turn.
            let _ = pin!(pass()).poll(cx);
        }
    }

    fn control(&self) -> Option<&Control> {
        self.strand.as_ref().map(Strand::control)
    }

    /// Did it suspend because its slice was over, and not to wait?
    pub fn preempted(&self) -> bool {
        self.control().is_some_and(|control| control.preempted.get())
    }

    /// Must its interpreter wait for it? It was preempted, or keeps the interpreter while it waits.
    pub(crate) fn keeps_interpreter(&self) -> bool {
        self.control().is_some_and(|control| control.preempted.get() || control.keeps.get())
    }

    /// Drives what it waits for, while it may not run itself.
    fn advance(&self, cx: &mut Context<'_>) {
        let _ = self.control().map(|control| control.advance(cx));
    }

    /// Gives up what it waits for, before it can be ended itself.
    fn abandon(&self) {
        if let Some(control) = self.control() {
            control.abandon();
        }
    }

    /// Tells the script that its call is over and runs it to its end.
    fn cancel(&mut self) {
        let Some(strand) = &self.strand else { return };
        if self.job.is_some() {
            // Nothing of it is on the stack.
            if let Some(strand) = self.strand.take() {
                strand.retire();
            }
            return;
        }
        let until = TOGETHER.get().unwrap_or_else(|| computed() + GRACE);
        strand.control().dying.set(Some(until));
        strand.control().waker.set(Waker::noop());
        // A dying fiber never suspends of its own accord: one resume ends it. The few more are for
        // an engine that breaks rule 3 in a way that time may mend.
        for _ in 0..8 {
            if let Some(result) = self.resume() {
                if let Err(error) = result {
                    tell_last_trace(error.into_trace());
                }
                return;
            }
        }
        if let Some(strand) = self.strand.take() {
            strand.leak();
        }
    }
}

impl<R, F> Future for Fiber<R, F> {
    type Output = Result<R>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        if let Some(control) = self.control() {
            control.waker.set(cx.waker());
            control.preempted.set(false);
        }
        if let Some(result) = self.resume() {
            return Poll::Ready(result);
        }
        self.has_suspended(cx);
        Poll::Pending
    }
}

impl<R, F> Drop for Fiber<R, F> {
    fn drop(&mut self) {
        self.cancel();
    }
}
