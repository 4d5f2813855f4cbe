//! What belongs to one call: when it is cut off, so is what it has begun.

use crate::{
    chain::Chain,
    error::{Error, ErrorKind, Result},
    fiber,
};
use futures::future::join_all;
use std::{
    cell::Cell,
    future::{Future, pending},
    pin::pin,
    rc::Rc,
};
use tokio::{sync::Notify, time::Instant};
use tracing::Span;

/// The life of one call, shared with the promises, timers and promise jobs that it has begun.
///
/// A call that was cut off (its deadline, its caller) takes them along. One that ended by itself
/// leaves them running, as JavaScript does, until the deadline of its chain.
///
/// Promise jobs do not tell whose they are. Where they may be of several calls, their owner is a
/// group, which is over only when all of them are.
pub(super) struct Owner {
    pub(super) chain: Chain,
    /// What tracing shows as the parent of what it does.
    pub(super) span: Span,
    life: Cell<Life>,
    cut: Notify,
    /// What ended a promise job of the call beyond catching.
    failure: Cell<Option<Error>>,
    failed: Notify,
    /// That what it left was ended at its deadline.
    told: Cell<bool>,
    /// Those of a group; it has no life of its own.
    members: Vec<Rc<Self>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    Ended,
    Cut,
}

/// Members of a group that are told apart.
const MOST_MEMBERS: usize = 8;

impl Owner {
    /// A call that begins.
    pub(super) fn new(chain: Chain) -> Self {
        Self {
            chain,
            span: Span::current(),
            life: Cell::new(Life::Running),
            cut: Notify::new(),
            failure: Cell::new(None),
            failed: Notify::new(),
            told: Cell::new(false),
            members: Vec::new(),
        }
    }

    /// The life of a call that begins, in the place of one that has ended and left nothing.
    pub(super) fn again(mut self: Rc<Self>, chain: Chain) -> Rc<Self> {
        if let Some(owner) = Rc::get_mut(&mut self)
            && owner.is_spent()
        {
            owner.chain = chain;
            owner.span = Span::current();
            owner.life.set(Life::Running);
            return self;
        }
        Rc::new(Self::new(chain))
    }

    /// Has it nothing left that another call could hear of?
    fn is_spent(&mut self) -> bool {
        self.life.get() == Life::Ended
            && self.failure.get_mut().is_none()
            && !self.told.get()
            && self.members.is_empty()
    }

    /// Work that is nobody's call: only the deadline of its chain ends it.
    pub(super) fn nobody(chain: Chain) -> Self {
        let nobody = Self { span: Span::none(), ..Self::new(chain) };
        nobody.end();
        nobody
    }

    /// All of `owners` together; `chain` is for what they do from now on, as deep as the deepest.
    ///
    /// Those that never will be over are all the same as `unknown`, and so are many.
    pub(super) fn group(owners: &[Rc<Self>], unknown: &Rc<Self>, chain: Chain) -> Self {
        let mut members: Vec<Rc<Self>> = Vec::new();
        for owner in owners {
            let all = if owner.members.is_empty() {
                std::slice::from_ref(owner)
            } else {
                &*owner.members
            };
            for one in all.iter().filter(|one| !one.is_over()) {
                let one = if one.never_ends() { unknown } else { one };
                if !members.iter().any(|member| Rc::ptr_eq(member, one)) {
                    members.push(one.clone());
                }
            }
        }
        if members.is_empty() || members.len() > MOST_MEMBERS {
            members = vec![if members.is_empty() { owners[0].clone() } else { unknown.clone() }];
        }
        let depth = members.iter().map(|member| member.chain.depth).max().unwrap_or(0);
        let span = members.first().map_or_else(Span::none, |member| member.span.clone());
        Self { members, span, ..Self::new(Chain { depth, ..chain }) }
    }

    /// Does it stand for `other`, perhaps among others?
    pub(super) fn includes(self: &Rc<Self>, other: &Rc<Self>) -> bool {
        Rc::ptr_eq(self, other) || self.members.iter().any(|member| Rc::ptr_eq(member, other))
    }

    pub(super) fn is_running(&self) -> bool {
        match self.members.is_empty() {
            true => self.life.get() == Life::Running,
            false => self.members.iter().any(|member| member.is_running()),
        }
    }

    /// The call has ended by itself.
    pub(super) fn end(&self) {
        if self.life.get() == Life::Running {
            self.life.set(Life::Ended);
        }
    }

    /// A promise job of the call was ended beyond catching. `false`: nobody waits for the call.
    pub(super) fn fail(&self, error: &Error) -> bool {
        let waits = self.members.is_empty() && self.is_running();
        if waits {
            self.failure.set(Some(error.clone()));
            self.failed.notify_one();
        }
        waits
    }

    /// Resolves when a promise job of the call was ended beyond catching, with the reason.
    pub(super) async fn when_failed(&self) -> Error {
        loop {
            if let Some(error) = self.failure.take() {
                return error;
            }
            self.failed.notified().await;
        }
    }

    /// The call was cut off, unless it has ended, which the result tells.
    pub(super) fn cut(&self) -> bool {
        let is_cut = self.life.get() == Life::Running;
        if is_cut {
            self.life.set(Life::Cut);
            self.cut.notify_waiters();
        }
        is_cut
    }

    /// It has ended, and no deadline watches over what it has left.
    fn never_ends(&self) -> bool {
        self.members.is_empty() && self.life.get() == Life::Ended && self.chain.deadline.is_none()
    }

    /// Has its end been told? It counts as told from now on.
    pub(super) fn was_told(&self) -> bool {
        self.told.replace(true) || !self.members.is_empty() || self.life.get() != Life::Ended
    }

    /// Has nothing of it a right to run any more?
    pub(super) fn is_over(&self) -> bool {
        if !self.members.is_empty() {
            return self.members.iter().all(|member| member.is_over());
        }
        match self.life.get() {
            Life::Running => false,
            Life::Ended => self.chain.deadline.is_some_and(|at| at <= Instant::now()),
            Life::Cut => true,
        }
    }

    /// Resolves when the call is cut off.
    pub(super) async fn when_cut(&self) {
        if !self.members.is_empty() {
            let members = self.members.iter().map(|member| Box::pin(member.when_cut()));
            join_all(members).await;
            return;
        }
        let mut cut = pin!(self.cut.notified());
        cut.as_mut().enable();
        if self.life.get() != Life::Cut {
            cut.await;
        }
    }

    /// Resolves when it is over, with the reason. Nobody else watches the deadline of a call that
    /// has ended; the timer of the call itself is what ends a running one.
    pub(super) async fn when_over(&self) -> Error {
        if !self.members.is_empty() {
            let members = self.members.iter().map(|member| Box::pin(member.when_over()));
            return join_all(members).await.pop().unwrap_or_else(fiber::cancelled);
        }
        let late = async {
            match self.chain.deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => pending().await,
            }
            if self.is_running() {
                pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = self.when_cut() => fiber::cancelled(),
            () = late => Error::new(ErrorKind::Timeout, "the call took longer than it may"),
        }
    }

    /// Are some of a group over, though not all may be?
    pub(super) fn are_some_over(&self) -> bool {
        self.members.iter().any(|member| member.is_over())
    }

    /// Is it one call, which runs or has a deadline?
    pub(super) fn is_known(&self) -> bool {
        self.members.is_empty() && !self.never_ends()
    }

    /// Is it one call, of which something may still run?
    pub(super) fn may_go_on(&self) -> bool {
        self.is_known() && !self.is_over()
    }

    /// Drives `work` until it ends or the call is over.
    ///
    /// # Errors
    /// Why it is over.
    pub(super) async fn until_over<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            reason = self.when_over() => Err(reason),
            result = work => Ok(result),
        }
    }
}
