//! Promise jobs, and whose they are.
//!
//! QuickJS has one queue of jobs, and a job does not tell whose it is. So the queue is kept in
//! stretches of one owner each: whoever may add to it, and is not the owner of its last stretch,
//! puts a *marker* there first, a job that does nothing. Markers run in a context of their own, so
//! that one can be told from a script's job before it is run.

use super::{Call, State, failure, out_of_memory, promise, value::Thrown, with_call};
use crate::{
    engines::js::{owner::Owner, work},
    fiber,
};
use rquickjs_sys::*;
use std::{collections::VecDeque, ffi::c_int, ptr, rc::Rc};
use tokio::time::Instant;

/// Jobs that run in one go: after so many, calls that wait to enter have their turn.
const BATCH: usize = 1000;

/// The same for those that had only a short time, after that: more than QuickJS runs between two
/// polls, so that also a chain of short ones ends.
const DOOMED_BATCH: usize = 20_000;

/// How much longer the time between two collections is than the first of them took.
const PAUSE: u32 = 9;

/// Collections that are made for those who wait for a promise in vain.
#[derive(Clone, Copy, Default)]
pub(super) struct Collections {
    is_planned: bool,
    not_before: Option<Instant>,
}

/// The owners of the stretches of the queue.
pub(super) struct Jobs {
    /// Of the first one.
    first: Option<Rc<Owner>>,
    /// Of the others, each behind its marker.
    others: VecDeque<Rc<Owner>>,
    /// The context of markers; made when the first one is needed.
    markers: *mut JSContext,
    /// How many jobs have run.
    ran: u64,
}

impl Default for Jobs {
    fn default() -> Self {
        Self { first: None, others: VecDeque::new(), markers: ptr::null_mut(), ran: 0 }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        if !self.markers.is_null() {
            // SAFETY: it was made by `marker` for this runtime, which is freed after its tables.
            unsafe { JS_FreeContext(self.markers) };
        }
    }
}

unsafe extern "C" fn nothing(_: *mut JSContext, _: c_int, _: *mut JSValue) -> JSValue {
    JS_UNDEFINED
}

impl State {
    /// Are promise jobs left?
    pub(in crate::engines::js) fn has_jobs(&self) -> bool {
        self.js.is_job_pending()
    }

    /// How many jobs have run.
    pub(in crate::engines::js) fn jobs_run(&self) -> u64 {
        self.jobs.borrow().ran
    }

    /// The jobs that are added from now on are of `owner`.
    pub(super) fn add_jobs_for(&self, owner: &Rc<Owner>) {
        let is_empty = !self.has_jobs();
        let mut jobs = self.jobs.borrow_mut();
        let jobs = &mut *jobs;
        let dropped = if is_empty {
            jobs.others.clear();
            jobs.first.replace(owner.clone())
        } else {
            let last = jobs.others.back_mut().or(jobs.first.as_mut());
            match last {
                Some(last) if Rc::ptr_eq(last, owner) => None,
                _ if self.marker(&mut jobs.markers) => {
                    jobs.others.push_back(owner.clone());
                    None
                }
                // Without memory for a marker, the stretch is of both.
                Some(last) => {
                    let both = Owner::group(
                        &[last.clone(), owner.clone()],
                        &self.unknown,
                        self.scope().root(),
                    );
                    Some(std::mem::replace(last, Rc::new(both)))
                }
                None => jobs.first.replace(owner.clone()),
            }
        };
        drop(dropped);
    }

    /// No jobs are left.
    pub(super) fn forget_owners_of_jobs(&self) {
        let gone = self.jobs.borrow_mut().first.take();
        drop(gone);
    }

    /// Somebody who is not known any more. The context's deadline holds for whatever it is.
    pub(super) fn unknown(&self) -> Rc<Owner> {
        match self.scope().limits().deadline {
            None => self.unknown.clone(),
            limit => {
                let until = limit.and_then(|limit| Instant::now().checked_add(limit));
                Rc::new(Owner::nobody(self.scope().root().until(until)))
            }
        }
    }

    /// The next jobs may be of `other` as well.
    pub(super) fn share_jobs_with(&self, current: &Rc<Owner>, other: &Rc<Owner>) {
        let shared = {
            let jobs = self.jobs.borrow();
            let last = jobs.others.back().or(jobs.first.as_ref());
            last.is_some_and(|last| last.includes(current) && last.includes(other))
        };
        if !shared || !self.has_jobs() {
            let both = Owner::group(
                &[current.clone(), other.clone()],
                &self.unknown(),
                self.scope().root(),
            );
            self.add_jobs_for(&Rc::new(both));
        }
    }

    /// Puts a marker into the queue. `false`: there is no memory for it.
    fn marker(&self, markers: &mut *mut JSContext) -> bool {
        // SAFETY: the runtime lives; the job is static and has no arguments.
        unsafe {
            if markers.is_null() {
                let enforced = self.quick.meter.enforce(false);
                *markers = JS_NewContextRaw(self.js.runtime());
                self.quick.meter.enforce(enforced);
            }
            !markers.is_null() && JS_EnqueueJob(*markers, Some(nothing), 0, ptr::null_mut()) >= 0
        }
    }

    /// Whose jobs are at the front of the queue, past what markers are there.
    pub(in crate::engines::js) fn owner_of_jobs(&self) -> Option<Rc<Owner>> {
        let mut gone = Vec::new();
        let mut jobs = self.jobs.borrow_mut();
        // SAFETY: the runtime lives. A marker does nothing but leave the queue.
        unsafe {
            let runtime = self.js.runtime();
            while self.js.is_job_pending() && JS_GetPendingJobContext(runtime) == jobs.markers {
                let mut context = ptr::null_mut();
                JS_ExecutePendingJob(runtime, &raw mut context);
                let next = jobs.others.pop_front();
                gone.push(std::mem::replace(&mut jobs.first, next));
            }
        }
        if !self.js.is_job_pending() {
            gone.push(jobs.first.take());
        } else if jobs.first.is_none() {
            // Added while no call ran, by the collector say.
            jobs.first = Some(self.unknown.clone());
        }
        let first = jobs.first.clone();
        drop(jobs);
        first
    }

    /// Runs jobs of `owner`, as long as the slice lasts and they are at the front.
    pub(super) fn run_jobs(&self, owner: &Rc<Owner>, doomed: bool) {
        if doomed {
            fiber::doom();
            self.counter.hurry_if_dying();
        }
        let mut left = if doomed { DOOMED_BATCH } else { BATCH };
        while left > 0 {
            // Those that are doomed may use up their grace first.
            let in_grace = fiber::with_current(|control| control.in_grace()).unwrap_or(false);
            left -= usize::from(!in_grace);
            let is_over = fiber::dying() != doomed || (fiber::expired() && !doomed);
            if is_over || !self.owner_of_jobs().is_some_and(|first| Rc::ptr_eq(&first, owner)) {
                return;
            }
            self.jobs.borrow_mut().ran += 1;
            let mut context = ptr::null_mut();
            // SAFETY: the runtime lives, and this fiber is the innermost (rule 3).
            let ran = unsafe { JS_ExecutePendingJob(self.js.runtime(), &raw mut context) };
            with_call(|call| call.loads.set(false));
            let is_end = with_call(|call| call.ended.take()).unwrap_or(false);
            if ran < 0 || is_end {
                // Told before its trace is read, since reading may give others a turn, and what waits
                // for the promises that the job has left must not hear of those first.
                let is_told = is_end && owner.fail(&out_of_memory());
                let error = if ran < 0 { failure::take(self, Thrown) } else { out_of_memory() };
                if is_told {
                    owner.fail(&error);
                } else if !fiber::dying() {
                    self.scope().report(error);
                }
                if is_end {
                    // The job leaves promises that nothing settles.
                    self.collect();
                }
            }
        }
    }

    /// Runs what the running code has left to do, without a task and an entry of its own for it. If
    /// a job waits, the others go on as they do behind any that waits.
    pub(super) fn run_own_jobs(&self, call: &Call<'_>) {
        if call.owner.may_go_on() && self.begin_pump() {
            call.is_pump.set(true);
            self.run_jobs(&call.owner, false);
            self.end_pump();
        }
    }

    pub(in crate::engines::js) fn is_pumping(&self) -> bool {
        self.pumping.get()
    }

    /// A call was cut off before its promise was settled.
    pub(in crate::engines::js) fn lose_call(&self) {
        self.lost.set(self.lost.get() + 1);
    }

    /// The promise of a call that was cut off is settled.
    pub(super) fn find_call(&self) {
        self.lost.set(self.lost.get().saturating_sub(1));
    }

    pub(in crate::engines::js) fn has_lost_calls(&self) -> bool {
        self.lost.get() > 0
    }

    /// `true` if jobs are left and nobody runs them.
    pub(in crate::engines::js) fn begin_pump(&self) -> bool {
        let begins = self.has_jobs() && !self.pumping.replace(true);
        if begins {
            // What the scripts have left to do comes before whatever is new.
            self.nest.reserve(true);
        }
        begins
    }

    pub(in crate::engines::js) fn end_pump(&self) {
        self.pumping.set(false);
        self.nest.reserve(false);
    }

    /// The running code is about to wait. Jobs of others go on meanwhile, also those behind the one
    /// that waits.
    pub(super) fn leave_jobs(&self) {
        if with_call(|call| call.is_pump.get()).unwrap_or(false) {
            self.end_pump();
        }
        if with_call(|call| call.loads.get()).unwrap_or(false) {
            self.loading.set(self.loading.get() + 1);
        }
        // What the waiting call itself has added waits with it, as long as that keeps nobody else.
        if !self.jobs.borrow().others.is_empty() {
            work::pump_later(self);
        }
    }

    /// The running code has waited: others may have added jobs.
    pub(super) fn resume_jobs(&self) {
        if with_call(|call| call.loads.get()).unwrap_or(false) {
            self.loading.set(self.loading.get().saturating_sub(1));
        }
        if let Some(owner) = self.owner() {
            self.add_jobs_for(&owner);
        }
    }

    /// Reports the promises that were rejected and that nobody has handled, once all has run that
    /// might have: the jobs that are there, and the calls that wait in the middle of something.
    pub(super) fn report_rejections(&self) {
        let is_alone = self.nest.depth() <= 1;
        if self.rejected.borrow().is_empty() || self.has_jobs() || !is_alone || fiber::dying() {
            return;
        }
        let rejected: Vec<promise::Rejected> = self.rejected.take();
        for rejection in rejected {
            let error = failure::describe_thrown(self, &rejection.reason);
            self.scope().report(error);
        }
    }

    /// When to [collect](Self::collect_as_planned); `None` if that is planned already.
    pub(in crate::engines::js) fn plan_collection(&self) -> Option<Instant> {
        let mut collections = self.collections.get();
        let is_planned = std::mem::replace(&mut collections.is_planned, true);
        self.collections.set(collections);
        (!is_planned).then(|| collections.not_before.unwrap_or_else(Instant::now))
    }

    pub(in crate::engines::js) fn collect_as_planned(&self) {
        let begin = Instant::now();
        self.collect();
        let not_before = Some(Instant::now() + begin.elapsed() * PAUSE);
        self.collections.set(Collections { is_planned: false, not_before });
    }

    /// Frees what nothing refers to, also in circles.
    fn collect(&self) {
        // SAFETY: the runtime lives. Finalisers drop Rust values; no script runs.
        unsafe { JS_RunGC(self.js.runtime()) };
    }
}
