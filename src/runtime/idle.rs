//! How the thread of a worker waits: it looks around for a while before it sleeps.
//!
//! To wake a thread that sleeps takes two system calls and, on the machines where this was measured,
//! 8 to 50 microseconds; a call between two threads pays that twice. So a worker that has nothing to
//! do goes on looking for some microseconds, as long as that is worth it: it stops when a look was in
//! vain, and looks again when it was woken so early that a look would have seen it come. A process
//! that is idle sleeps.

use crate::fiber;
use futures::task::AtomicWaker;
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    hint,
    pin::pin,
    ptr,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU32,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, task::LocalSet};

/// How long a worker looks: somewhat longer than it takes another thread to wake up.
const LOOK: Duration = Duration::from_micros(100);

/// How long timers and sockets wait at the most while others keep the worker busy.
const DRIVER_WAITS: Duration = Duration::from_micros(100);

/// How many times a look asks before it lets other threads of the machine run.
const ASKED: u32 = 64;

/// What wakes a worker: it costs a system call only if the worker sleeps.
#[derive(Default)]
pub(super) struct Bell {
    /// There is something to do.
    rung: AtomicBool,
    /// By another thread.
    from_afar: AtomicBool,
    asleep: AtomicBool,
    sleeper: AtomicWaker,
}

thread_local! {
    /// The bell of the worker that this thread is. It can be asked also at the end of a thread, where
    /// what is dropped may still ring.
    static HERE: Cell<*const Bell> = const { Cell::new(ptr::null()) };
}

impl Bell {
    /// Does the worker sleep?
    pub(super) fn is_asleep(&self) -> bool {
        self.asleep.load(SeqCst)
    }

    /// Waits a while for it to ring.
    fn look(&self, until: Instant) -> bool {
        loop {
            for _ in 0..ASKED {
                if self.rung.load(SeqCst) {
                    return true;
                }
                hint::spin_loop();
            }
            if Instant::now() >= until {
                return false;
            }
            // Where there are more threads than processors, whoever would ring must run.
            thread::yield_now();
        }
    }

    /// Is there nothing to do, and will whoever rings wake the sleeper?
    fn sleep(&self, sleeper: &Waker) -> bool {
        self.sleeper.register(sleeper);
        self.asleep.store(true, SeqCst);
        // Whoever rings either sees that it sleeps, or has rung before.
        if self.rung.load(SeqCst) {
            self.asleep.store(false, SeqCst);
        }
        self.is_asleep()
    }
}

/// Whether callers on other threads see their answers when they look for them. It is a guess, so the
/// counts of two callers may overwrite each other.
pub(super) struct Looks {
    /// How many more looks in vain there may be.
    tries: AtomicU32,
    /// Calls that did not look.
    skipped: AtomicU32,
}

/// After so many looks in vain, one after the other, nobody looks any more.
const TRIES: u32 = 4;

/// Of so many calls that do not look, the last does all the same.
const AGAIN: u32 = 128;

impl Default for Looks {
    fn default() -> Self {
        Self { tries: AtomicU32::new(TRIES), skipped: AtomicU32::new(0) }
    }
}

impl Looks {
    pub(super) fn is_worth_it(&self) -> bool {
        if self.tries.load(Relaxed) > 0 {
            return true;
        }
        let skipped = self.skipped.load(Relaxed) + 1;
        self.skipped.store(skipped % AGAIN, Relaxed);
        skipped == AGAIN
    }

    pub(super) fn note(&self, was_seen: bool) {
        let tries = self.tries.load(Relaxed);
        let next = if was_seen { TRIES } else { tries.saturating_sub(1) };
        if next != tries {
            self.tries.store(next, Relaxed);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !ptr::eq(HERE.get(), Arc::as_ptr(self)) {
            self.from_afar.store(true, SeqCst);
        }
        // One ring is enough until it is heard.
        if !self.rung.swap(true, SeqCst) && self.is_asleep() {
            self.sleeper.wake();
        }
    }
}

/// Runs `serve` and what it spawns in `contexts` until it ends.
pub(super) fn block_on(
    runtime: &Runtime,
    contexts: &LocalSet,
    bell: &Arc<Bell>,
    serve: impl Future<Output = ()>,
) {
    HERE.set(Arc::as_ptr(bell));
    let waker = Waker::from(bell.clone());
    let mut serve = pin!(contexts.run_until(serve));
    // With one processor, nobody could ring meanwhile.
    let has_others = thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    let mut worth_a_look = has_others;
    let mut asleep_since = None::<Instant>;
    runtime.block_on(poll_fn(|outer| {
        bell.asleep.store(false, SeqCst);
        let begun = Instant::now();
        if let Some(since) = asleep_since.take()
            && bell.from_afar.load(SeqCst)
            && begun.saturating_duration_since(since) < LOOK
        {
            worth_a_look = has_others;
        }
        loop {
            bell.from_afar.store(false, SeqCst);
            bell.rung.store(false, SeqCst);
            if serve.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                return Poll::Ready(());
            }
            let now = Instant::now();
            // Who passes is woken only after the runtime has looked at timers and sockets.
            let has_passed = fiber::has_passed();
            let may_look = worth_a_look && !has_passed;
            if bell.rung.load(SeqCst) || (may_look && bell.look(now + LOOK)) {
                if !has_passed && now.saturating_duration_since(begun) < DRIVER_WAITS {
                    continue;
                }
                outer.waker().wake_by_ref();
                return Poll::Pending;
            }
            worth_a_look &= has_passed;
            if bell.sleep(outer.waker()) {
                asleep_since = Some(now);
                return Poll::Pending;
            }
        }
    }));
}
