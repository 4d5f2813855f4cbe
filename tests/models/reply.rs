//! The slot of an answer: what one side does reaches the other, once, in whatever order.

use crate::{explore, mailbox::worker, runtime::reply::Receiver};
use calog::{Result, Value};
use loom::{future::block_on, thread};
use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Counts how often it wakes.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// The answer; `None` if it never comes.
fn wait(mut answer: Receiver) -> Option<Result<Value>> {
    block_on(poll_fn(|cx| answer.poll(cx, None, || None))).unwrap()
}

#[test]
fn an_answer_wakes_who_waits() {
    explore(|| {
        let (sender, answer) = worker().channel();
        let callee = thread::spawn(move || sender.send(Ok(7.into()), None));
        assert_eq!(wait(answer).unwrap().unwrap().as_int(), Some(7));
        callee.join().unwrap();
    });
}

#[test]
fn the_end_of_the_callee_wakes_who_waits() {
    explore(|| {
        let (sender, answer) = worker().channel();
        let callee = thread::spawn(move || drop(sender));
        assert!(wait(answer).is_none());
        callee.join().unwrap();
    });
}

#[test]
fn a_callee_hears_that_it_is_given_up() {
    explore(|| {
        let (mut sender, answer) = worker().channel();
        let caller = thread::spawn(move || drop(answer));
        block_on(poll_fn(|cx| sender.poll_closed(cx)));
        assert!(sender.is_closed());
        caller.join().unwrap();
    });
}

#[test]
fn an_answer_and_its_caller_that_gives_up_race() {
    explore(|| {
        let (mut sender, mut answer) = worker().channel();
        let [caller, callee] = [(); 2].map(|()| Arc::new(Wakes::default()));
        let gives_up = {
            let waker = Waker::from(caller.clone());
            thread::spawn(move || {
                let cx = &mut Context::from_waker(&waker);
                match answer.poll(cx, None, || None) {
                    Poll::Ready(answer) => {
                        assert_eq!(answer.unwrap().unwrap().unwrap().as_int(), Some(7));
                        true
                    }
                    Poll::Pending => false,
                }
            })
        };
        let waker = Waker::from(callee.clone());
        let is_given_up = sender.poll_closed(&mut Context::from_waker(&waker)).is_ready();
        sender.send(Ok(7.into()), None);
        let is_answered = gives_up.join().unwrap();
        assert!(!(is_given_up && is_answered));
        // Nobody is woken who has heard, and no waker is kept.
        assert!(!is_given_up || callee.0.load(SeqCst) == 0);
        assert!(!is_answered || caller.0.load(SeqCst) == 0);
        drop(waker);
        assert_eq!([caller, callee].map(|wakes| Arc::strong_count(&wakes)), [1, 1]);
    });
}
