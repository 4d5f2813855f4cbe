//! Interruption from outside: how a running script notices that its slice is over.
//!
//! A standing hook in the interpreter would cost every script 1.4 to 3 times on tight loops, so
//! there is none. Each worker has a [`Slot`] in which it publishes *which run* of a fiber is on (an
//! epoch) and *what to poke* to make the interpreter look up (Lua: the running `lua_State`). The
//! watchdog (`runtime/watchdog.rs`) sees an epoch last longer than the slice, marks it expired and
//! signals the worker; the signal handler, on the worker's own thread, pokes. Go's runtime preempts
//! its goroutines the same way, and with the same signal: SIGURG is ignored by default, harmless
//! when spurious, and used by next to nobody.

use std::{
    cell::Cell,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::Relaxed, compiler_fence},
    },
    time::{Duration, Instant},
};

/// Makes an interpreter look up at its next instruction. Runs in a signal handler, on the thread of
/// the interpreter: it must be async-signal-safe.
pub(crate) type Poke = unsafe extern "C" fn(*mut ());

/// What an interrupt should poke: a function of the engine and its argument.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    poke: Option<Poke>,
    argument: *mut (),
}

impl Target {
    /// Nothing: the interpreter polls [`expired`] by itself, or none runs.
    pub(crate) const NONE: Self = Self { poke: None, argument: ptr::null_mut() };

    /// # Safety
    /// While it is published (see [`running`]), `poke(argument)` must be sound in a signal handler
    /// on this thread, at any instruction.
    pub(crate) const unsafe fn new(poke: Poke, argument: *mut ()) -> Self {
        Self { poke: Some(poke), argument }
    }
}

/// What a worker publishes for the watchdog and for its own signal handler.
#[derive(Default)]
pub(crate) struct Slot {
    /// The run of a fiber that is on; 0 if none is.
    active: AtomicU64,
    /// The run whose slice is over.
    expired: AtomicU64,
    /// The turn of a context that is on (see [`in_turn`]); 0 if none is.
    turn: AtomicU64,
    /// The turn that has lasted a slice.
    turn_over: AtomicU64,
    /// The published target, in two words. `argument` is null while `poke` is being changed.
    argument: AtomicPtr<()>,
    poke: AtomicPtr<()>,
    /// A poke is on.
    poking: AtomicBool,
    /// How long the last poke took, in nanoseconds of the worker's own time.
    poke_nanos: AtomicU64,
    /// How often a script was suspended because its slice was over.
    preemptions: AtomicU64,
    /// The worker's `pthread_t`.
    thread: AtomicU64,
    /// The worker's number.
    number: usize,
}

/// So many short steps of a turn go by without a look at the clock, if there are [`ticks`] to tell when
/// one of them was long after all: a script in a call need not look by itself.
const UNSEEN: u8 = if cfg!(target_os = "linux") { 7 } else { 0 };

/// What the system notes of the time every few milliseconds. To read it takes a fifth of a look at the
/// clock.
#[cfg(target_os = "linux")]
fn ticks() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the right type, and Linux has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Nobody asks where each step is seen.
#[cfg(not(target_os = "linux"))]
fn ticks() -> Duration {
    Duration::ZERO
}

/// What a thread has of it, in one place, since every call asks for most of it.
struct Here {
    /// That of the thread, if a watchdog watches it.
    slot: Cell<*const Slot>,
    epoch: Cell<u64>,
    /// How long the turn that is on may last, and when it was first asked about, on a thread without a
    /// slot.
    turn: Cell<Option<Duration>>,
    turn_since: Cell<Option<Instant>>,
    /// How old that was at the last look at the clock, and how many steps may go by before the next,
    /// while the time is still noted as it was then.
    looked: Cell<Duration>,
    unseen: Cell<u8>,
    ticks: Cell<Duration>,
    /// Somebody waits for his turn after all others.
    passed: Cell<bool>,
}

thread_local! {
    static HERE: Here = const {
        Here {
            slot: Cell::new(ptr::null()),
            epoch: Cell::new(0),
            turn: Cell::new(None),
            turn_since: Cell::new(None),
            looked: Cell::new(Duration::ZERO),
            unseen: Cell::new(0),
            ticks: Cell::new(Duration::ZERO),
            passed: Cell::new(false),
        }
    };
}

impl Here {
    #[inline]
    fn next_epoch(&self) -> u64 {
        self.epoch.set(self.epoch.get() + 1);
        self.epoch.get()
    }

    /// Has the turn that is on lasted its slice, by the clock? That runs from the first time that
    /// somebody asks: many a turn ends before.
    fn clock_is_over(&self) -> bool {
        let Some(slice) = self.turn.get() else { return false };
        let Some(began) = self.turn_since.get() else {
            self.turn_since.set(Some(Instant::now()));
            self.looked.set(Duration::ZERO);
            return false;
        };
        let lasted = began.elapsed();
        let before = self.looked.replace(lasted);
        // A look takes longer than many a step.
        let is_short = lasted.saturating_sub(before) < slice / 64;
        self.unseen.set(if is_short { UNSEEN } else { 0 });
        if is_short && UNSEEN > 0 {
            self.ticks.set(ticks());
        }
        lasted >= slice
    }

    /// The same between two steps of the turn, at some of them only while they are short.
    #[inline]
    fn step_is_over(&self) -> bool {
        match self.unseen.get() {
            unseen if unseen > 0 && ticks() == self.ticks.get() => {
                self.unseen.set(unseen - 1);
                false
            }
            _ => self.clock_is_over(),
        }
    }
}

/// Runs `f` with what the thread has, and with its slot.
#[inline]
fn with_here<R>(f: impl FnOnce(&Here, Option<&Slot>) -> R) -> R {
    HERE.with(|here| {
        let slot = here.slot.get();
        // SAFETY: it is null or points to the slot that the `Registered` of this thread keeps alive;
        // its drop nulls the pointer first.
        f(here, if slot.is_null() { None } else { Some(unsafe { &*slot }) })
    })
}

#[inline]
fn with_slot<R>(f: impl FnOnce(&Slot) -> R) -> Option<R> {
    with_here(|_, slot| slot.map(f))
}

/// What was published before the innermost run.
pub(super) struct Entered(u64, Target);

/// A fiber starts or goes on: publishes a new epoch and the fiber's target.
///
/// All stores are this thread's own, and the signal handler runs on this thread, so program order
/// is enough and `Relaxed` keeps it cheap; the watchdog reads `active` only as a number that
/// changes.
#[inline]
pub(super) fn enter(target: Target) -> Entered {
    with_here(|here, slot| {
        let epoch = here.next_epoch();
        let Some(slot) = slot else { return Entered(0, Target::NONE) };
        let before = Entered(slot.active.load(Relaxed), slot.publish(target));
        slot.active.store(epoch, Relaxed);
        before
    })
}

/// It suspended or ended: restores what was published before, and returns its target.
#[inline]
pub(super) fn leave(Entered(active, target): Entered) -> Target {
    with_slot(|slot| {
        slot.active.store(active, Relaxed);
        slot.publish(target)
    })
    .unwrap_or(Target::NONE)
}

/// The interpreter switches to another of its stacks: publishes the new target, returns the old
/// one.
#[inline]
pub(crate) fn running(target: Target) -> Target {
    with_slot(|slot| slot.publish(target)).unwrap_or(Target::NONE)
}

/// A turn that is on, until this is dropped: then the turn around it goes on, if there is one.
#[must_use]
pub(crate) struct InTurn {
    outer: u64,
    outer_by_clock: (Option<Duration>, Option<Instant>),
}

impl Drop for InTurn {
    #[inline]
    fn drop(&mut self) {
        with_here(|here, slot| match slot {
            Some(slot) => slot.turn.store(self.outer, Relaxed),
            None => {
                here.turn.set(self.outer_by_clock.0);
                here.turn_since.set(self.outer_by_clock.1);
            }
        });
    }
}

/// Runs `f`, in which one context of the worker has its turn. Many short runs in one turn may together
/// take no longer than one long one, a `slice`: [`turn_is_over`] tells.
///
/// A worker only notes that the turn changes, and the watchdog keeps the time; where none watches
/// (inline mode), the clock is asked.
pub(crate) fn in_turn<R>(slice: Duration, f: impl FnOnce() -> R) -> R {
    let _turn = with_here(|here, slot| begin_turn(here, slot, slice));
    f()
}

#[inline]
fn begin_turn(here: &Here, slot: Option<&Slot>, slice: Duration) -> InTurn {
    let turn = here.next_epoch();
    match slot {
        Some(slot) => {
            let outer = slot.turn.load(Relaxed);
            slot.turn.store(turn, Relaxed);
            InTurn { outer, outer_by_clock: (None, None) }
        }
        None => {
            let outer_by_clock = (here.turn.replace(Some(slice)), here.turn_since.replace(None));
            here.unseen.set(0);
            InTurn { outer: 0, outer_by_clock }
        }
    }
}

/// The same until the result is dropped, as part of the turn that is on, if one is.
#[inline]
pub(crate) fn join_turn(slice: Duration) -> Option<InTurn> {
    with_here(|here, slot| {
        let is_on = match slot {
            Some(slot) => slot.turn.load(Relaxed) != 0,
            None => here.turn.get().is_some(),
        };
        (!is_on).then(|| begin_turn(here, slot, slice))
    })
}

/// Waits until all others of the thread, timers and sockets too, have had their turn.
pub(crate) async fn pass() {
    HERE.with(|here| here.passed.set(true));
    tokio::task::yield_now().await;
}

/// Has anybody [passed](pass) since this was asked last? Then the runtime must have its turn soon.
pub(crate) fn has_passed() -> bool {
    HERE.with(|here| here.passed.replace(false))
}

/// Has the turn that is on lasted its slice?
#[inline]
pub(crate) fn turn_is_over() -> bool {
    with_here(|here, slot| {
        let Some(slot) = slot else { return here.step_is_over() };
        let turn = slot.turn.load(Relaxed);
        turn != 0 && slot.turn_over.load(Relaxed) == turn
    })
}

/// Is the slice of the fiber that runs now over? (An interrupt that was meant for an earlier run
/// says no.)
///
/// An interpreter without a hook of its own asks this now and then, and passes through
/// [`yield_now`](super::yield_now) if it is. Always `false` in inline mode, where no watchdog
/// watches.
pub fn expired() -> bool {
    with_slot(Slot::is_expired).unwrap_or(false)
}

/// The same, but asks the clock in inline mode: for what looks rarely.
pub(super) fn expired_by_clock() -> bool {
    with_here(|here, slot| slot.map_or_else(|| here.clock_is_over(), Slot::is_expired))
}

/// The running fiber suspends because its slice is over.
pub(super) fn count_preemption() {
    with_slot(|slot| slot.preemptions.store(slot.preemptions() + 1, Relaxed));
}

impl Slot {
    pub(crate) fn new(number: usize) -> Self {
        Self { number, ..Self::default() }
    }

    /// The worker's number.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// How often a script of the worker was suspended because its slice was over.
    pub(crate) fn preemptions(&self) -> u64 {
        self.preemptions.load(Relaxed)
    }

    fn is_expired(&self) -> bool {
        self.expired.load(Relaxed) == self.active.load(Relaxed)
    }

    fn target(&self) -> Target {
        let poke = self.poke.load(Relaxed);
        // SAFETY: `publish` stores only null or a `Poke`, and the two have the same representation:
        // `Option<fn>` is a nullable pointer.
        let poke = unsafe { std::mem::transmute::<*mut (), Option<Poke>>(poke) };
        Target { poke, argument: self.argument.load(Relaxed) }
    }

    fn publish(&self, target: Target) -> Target {
        let before = self.target();
        // A fiber that only goes on publishes what is there already.
        if before.argument != target.argument {
            self.argument.store(ptr::null_mut(), Relaxed);
            compiler_fence(std::sync::atomic::Ordering::SeqCst);
            self.poke.store(target.poke.map_or(ptr::null_mut(), |poke| poke as *mut ()), Relaxed);
            compiler_fence(std::sync::atomic::Ordering::SeqCst);
            self.argument.store(target.argument, Relaxed);
        }
        before
    }
}

/// What the watchdog sees of one worker.
pub(crate) struct Watched {
    /// The worker's number.
    pub(crate) number: usize,
    /// The run of a fiber that is on; 0 if none is.
    pub(crate) run: u64,
    /// The turn of a context that is on; 0 if none is.
    pub(crate) turn: u64,
    /// How long the last interrupt took the worker.
    pub(crate) poke: Duration,
}

/// What the watchdog finds of one worker.
pub(crate) struct Over {
    /// The run of a fiber has lasted its slice.
    pub(crate) run: bool,
    /// The turn of a context has.
    pub(crate) turn: bool,
}

/// The slots of all workers that one watchdog watches.
pub(crate) struct Slots {
    slots: Mutex<Vec<Arc<Slot>>>,
    /// A worker whose run is over gets a signal.
    signals: bool,
}

impl Slots {
    /// No slots yet. Without `signals`, interpreters must look for the end of a slice themselves.
    pub(crate) fn new(signals: bool) -> Arc<Self> {
        Arc::new(Self { slots: Mutex::default(), signals })
    }

    /// Only list operations run under the lock, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the calling thread, until the result is dropped.
    pub(crate) fn register(self: &Arc<Self>, slot: Arc<Slot>) -> Registered {
        if self.signals {
            os::prepare(&slot);
        }
        HERE.with(|here| here.slot.set(Arc::as_ptr(&slot)));
        self.lock().push(slot.clone());
        Registered { slot, slots: self.clone() }
    }

    /// Shows `judge` the state of every worker. Where the run is over, it is marked expired and the
    /// worker is interrupted; where the turn is, that is marked.
    pub(crate) fn watch(&self, mut judge: impl FnMut(&Watched) -> Over) {
        // Held while signalling: a thread leaves the list under this lock, before it ends.
        for slot in self.lock().iter() {
            let watched = Watched {
                number: slot.number,
                run: slot.active.load(Relaxed),
                turn: slot.turn.load(Relaxed),
                poke: Duration::from_nanos(slot.poke_nanos.load(Relaxed)),
            };
            let over = judge(&watched);
            if over.turn {
                slot.turn_over.store(watched.turn, Relaxed);
            }
            if over.run {
                slot.expired.store(watched.run, Relaxed);
                // One that takes long must not be followed by another before the script goes on.
                if self.signals && !slot.poking.load(Relaxed) {
                    // SAFETY: the slot is in the list and the lock is held, so its thread is alive.
                    unsafe { os::signal(slot) };
                }
            }
        }
    }
}

/// Keeps the thread's slot published.
pub(crate) struct Registered {
    slot: Arc<Slot>,
    slots: Arc<Slots>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.slots.lock().retain(|slot| !Arc::ptr_eq(slot, &self.slot));
        HERE.with(|here| here.slot.set(ptr::null()));
    }
}

#[cfg(unix)]
mod os {
    use super::{Slot, with_slot};
    use std::sync::{
        Once,
        atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed},
    };

    /// A handler of the process that was there before ours, and whether it wants three arguments.
    static PREVIOUS: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
    static WANTS_THREE: AtomicBool = AtomicBool::new(false);

    type One = extern "C" fn(libc::c_int);
    type Three = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

    /// SAFETY (async-signal): it reads a constant-initialised thread-local without destructor that
    /// this thread has used before, atomics, and `clock_gettime`, which POSIX lists as safe; and it
    /// calls the engine's poke, which its `Target` promised to be sound here. On a thread without a
    /// slot it does nothing of ours.
    extern "C" fn on_signal(
        number: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        with_slot(|slot| {
            let target = slot.target();
            if let (Some(poke), false) = (target.poke, target.argument.is_null()) {
                slot.poking.store(true, Relaxed);
                let before = crate::fiber::computed();
                // SAFETY: see above; `publish` keeps function and argument together.
                unsafe { poke(target.argument) };
                let took = crate::fiber::computed().saturating_sub(before).as_nanos();
                slot.poke_nanos.store(u64::try_from(took).unwrap_or(u64::MAX), Relaxed);
                slot.poking.store(false, Relaxed);
            }
        });
        let previous = PREVIOUS.load(Relaxed);
        if previous.is_null() {
            return;
        }
        // SAFETY: it was installed in this process as a handler of this form.
        unsafe {
            if WANTS_THREE.load(Relaxed) {
                std::mem::transmute::<*mut (), Three>(previous)(number, info, context);
            } else {
                std::mem::transmute::<*mut (), One>(previous)(number);
            }
        }
    }

    /// Installs the handler once, notes the thread, and sees to it that the signal reaches it.
    pub(super) fn prepare(slot: &Slot) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: plain `sigaction` calls with zeroed structures that are filled in before use.
            // SA_RESTART keeps interrupted system calls going. A previous handler is chained.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                let mut before: libc::sigaction = std::mem::zeroed();
                libc::sigaction(libc::SIGURG, std::ptr::null(), &mut before);
                if before.sa_sigaction > libc::SIG_IGN {
                    WANTS_THREE.store(before.sa_flags & libc::SA_SIGINFO != 0, Relaxed);
                    PREVIOUS.store(before.sa_sigaction as *mut (), Relaxed);
                }
                action.sa_sigaction = on_signal as Three as usize;
                action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK | libc::SA_SIGINFO;
                libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut());
            }
        });
        // SAFETY: a signal set of this frame, initialised before its use. A thread inherits the mask
        // of the one that starts it, which may have blocked all signals.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGURG);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        }
        // SAFETY: has no preconditions.
        let thread = unsafe { libc::pthread_self() };
        slot.thread.store(thread as u64, Relaxed);
    }

    /// # Safety
    /// The thread must be alive.
    pub(super) unsafe fn signal(slot: &Slot) {
        // SAFETY: the id is that of a live thread, says the caller; the handler was installed when
        // the slot was registered.
        unsafe { libc::pthread_kill(slot.thread.load(Relaxed) as libc::pthread_t, libc::SIGURG) };
    }
}

#[cfg(not(unix))]
mod os {
    use super::Slot;

    /// Nothing to install: the engines poll the mark of the slot from a hook of their own.
    pub(super) fn prepare(_: &Slot) {}

    /// # Safety
    /// None here; the signature is that of the Unix form.
    pub(super) unsafe fn signal(_: &Slot) {}
}
