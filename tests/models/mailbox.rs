//! The mailbox: no message is lost and none asleep, control passes work, and a close leaves nothing
//! behind.

use crate::{
    explore,
    runtime::{
        context::Address,
        mailbox::{Alarm, Control, Mailbox, Message, Reply, Request, Taken, Work},
        reply::Receiver,
        room::Room,
        waiting::Waiting,
    },
};
use calog::{
    ContextId, Error, ErrorKind, Result, Value,
    engine::{Chain, Source},
};
use loom::{
    future::block_on,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};
use std::{future::poll_fn, sync::Arc, task::Poll};

/// A call that says who made it, and where its answer comes.
pub(crate) fn request(waiting: &Waiting, name: &str) -> (Request, Receiver) {
    let (reply, answer) = waiting.channel();
    let (text, folder) = (String::new(), None);
    let address = Arc::new(Address(ContextId::new(0, 0)));
    let work = Work::Load(
        address,
        Box::new(Source { name: name.into(), text, folder, wants_result: false }),
    );
    let chain = Chain { number: 1, depth: 0, deadline: None, fidelity: None };
    let (inherited, reply, room) = (None, Reply::To(reply), Room::default());
    (Request { work, chain, inherited, reply, room, span: None }, answer)
}

/// A worker for which somebody may wait.
pub(crate) fn worker() -> Arc<Waiting> {
    Arc::new(Waiting::new(0, Arc::default()))
}

/// The answer to a call that no watchdog watches; `None` if it never comes.
fn wait(mut answer: Receiver) -> Option<Result<Value>> {
    block_on(poll_fn(|cx| answer.poll(cx, None, || None))).unwrap()
}

pub(crate) fn mailbox() -> Arc<Mailbox> {
    Arc::new(Mailbox::new(8, 8 << 10))
}

/// The answer of a context to `request`: who made it.
pub(crate) fn answer(request: Request) {
    let (Reply::To(reply), Work::Load(_, source)) = (request.reply, request.work) else {
        panic!("not one of `request`");
    };
    reply.send(Ok(source.name.into()), None);
}

/// The next message, as an actor gets it.
fn next(mailbox: &Mailbox, taken: &mut Taken) -> Message {
    block_on(poll_fn(|cx| match mailbox.receive(taken, cx.waker()) {
        Some(control) => Poll::Ready(Message::Control(control)),
        None => taken.next().map_or(Poll::Pending, Poll::Ready),
    }))
}

/// What an actor does: answers until it is to stop, then answers what is left.
pub(crate) fn serve(mailbox: &Mailbox) {
    let mut taken = Taken::default();
    while let Message::Request(request) = next(mailbox, &mut taken) {
        answer(request);
    }
    for request in taken.into_requests().into_iter().chain(mailbox.close(ErrorKind::Dead)) {
        if let Reply::To(reply) = request.reply {
            reply.send(Err(Error::new(ErrorKind::Dead, "closed")), None);
        }
    }
}

#[test]
fn every_message_wakes_the_actor() {
    explore(|| {
        let mailbox = mailbox();
        let senders = ["a", "b"].map(|name| {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                let (request, answer) = request(&worker(), name);
                mailbox.request(request).unwrap();
                assert_eq!(wait(answer).unwrap().unwrap().as_str(), Some(name));
            })
        });
        let mut taken = Taken::default();
        for _ in 0..2 {
            match next(&mailbox, &mut taken) {
                Message::Request(request) => answer(request),
                _ => panic!("nobody sent that"),
            }
        }
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

#[test]
fn control_passes_work_that_is_queued() {
    explore(|| {
        let mailbox = mailbox();
        let sender = {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                mailbox.control(Control::Release(1));
                let (request, _given_up) = request(&worker(), "a");
                mailbox.request(request).unwrap();
                mailbox.control(Control::Release(2));
            })
        };
        let (mut seen, mut taken) = (Vec::new(), Taken::default());
        for _ in 0..3 {
            seen.push(match next(&mailbox, &mut taken) {
                Message::Control(Control::Release(key)) => key,
                _ => 0,
            });
        }
        sender.join().unwrap();
        assert!(seen == [1, 0, 2] || seen == [1, 2, 0], "{seen:?}");
    });
}

#[test]
fn a_call_that_is_woken_sees_why() {
    explore(|| {
        let (mailbox, alarm) = (mailbox(), Arc::new(Alarm::new(7)));
        let there = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let wakers = [0, 1].map(|index| {
            let (mailbox, alarm, there) = (mailbox.clone(), alarm.clone(), there.clone());
            thread::spawn(move || {
                there[index].store(true, Relaxed);
                if alarm.ring() {
                    mailbox.wake(alarm.number());
                }
            })
        });
        let mut taken = Taken::default();
        loop {
            let Message::Woken(7) = next(&mailbox, &mut taken) else { panic!("nobody sent that") };
            alarm.hear();
            // Were one missed, there would be no further message, and the model would not end.
            if there.iter().all(|one| one.load(Relaxed)) {
                break;
            }
        }
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

#[test]
fn a_call_that_races_with_the_close_is_answered_or_refused() {
    explore(|| {
        let mailbox = mailbox();
        let caller = {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                let (request, answer) = request(&worker(), "a");
                match mailbox.request(request) {
                    // Never left without an answer.
                    Ok(()) => match wait(answer).unwrap() {
                        Ok(value) => assert_eq!(value.as_str(), Some("a")),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Dead),
                    },
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Dead);
                        assert!(mailbox.is_closed());
                        // It went down with the refusal.
                        assert!(wait(answer).is_none());
                    }
                }
            })
        };
        let closer = {
            let mailbox = mailbox.clone();
            thread::spawn(move || mailbox.control(Control::Stop))
        };
        serve(&mailbox);
        caller.join().unwrap();
        closer.join().unwrap();
    });
}
