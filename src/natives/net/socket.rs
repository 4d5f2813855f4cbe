//! What scripts have handles of: connections and listeners, with what ends the waits for them.

use super::{
    datagrams::Datagrams,
    listener::Listener,
    stream::Stream,
    waits::{Signal, Waits},
};
use crate::{
    error::{Error, ErrorKind, Result},
    native::Caller,
    resources::Handle,
    value::Value,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

pub(super) struct Socket {
    pub(super) waits: Waits,
    /// A connection has ended: the script has read its end, or its failure, or has closed it.
    pub(super) ended: Signal,
    /// A callback gets all that comes, so nobody else may.
    is_taken: AtomicBool,
    /// Whoever closes it at its end is there already: `net.on_close`.
    pub(super) is_watched: AtomicBool,
    kind: Kind,
    /// After all that belongs to the system.
    gone: Gone,
}

/// Announces that a socket is gone, when it is dropped with it.
struct Gone(Arc<Signal>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.raise();
    }
}

pub(super) enum Kind {
    Stream(Stream),
    Listener(Listener),
    Datagrams(Datagrams),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Stream(_) => "a connection",
            Self::Listener(_) => "a listener",
            Self::Datagrams(_) => "a socket for datagrams",
        }
    }
}

impl Socket {
    /// Keeps a socket for the caller.
    pub(super) fn keep(caller: &Caller, kind: Kind) -> Result<Handle> {
        caller.keep(Self {
            waits: Waits::new(),
            ended: Signal::new(),
            is_taken: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            kind,
            gone: Gone(Arc::new(Signal::new())),
        })
    }

    pub(super) fn find(caller: &Caller, handle: Handle) -> Result<Arc<Self>> {
        caller.resource(handle)
    }

    /// Closes a socket: every wait for it ends. What it has of the system is given back when the
    /// future ends, whether or not anybody awaits that. `None` if it was closed before.
    pub(super) fn close(
        caller: &Caller,
        handle: Handle,
    ) -> Result<Option<impl Future<Output = ()> + use<>>> {
        let socket = match caller.release::<Self>(handle) {
            Ok(socket) => socket,
            Err(error) if error.kind() == ErrorKind::Dead => return Ok(None),
            Err(error) => return Err(error),
        };
        socket.waits.close();
        socket.ended.raise();
        let gone = socket.gone.0.clone();
        // Those who wait for it let go of it as soon as they run.
        Ok(Some(async move { gone.raised().await }))
    }

    pub(super) fn stream(&self) -> Result<&Stream> {
        let Kind::Stream(stream) = &self.kind else { return Err(self.is_no("a connection")) };
        Ok(stream)
    }

    pub(super) fn listener(&self) -> Result<&Listener> {
        let Kind::Listener(listener) = &self.kind else { return Err(self.is_no("a listener")) };
        Ok(listener)
    }

    pub(super) fn datagrams(&self) -> Result<&Datagrams> {
        let Kind::Datagrams(datagrams) = &self.kind else {
            return Err(self.is_no("a socket for datagrams"));
        };
        Ok(datagrams)
    }

    fn is_no(&self, wanted: &str) -> Error {
        let message = format!("expected {wanted}, got {}", self.kind.name());
        Error::new(ErrorKind::Type, message)
    }

    /// Where the other end of a connection is.
    pub(super) fn peer(&self) -> Result<Value> {
        Ok(self.stream()?.peer.value())
    }

    /// Where its own end is.
    pub(super) fn address(&self) -> Value {
        match &self.kind {
            Kind::Stream(stream) => stream.local.value(),
            Kind::Listener(listener) => listener.address().value(),
            Kind::Datagrams(datagrams) => datagrams.address().value(),
        }
    }

    /// Gives all that comes to a callback, from now on.
    ///
    /// # Errors
    /// `busy` if another one has it.
    pub(super) fn take_over(&self) -> Result<()> {
        match self.is_taken.swap(true, Relaxed) {
            false => Ok(()),
            true => Err(taken()),
        }
    }

    /// May a call take what comes?
    ///
    /// # Errors
    /// `busy` if a callback gets it.
    pub(super) fn check_free(&self) -> Result<()> {
        match self.is_taken.load(Relaxed) {
            false => Ok(()),
            true => Err(taken()),
        }
    }
}

fn taken() -> Error {
    Error::new(ErrorKind::Busy, "a callback takes what comes here")
}
