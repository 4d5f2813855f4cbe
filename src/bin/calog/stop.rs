//! How the program ends before its scripts do: `exit`, Ctrl-C, and a stdout that nobody reads.

use calog::{Broker, Error, ErrorKind, Result};
use std::{future::pending, time::Duration};
use tokio::sync::watch;

/// The exit code after Ctrl-C: 128 and the number of SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit code when nobody reads stdout any more: 128 and the number of SIGPIPE.
pub(crate) const BROKEN_PIPE: u8 = 141;

/// How long scripts have for their handlers (`__close`, `finally`) when the program ends: long
/// enough for any that only tidies up, short enough for a person who waits.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// The wish that the program ends at once, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Sender<Option<u8>>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Stop {
    /// Asks for the end with exit code `code`. The first wish counts; returns whether this is it.
    pub(crate) fn request(&self, code: u8) -> bool {
        self.0.send_if_modified(|wish| match wish {
            Some(_) => false,
            None => wish.replace(code).is_none(),
        })
    }

    /// The exit code, if the end is wished for.
    pub(crate) fn code(&self) -> Option<u8> {
        *self.0.borrow()
    }

    /// Waits for the wish.
    pub(crate) async fn requested(&self) -> u8 {
        // The sender lives in `self`, so waiting cannot fail.
        match self.0.subscribe().wait_for(Option::is_some).await.map(|wish| *wish) {
            Ok(Some(code)) => code,
            _ => pending().await,
        }
    }

    /// The native `exit([code])`. It never returns: the script waits in it until the shutdown that
    /// it asks for unwinds it.
    pub(crate) async fn exit(self, code: Option<i64>) -> Result<()> {
        let code = u8::try_from(code.unwrap_or(0)).map_err(|_| {
            let message = format!("{} is no exit code: 0 to 255", code.unwrap_or(0));
            Error::new(ErrorKind::Range, message).at("args[1]")
        })?;
        self.request(code);
        pending().await
    }
}

/// Waits for Ctrl-C.
pub(crate) async fn interrupt() {
    // If the system cannot tell us, Ctrl-C keeps its usual effect, and there is nothing to wait
    // for.
    if tokio::signal::ctrl_c().await.is_err() {
        pending::<()>().await;
    }
}

/// Ends the broker in order: scripts are unwound, for a bounded time. Ctrl-C cuts that short, and
/// what has not ended by then ends with the process.
///
/// Returns whether Ctrl-C was pressed.
pub(crate) async fn close(broker: &Broker) -> bool {
    tokio::select! {
        biased;
        () = interrupt() => true,
        _ = broker.shutdown(SHUTDOWN) => false,
    }
}
