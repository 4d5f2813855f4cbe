//! Strands: the stacks that fibers run on, one job after another.
//!
//! A strand whose job has ended does not end with it. It stays suspended at the bottom of its stack, as
//! it was before its first job, and waits among the idle ones of its thread for another: so a call
//! sets up neither a stack nor a coroutine nor a control block.

use super::{CURRENT, Control, STACK_BYTES, cancelled, interrupt};
use crate::error::{Error, ErrorKind, Result};
use corosensei::{
    Coroutine, CoroutineResult, Yielder,
    stack::{DefaultStack, Stack},
};
use std::{cell::RefCell, mem, panic::AssertUnwindSafe, panic::catch_unwind, rc::Rc};

/// Idle strands kept per thread for the next fiber. Beyond that they go back to the system.
const MOST_IDLE: usize = 1024;

/// So many are kept although nobody needs them: a stack that served once has pages of its own.
const KEPT_IDLE: usize = 256;

/// After so many jobs it is seen which strands were not needed, and some of them go back.
const JOBS: usize = 1024;

/// How many then go back at once: it takes some microseconds each.
const GIVEN_BACK: usize = 8;

thread_local! {
    static IDLE: RefCell<Idle> =
        const { RefCell::new(Idle { strands: Vec::new(), spare: 0, ended: 0 }) };
}

/// The idle strands of a thread. The last one serves first, so those in front are the spare ones.
struct Idle {
    strands: Vec<Strand>,
    /// How many were not needed since it was looked last.
    spare: usize,
    /// Jobs that have ended since then.
    ended: usize,
}

impl Idle {
    fn take(&mut self) -> Option<Strand> {
        let strand = self.strands.pop();
        self.spare = self.spare.min(self.strands.len());
        strand
    }

    /// Keeps a strand, if there is room for it. What is not kept is to be dropped.
    fn keep(&mut self, strand: Strand) -> Option<Strand> {
        if self.strands.len() >= MOST_IDLE {
            return Some(strand);
        }
        self.strands.push(strand);
        self.ended += 1;
        None
    }

    /// Those that were not needed for long, to be dropped.
    #[cold]
    fn give_back(&mut self) -> Vec<Strand> {
        let count = self.spare.saturating_sub(KEPT_IDLE).min(GIVEN_BACK);
        let given_back = self.strands.drain(..count).collect();
        (self.spare, self.ended) = (self.strands.len(), 0);
        given_back
    }
}

/// What each resume lends to the strand, since a fiber may move between two of them: what is to run,
/// until that is on the strand, and the place for how it ends.
struct Parcel<'a, R, F> {
    job: &'a mut Option<F>,
    result: *mut Result<R>,
}

/// A job, without its types.
///
/// SAFETY: it may be called on a strand only, with the control block of that strand, whose `parcel`
/// must point to a `Parcel<R, F>` of the types that it was made for, at every resume until it returns.
pub(super) type Run = unsafe fn(&Control);

/// Runs the job in the parcel. A panic of it is an error of kind `panicked`.
///
/// # Safety
/// As for [`Run`].
unsafe fn run<R, F: FnOnce() -> Result<R>>(control: &Control) {
    // SAFETY: the caller's promise: it is the one that the last resume has lent. No borrow outlives the
    // line that asks, and only the job itself suspends.
    let parcel = || unsafe { &mut *control.parcel.get().cast::<Parcel<'_, R, F>>() };
    // The job is taken out where it runs, and its result goes straight to its place.
    let job = || {
        let job = parcel().job.take();
        let result = job.map_or_else(|| Err(cancelled()), |job| job());
        // SAFETY: whoever resumes promises that it can be written.
        unsafe { parcel().result.write(result) };
    };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(job)) {
        // SAFETY: as above.
        unsafe { parcel().result.write(Err(Error::from_panic(panic))) };
    }
}

/// A stack, suspended or idle, with the control block of the fiber that has it.
pub(super) struct Strand(Rc<Inside>);

struct Inside {
    /// It is given its control block, and yields `true` when a job has ended, `false` when that waits.
    coroutine: RefCell<Coroutine<*const Control, bool, (), DefaultStack>>,
    control: Control,
}

impl Strand {
    /// One that will run a job of these types, to be lent to `resume`.
    ///
    /// # Errors
    /// `memory` if the system has no room for another stack.
    #[inline]
    pub(super) fn for_job<R, F: FnOnce() -> Result<R>>() -> Result<Self> {
        // At the end of a thread those may be gone before the last fibers are.
        let idle = IDLE.try_with(|idle| idle.borrow_mut().take()).ok().flatten();
        let strand = match idle {
            Some(idle) => idle,
            None => Self::new()?,
        };
        strand.0.control.job.set(Some(run::<R, F>));
        Ok(strand)
    }

    #[cold]
    fn new() -> Result<Self> {
        let stack = DefaultStack::new(STACK_BYTES).map_err(|error| {
            Error::new(ErrorKind::Memory, format!("no stack for another call: {error}"))
        })?;
        let control = Control::new(stack.limit().get());
        let coroutine =
            Coroutine::with_stack(stack, |yielder: &Yielder<_, _>, control: *const Control| {
                // SAFETY: it is that of this strand, which `resume` has passed in; it lives as long as
                // the coroutine, with which it lies in one place.
                let control = unsafe { &*control };
                control.yielder.set(yielder);
                while let Some(run) = control.job.take() {
                    // SAFETY: the job was set by `for_job`, and whoever resumes this strand until it
                    // has ended lends the parcel that it was set for (see `resume`).
                    unsafe { run(control) };
                    yielder.suspend(true);
                }
            });
        Ok(Self(Rc::new(Inside { coroutine: RefCell::new(coroutine), control })))
    }

    pub(super) fn control(&self) -> &Control {
        &self.0.control
    }

    /// Runs its job, which is in `job` the first time, until that waits (`false`) or has ended
    /// (`true`). Then `result` is written, and what was there is not dropped.
    ///
    /// # Safety
    /// The types must be those that the strand was taken [for](Self::for_job), and `result` must be
    /// valid for a write.
    // In the frame of its caller: a return to one below a switch of stacks is always mispredicted.
    #[inline(always)]
    pub(super) unsafe fn resume<R, F>(
        &mut self,
        job: &mut Option<F>,
        result: *mut Result<R>,
    ) -> bool {
        let Inside { coroutine, control } = &*self.0;
        let mut parcel = Parcel { job, result };
        control.parcel.set((&raw mut parcel).cast());
        let outer = CURRENT.replace(control);
        let entered = interrupt::enter(control.target.get());
        let result = coroutine.borrow_mut().resume(control);
        control.target.set(interrupt::leave(entered));
        CURRENT.set(outer);
        !matches!(result, CoroutineResult::Yield(false))
    }

    /// Its job has ended, or never began: it takes the next one.
    #[inline]
    pub(super) fn retire(self) {
        self.0.control.clear();
        // What is not kept is dropped, not under the borrow.
        let _not_kept = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            let surplus = idle.keep(self);
            let spare = if idle.ended < JOBS { Vec::new() } else { idle.give_back() };
            (surplus, spare)
        });
    }

    /// Gives up on a job that does not end: the stack is leaked, for its frames may hold anything,
    /// and with it the control block that they point to.
    #[expect(clippy::mem_forget, reason = "the frames on the stack must never be touched again")]
    pub(super) fn leak(self) {
        mem::forget(self);
    }
}

impl Drop for Inside {
    /// Only an idle one is ever dropped: a fiber retires or leaks its own. It finds no job and
    /// returns, so that nothing on its stack has to be unwound.
    fn drop(&mut self) {
        let coroutine = self.coroutine.get_mut();
        if coroutine.started() && !coroutine.done() {
            coroutine.resume(&raw const self.control);
        }
    }
}

/// How many strands of this thread are idle.
#[cfg(test)]
pub(super) fn idle() -> usize {
    IDLE.with_borrow(|idle| idle.strands.len())
}
