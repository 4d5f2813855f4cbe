//! Opening sockets of TCP, for scripts and for the natives that build on connections.

use super::{
    address::{local, resolve, shown},
    failure::failed,
    waits::late,
};
use crate::{
    error::{Error, ErrorKind, Result},
    native::Caller,
};
use std::{future::Future, io, net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};

/// How long it may take to connect, unless the script says otherwise.
pub(in crate::natives) const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How many connections the system keeps ready for a listener that does not accept them yet.
const BACKLOG: u32 = 1024;

/// How long a listener that cannot accept waits before it tries again, at first and at the most.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_secs(1)];

/// Connects to `host`, if the caller may: to the first of its addresses that answers, within
/// `limit`. Nothing is sent before that.
///
/// # Errors
/// Those of [`resolve`]; `timeout`; `transport` if nobody answers there; `busy` if the process has
/// no descriptor left.
pub(in crate::natives) async fn dial(
    caller: &Caller,
    host: &str,
    port: u16,
    limit: Duration,
) -> Result<TcpStream> {
    let what = format!("connect to {}", shown(host, port));
    let until = Instant::now().checked_add(limit);
    let connected = async {
        let addresses = resolve(caller, host, port).await?;
        let mut failure = None;
        for (tried, address) in addresses.iter().enumerate() {
            // Each of the rest has the same share, so that one that does not answer leaves some.
            let left = until.map_or(limit, |until| until - Instant::now());
            let rest = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            match timeout(left / rest, open(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = Some(refused(&what, *address, &error)),
                Err(_) => failure = Some(late(&what, limit)),
            }
        }
        Err(failure.unwrap_or_else(|| Error::new(ErrorKind::Transport, "there is no address")))
    };
    timeout(limit, connected).await.unwrap_or_else(|_| Err(late(&what, limit)))
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = new_socket(address)?;
    let stream = socket.connect(address).await?;
    // The system may choose the very port that is asked for, and connect the socket with itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    // Only a matter of speed.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn new_socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A peer that vanished is noticed some day, by the system's own measure.
    let _ = socket.set_keepalive(true);
    Ok(socket)
}

fn refused(what: &str, address: SocketAddr, error: &io::Error) -> Error {
    let shown = format!("{what} ({address}), nothing was sent");
    let failure = failed(shown, error);
    match failure.kind() {
        // Whatever else there is in a way to a peer.
        ErrorKind::Io | ErrorKind::Range => Error::new(ErrorKind::Transport, failure.message()),
        _ => failure,
    }
}

/// Listens on `host`, if the caller may.
///
/// # Errors
/// Those of [`local`]; `busy` if the port is taken or the process has no descriptor left; `io` if
/// the address is none of this machine's, or the system does not let anybody have it.
pub(in crate::natives) async fn bind(
    caller: &Caller,
    host: &str,
    port: u16,
) -> Result<TcpListener> {
    let address = local(caller, host, port).await?;
    let listen = || {
        let socket = new_socket(address)?;
        // A port whose last connections are still fading may be used again at once. Elsewhere the
        // option means that a port can be taken from who has it.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| failed(format!("listen on {address}"), &error))
}

/// The next connection. A listener survives whatever keeps it from accepting.
pub(in crate::natives) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let (stream, peer) = persist(|| listener.accept()).await;
    let _ = stream.set_nodelay(true);
    (stream, peer)
}

/// Calls `accept` until it gives something. It fails for a connection that is gone before it was
/// accepted, and as long as the process has no descriptor left; both end by themselves.
pub(super) async fn persist<T, F: Future<Output = io::Result<T>>>(
    mut accept: impl FnMut() -> F,
) -> T {
    let [mut pause, longest] = PAUSES;
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(target: "calog", %error, "cannot accept a connection now");
                sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}
