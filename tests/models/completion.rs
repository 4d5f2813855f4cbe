//! A call from another thread: one answer, whatever the callee, its caller, the close and the
//! watchdog do.

use crate::{
    explore,
    mailbox::{mailbox, request, serve, worker},
    runtime::{
        mailbox::{Control, Mailbox, Reply},
        waiting::{self, GaveUp, Waiting},
    },
};
use calog::ErrorKind;
use loom::{
    future::block_on,
    sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Release},
    },
    thread,
};
use std::{future::poll_fn, sync::Arc, task::Poll, time::Instant};

/// What a caller sees of its call.
#[derive(Debug, PartialEq)]
enum Outcome {
    Answered,
    Closed,
    GaveUp(GaveUp),
}

/// A call as `Address::send` makes it.
fn call(mailbox: &Mailbox, waiting: &Waiting, until: Option<Instant>) -> Outcome {
    let (request, mut answer) = request(waiting, "a");
    if let Err(error) = mailbox.request(request) {
        assert_eq!(error.kind(), ErrorKind::Dead);
        return Outcome::Closed;
    }
    match block_on(poll_fn(|cx| answer.poll(cx, Some(waiting), || until))) {
        Ok(answer) => match answer.unwrap() {
            Ok(value) => {
                assert_eq!(value.as_str(), Some("a"));
                Outcome::Answered
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Dead);
                Outcome::Closed
            }
        },
        Err(gave_up) => Outcome::GaveUp(gave_up),
    }
}

#[test]
fn a_stuck_worker_and_its_answer_race() {
    explore(|| {
        let (mailbox, waiting) = (mailbox(), worker());
        let caller = {
            let (mailbox, waiting) = (mailbox.clone(), waiting.clone());
            thread::spawn(move || call(&mailbox, &waiting, None))
        };
        let watchdog = {
            let (mailbox, waiting) = (mailbox.clone(), waiting.clone());
            thread::spawn(move || {
                waiting.set_stuck(true);
                mailbox.control(Control::Stop);
            })
        };
        // The worker comes back after all.
        serve(&mailbox);
        watchdog.join().unwrap();
        assert_ne!(caller.join().unwrap(), Outcome::GaveUp(GaveUp::Late));
    });
}

#[test]
fn a_worker_that_never_answers_is_given_up() {
    explore(|| {
        let (mailbox, waiting) = (mailbox(), worker());
        let caller = {
            let (mailbox, waiting) = (mailbox.clone(), waiting.clone());
            thread::spawn(move || call(&mailbox, &waiting, None))
        };
        // Whether the caller is there already or comes later.
        assert!(!waiting.set_stuck(true));
        assert_eq!(caller.join().unwrap(), Outcome::GaveUp(GaveUp::Stuck));
        assert!(waiting.is_stuck());
        // What it asked for is still there, and nobody waits for it.
        let requests = mailbox.close(ErrorKind::Dead);
        let Reply::To(reply) = &requests[0].reply else { panic!() };
        assert!(reply.is_closed());
    });
}

#[test]
fn a_caller_whose_time_has_passed_hears_of_it() {
    explore(|| {
        let (mailbox, waiting) = (mailbox(), worker());
        let (until, is_done) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let caller = {
            let (mailbox, waiting, is_done) = (mailbox.clone(), waiting.clone(), is_done.clone());
            thread::spawn(move || {
                let outcome = call(&mailbox, &waiting, Some(until));
                is_done.store(true, Release);
                outcome
            })
        };
        // The watchdog comes again: a caller that was not there at one look is there at another.
        while !is_done.load(Acquire) {
            waiting.expire(until);
            thread::yield_now();
        }
        assert_eq!(caller.join().unwrap(), Outcome::GaveUp(GaveUp::Late));
    });
}

#[test]
fn a_caller_that_goes_away_leaves_its_place() {
    explore(|| {
        let (mailbox, waiting) = (mailbox(), worker());
        let caller = {
            let (mailbox, waiting) = (mailbox.clone(), waiting.clone());
            thread::spawn(move || {
                let (request, mut answer) = request(&waiting, "a");
                mailbox.request(request).unwrap();
                // One look, then it is dropped.
                block_on(poll_fn(|cx| {
                    let polled = answer.poll(cx, Some(&waiting), || None);
                    assert!(polled.is_pending() || waiting.is_stuck());
                    Poll::Ready(())
                }));
            })
        };
        let watchdog = {
            let waiting = waiting.clone();
            thread::spawn(move || {
                waiting.set_stuck(true);
            })
        };
        mailbox.control(Control::Stop);
        watchdog.join().unwrap();
        caller.join().unwrap();
        // The next one to wait finds the worker as it is, in whatever place was left.
        waiting.set_stuck(false);
        assert_eq!(block_on(waiting::wait(Some(&*waiting), None, async { 1 })), Ok(1));
        serve(&mailbox);
    });
}
