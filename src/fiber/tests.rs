use super::*;
use std::{future::poll_fn, mem, rc::Rc, task::Wake};

fn poll<R, F>(fiber: &mut Fiber<R, F>) -> Poll<Result<R>> {
    Pin::new(fiber).poll(&mut Context::from_waker(Waker::noop()))
}

/// A future that is ready after `n` polls.
fn after(mut n: u32) -> impl Future<Output = u32> {
    poll_fn(move |_| {
        if n == 0 {
            return Poll::Ready(7);
        }
        n -= 1;
        Poll::Pending
    })
}

#[test]
fn waits_by_suspending() {
    let mut fiber = spawn(|| block_on(after(2))).unwrap();
    assert!(poll(&mut fiber).is_pending());
    assert!(poll(&mut fiber).is_pending());
    assert_eq!(poll(&mut fiber), Poll::Ready(Ok(7)));
}

#[test]
fn many_suspend_in_any_order() {
    let mut fibers: Vec<_> = (0..100u32)
        .map(|n| spawn(move || block_on(after(n % 7)).map(|v| v + n)).unwrap())
        .collect();
    let mut done = vec![None; 100];
    for round in 0..8 {
        for n in (0..100).rev() {
            if done[n].is_none()
                && let Poll::Ready(result) = poll(&mut fibers[n])
            {
                assert_eq!(round, n % 7);
                done[n] = Some(result.unwrap());
            }
        }
    }
    assert!((0..100).all(|n| done[n] == Some(n as u32 + 7)));
}

#[test]
fn a_dropped_fiber_runs_its_destructors_and_later_waits_fail() {
    struct Mark(Rc<Cell<u32>>);
    impl Drop for Mark {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let seen = Rc::new(Cell::new(0));
    let (mark, waits) = (Mark(seen.clone()), seen.clone());
    let mut fiber = spawn(move || {
        let _mark = mark;
        let first = block_on(std::future::pending::<()>());
        let second = block_on(async {});
        assert_eq!(first.unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!(second.unwrap_err().kind(), ErrorKind::Cancelled);
        waits.set(waits.get() + 10);
        Ok(())
    })
    .unwrap();
    assert!(poll(&mut fiber).is_pending());
    drop(fiber);
    assert_eq!(seen.get(), 11);
}

#[test]
fn a_fiber_dropped_before_it_ran_drops_its_closure() {
    let held = Rc::new(());
    let inside = held.clone();
    let fiber = spawn(move || {
        drop(inside);
        Ok(())
    })
    .unwrap();
    assert_eq!(Rc::strong_count(&held), 2);
    drop(fiber);
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn a_panic_is_an_error_and_the_stack_is_reused() {
    for _ in 0..3 {
        let mut fiber = spawn(|| -> Result<()> { panic!("boom") }).unwrap();
        let Poll::Ready(Err(error)) = poll(&mut fiber) else { panic!("ended well") };
        assert_eq!((error.kind(), error.message()), (ErrorKind::Panicked, "boom"));
    }
    assert!(strand::idle() >= 1);
}

// A strand serves jobs of any type, and nothing of one is left for the next.
#[test]
fn a_strand_is_clean_for_the_next_job() {
    let dropped = Rc::new(());
    let inside = dropped.clone();
    let mut first = spawn(move || {
        with_current(|control| {
            // What a call leaves behind that ends without asking how its operation did.
            control.settle(Ok(Value::Int(1)));
            control.begin(Box::pin(async move {
                drop(inside);
                Ok(Value::Nil)
            }));
            control.tag.set(ptr::dangling());
        });
        block_on_keeping(after(1)).map(|seen| vec![seen; 3])
    })
    .unwrap();
    assert!(poll(&mut first).is_pending());
    assert!(first.keeps_interpreter());
    let before = strand::idle();
    // It may move while it is suspended.
    let mut first = Box::new(first);
    assert_eq!(poll(&mut first), Poll::Ready(Ok(vec![7; 3])));
    assert_eq!(Rc::strong_count(&dropped), 1, "the operation went with its fiber");
    assert_eq!(strand::idle(), before + 1);
    let mut second = spawn(move || {
        let left = with_current(|control| (control.take_outcome(), control.tag.get().is_null()));
        Ok((left.unwrap(), dying(), "second"))
    })
    .unwrap();
    assert_eq!(strand::idle(), before, "it is the same strand");
    let Poll::Ready(Ok(((outcome, has_no_tag), dying, name))) = poll(&mut second) else {
        panic!("it waits")
    };
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled, "there was none");
    assert!(has_no_tag && !dying && name == "second");
}

// Also one that was preempted, and was then given up.
#[test]
fn a_fiber_is_not_preempted_before_it_runs() {
    let mut first = spawn(|| Ok(yield_now())).unwrap();
    assert!(poll(&mut first).is_pending() && first.preempted());
    let before = strand::idle();
    drop(first);
    assert_eq!(strand::idle(), before + 1);
    let second = spawn(|| Ok(())).unwrap();
    assert_eq!(strand::idle(), before, "it is the same strand");
    assert!(!second.preempted() && !second.keeps_interpreter());
}

// After many calls at once a thread gives back what it does not need any more, little by little.
#[test]
fn strands_that_are_not_needed_go_back() {
    const MANY: usize = 300;
    const KEPT: usize = 256;
    let run = || assert_eq!(poll(&mut spawn(|| Ok(1)).unwrap()), Poll::Ready(Ok(1)));
    let waits = || spawn(|| block_on(std::future::pending::<()>())).unwrap();
    let mut at_once: Vec<_> = (0..MANY).map(|_| waits()).collect();
    at_once.iter_mut().for_each(|fiber| assert!(poll(fiber).is_pending()));
    drop(at_once);
    assert_eq!(strand::idle(), MANY);
    for _ in 0..1000 {
        run();
    }
    assert!(strand::idle() > MANY - 10, "not all at once");
    for _ in 0..20_000 {
        run();
    }
    // One was in use each time.
    assert!((KEPT..KEPT + 2).contains(&strand::idle()), "{}", strand::idle());
}

#[test]
fn strands_of_cancelled_fibers_serve_again() {
    let mut waits = spawn(|| block_on(std::future::pending::<()>())).unwrap();
    assert!(poll(&mut waits).is_pending());
    let unbegun = spawn(|| Ok(1)).unwrap();
    let before = strand::idle();
    drop(unbegun);
    drop(waits);
    assert_eq!(strand::idle(), before + 2);
    for _ in 0..2 {
        let mut next = spawn(|| Ok((dying(), block_on(after(1))?))).unwrap();
        assert!(poll(&mut next).is_pending());
        assert_eq!(poll(&mut next), Poll::Ready(Ok((false, 7))));
    }
}

// The strands of a thread end with it, those that wait after those that are idle: a fiber may lie
// in a thread-local that goes last.
#[test]
fn strands_end_with_their_thread() {
    struct Last(Cell<Option<Box<dyn std::any::Any>>>, std::sync::Arc<Bell>);
    thread_local! {
        static LAST: Last = Last(Cell::new(None), Default::default());
    }
    let ended = std::thread::spawn(|| {
        let bell = LAST.with(|last| last.1.clone());
        let inside = bell.clone();
        let mut waits = spawn(move || {
            let _ = block_on(std::future::pending::<()>());
            inside.wake();
            Ok(())
        })
        .unwrap();
        assert!(poll(&mut waits).is_pending());
        let mut ends = spawn(|| Ok(())).unwrap();
        assert!(poll(&mut ends).is_ready());
        assert_eq!(strand::idle(), 1);
        LAST.with(|last| last.0.set(Some(Box::new(waits))));
        bell
    });
    let bell = ended.join().unwrap();
    assert_eq!(bell.0.load(std::sync::atomic::Ordering::Relaxed), 1, "it was ended, not leaked");
    assert_eq!(std::sync::Arc::strong_count(&bell), 1);
}

// A fiber that is ended so late may still have a trace to tell, when nobody is left to ask for it.
#[test]
fn the_last_fiber_of_a_thread_may_end_with_an_error() {
    struct Last(Cell<Option<Box<dyn std::any::Any>>>);
    thread_local! {
        static LAST: Last = const { Last(Cell::new(None)) };
    }
    let waits = || {
        let mut fiber = spawn(|| block_on(std::future::pending::<()>())).unwrap();
        assert!(poll(&mut fiber).is_pending());
        fiber
    };
    let ended = std::thread::spawn(move || {
        LAST.with(|_| ());
        drop(waits());
        let last = waits();
        LAST.with(|slot| slot.0.set(Some(Box::new(last))));
    });
    assert!(ended.join().is_ok());
}

// What a panic carries may be anything, also what panics when it is dropped.
#[test]
fn a_panic_whose_payload_panics_leaves_no_fiber_current() {
    struct Worse;
    impl Drop for Worse {
        fn drop(&mut self) {
            panic!("worse");
        }
    }
    let mut fiber = spawn(|| -> Result<()> { std::panic::panic_any(Worse) }).unwrap();
    let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut fiber)));
    assert!(!is_on());
    let Ok(Poll::Ready(Err(error))) = polled else { panic!("not an error of the fiber's own") };
    assert_eq!(error.kind(), ErrorKind::Panicked);
}

#[test]
fn an_operation_that_panics_is_its_outcome() {
    let mut fiber = spawn(|| {
        with_current(|control| {
            control.begin(Box::pin(async { panic!("in the operation") }));
            control.wait();
            control.take_outcome()
        })
        .unwrap()
    })
    .unwrap();
    let Poll::Ready(Err(error)) = poll(&mut fiber) else { panic!("ended well") };
    assert_eq!(error.kind(), ErrorKind::Panicked);
}

#[test]
fn fibers_nest() {
    let mut outer = spawn(|| {
        let mut inner = spawn(|| block_on(after(1))).unwrap();
        let first = poll(&mut inner).is_pending();
        let waited = block_on(after(1))?;
        Ok((first, waited, block_on(inner)??))
    })
    .unwrap();
    assert!(poll(&mut outer).is_pending());
    assert_eq!(poll(&mut outer), Poll::Ready(Ok((true, 7, 7))));
}

#[test]
fn off_a_fiber_there_is_nothing_to_wait_in() {
    assert_eq!(block_on(async {}).unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(yield_now());
    assert!(!dying());
}

/// Counts its wakes.
#[derive(Default)]
struct Bell(std::sync::atomic::AtomicU32);
impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn a_preempted_call_keeps_the_turn() {
    let turn = Turn::default();
    let log = Rc::new(RefCell::new(Vec::new()));
    let (a_log, b_log, c_log) = (log.clone(), log.clone(), log.clone());
    let mut a = Box::pin(
        turn.take(
            spawn(move || {
                a_log.borrow_mut().push("a1");
                yield_now();
                a_log.borrow_mut().push("a2");
                Ok(())
            })
            .unwrap(),
        ),
    );
    let mut b = Box::pin(
        turn.take(
            spawn(move || {
                b_log.borrow_mut().push("b");
                Ok(())
            })
            .unwrap(),
        ),
    );
    let mut c = Box::pin(
        turn.take(
            spawn(move || {
                let _ = block_on(std::future::pending::<()>());
                c_log.borrow_mut().push("c ended");
                Ok(())
            })
            .unwrap(),
        ),
    );
    let bell = std::sync::Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let cx = &mut Context::from_waker(&waker);
    assert!(c.as_mut().poll(cx).is_pending());
    // `yield_now` of tokio wakes at once when there is no runtime.
    assert!(a.as_mut().poll(cx).is_pending());
    assert!(b.as_mut().poll(cx).is_pending());
    drop(c);
    assert_eq!(
        *log.borrow(),
        ["a1", "c ended"],
        "a cancelled call does not wait for its turn; b does"
    );
    let before = bell.0.load(std::sync::atomic::Ordering::Relaxed);
    assert!(a.as_mut().poll(cx).is_ready());
    assert_eq!(*log.borrow(), ["a1", "c ended", "a2"]);
    assert_eq!(bell.0.load(std::sync::atomic::Ordering::Relaxed), before + 1, "b was woken");
    assert!(b.as_mut().poll(cx).is_ready());
}

// The first poll of a call may come with its begin: it asks for its turn all the same.
#[test]
fn a_call_that_is_begun_takes_and_keeps_the_turn() {
    let turn = Turn::default();
    let cx = &mut Context::from_waker(Waker::noop());
    let computes = || {
        yield_now();
        Ok("computes")
    };
    let result = &mut Ok("none");
    let mut first = turn.begin(&mut Some(computes), cx, result).expect("it is preempted");
    let mut second =
        turn.begin(&mut Some(|| Ok("second")), cx, result).expect("the first keeps the turn");
    assert!(Pin::new(&mut second).poll(cx).is_pending());
    assert_eq!(Pin::new(&mut first).poll(cx), Poll::Ready(Ok("computes")));
    // What there is nothing to run of ends, wherever it stands.
    let nothing = &mut None::<fn() -> Result<&'static str>>;
    assert!(turn.begin(nothing, cx, result).is_none());
    assert_eq!(mem::replace(result, Ok("none")), Err(cancelled()));
    // Who waits comes before who is begun now.
    let third = turn.begin(&mut Some(|| Ok("third")), cx, result).expect("the second is next");
    drop(second);
    drop(third);
    assert_eq!(*result, Ok("none"));
    assert!(turn.begin(&mut Some(|| Ok("fourth")), cx, result).is_none());
    assert_eq!(*result, Ok("fourth"));
}

// A turn that a panic ended must not look to the watchdog as if it held its worker.
#[test]
fn turns_end_also_by_a_panic() {
    let slots = Slots::new(false);
    let _registered = slots.register(std::sync::Arc::new(Slot::new(0)));
    let turn = || {
        let mut seen = None;
        slots.watch(|watched| {
            seen = Some(watched.turn);
            Over { run: false, turn: false }
        });
        seen.unwrap()
    };
    in_turn(Duration::MAX, || {
        let outer = turn();
        assert_ne!(outer, 0);
        let broken = catch_unwind(|| in_turn(Duration::MAX, || panic!("breaks")));
        assert!(broken.is_err());
        assert_eq!(turn(), outer);
    });
    assert_eq!(turn(), 0);
}

// Where no watchdog watches, not every step of a turn looks at the clock.
#[test]
fn turns_end_by_the_clock_after_short_steps_and_after_long_ones() {
    const SLICE: Duration = Duration::from_millis(20);
    let step = |length: Duration| {
        let began = std::time::Instant::now();
        while began.elapsed() < length {}
    };
    let steps_of = |short: u32, length: Duration| {
        let mut steps = 0;
        in_turn(SLICE, || {
            for _ in 0..short {
                turn_is_over();
            }
            while !turn_is_over() {
                step(length);
                steps += 1;
            }
        });
        steps
    };
    assert!(steps_of(0, Duration::ZERO) > 0);
    // One that takes a slice is the last, whatever was before.
    for short in 0..10 {
        assert!(steps_of(short, SLICE) <= 2, "after {short}");
    }
    // One that is longer by itself than many short ones is followed by a look.
    assert!(steps_of(0, SLICE / 4) <= 4);
}

// As promises do it: whoever has entered has the interpreter reserved until its jobs have run. All
// that wait used to be woken each time, though only one of them could enter.
#[test]
fn those_who_wait_to_enter_a_nest_are_woken_one_by_one() {
    use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
    const CALLS: usize = 100;
    let (nest, polls, order) =
        (Nest::default(), Rc::<Cell<usize>>::default(), Rc::<RefCell<Vec<usize>>>::default());
    nest.reserve(true);
    let mut calls = FuturesUnordered::new();
    for call in 0..CALLS {
        let (inside, polls, order) = (nest.clone(), polls.clone(), order.clone());
        let mut entering = Some(Box::pin(nest.enter(Admission::Nested, move || {
            order.borrow_mut().push(call);
            inside.reserve(true);
            Ok(())
        })));
        calls.push(poll_fn(move |cx| {
            polls.set(polls.get() + 1);
            // Some are given up just when they are woken to enter.
            if call % 10 == 3 && polls.get() > CALLS {
                entering = None;
            }
            entering.as_mut().map_or(Poll::Ready(Ok(())), |entering| entering.as_mut().poll(cx))
        }));
    }
    let mut ended = 0;
    // The set suspends now and then for the sake of others, so there are more rounds than calls.
    for _ in 0..4 * CALLS {
        while let Some(Some(result)) = calls.next().now_or_never() {
            result.unwrap();
            ended += 1;
        }
        nest.reserve(false);
    }
    assert_eq!(ended, CALLS);
    let entered: Vec<_> = (0..CALLS).filter(|call| call % 10 != 3).collect();
    assert_eq!(*order.borrow(), entered);
    assert!(polls.get() <= 4 * CALLS, "{} polls", polls.get());
}
