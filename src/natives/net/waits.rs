//! How long a call waits for a socket: until it is through, the socket is closed, or time is up.

use crate::{
    error::{Error, ErrorKind, Result},
    sync::Mutex,
};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::PoisonError,
    task::Poll,
    time::Duration,
};
use tokio::{sync::Semaphore, time::sleep};

/// Something that happens once, and that any number may wait for.
pub(super) struct Signal(Semaphore);

impl Signal {
    pub(super) fn new() -> Self {
        // There never are permits: what ends a wait is that the semaphore is closed.
        Self(Semaphore::new(0))
    }

    pub(super) fn raise(&self) {
        self.0.close();
    }

    pub(super) fn is_raised(&self) -> bool {
        self.0.is_closed()
    }

    pub(super) async fn raised(&self) {
        let _ = self.0.acquire().await;
    }
}

/// What ends the waits for one socket.
pub(super) struct Waits {
    closed: Signal,
    limit: Mutex<Option<Duration>>,
}

impl Waits {
    pub(super) fn new() -> Self {
        Self { closed: Signal::new(), limit: Mutex::new(None) }
    }

    /// Ends every wait, now and later.
    pub(super) fn close(&self) {
        self.closed.raise();
    }

    /// How long every later wait may take.
    pub(super) fn set_limit(&self, limit: Option<Duration>) {
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = limit;
    }

    fn limit(&self) -> Option<Duration> {
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `work`, which is dropped where it is if the socket is closed before, or takes
    /// longer than it may.
    ///
    /// # Errors
    /// `dead` and `timeout` for these; else those of `work`.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.wait_for(what, self.limit(), work).await
    }

    /// The same without a limit.
    pub(super) async fn wait_long<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.wait_for(what, None, work).await
    }

    async fn wait_for<T>(
        &self,
        what: &str,
        limit: Option<Duration>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (mut work, mut closed) = (pin!(work), pin!(self.closed.raised()));
        // What is through at once needs no timer.
        let mut timer = None;
        poll_fn(|cx| {
            if self.closed.is_raised() || closed.as_mut().poll(cx).is_ready() {
                let message = format!("{what}: the handle was closed");
                return Poll::Ready(Err(Error::new(ErrorKind::Dead, message)));
            }
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            let Some(limit) = limit else { return Poll::Pending };
            let timer = timer.get_or_insert_with(|| Box::pin(sleep(limit)));
            timer.as_mut().poll(cx).map(|()| Err(late(what, limit)))
        })
        .await
    }
}

/// The error of what took longer than `limit`.
pub(in crate::natives) fn late(what: &str, limit: Duration) -> Error {
    let message = format!("{what}: not within {} ms", limit.as_millis());
    Error::new(ErrorKind::Timeout, message)
}
