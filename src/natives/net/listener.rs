//! What connections are accepted from.

use super::{
    dial,
    stream::{Place, Stream},
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Mutex,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// How long a peer may take to agree on TLS.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// How many may be at it at once. The others wait with the system.
const MOST_HANDSHAKES: usize = 256;

pub(super) enum Listener {
    Tcp(TcpListener),
    Tls(TcpListener, Handshakes),
    #[cfg(unix)]
    Unix(super::unix::Listener),
}

impl Listener {
    pub(super) fn tls(socket: TcpListener, acceptor: TlsAcceptor) -> Self {
        Self::Tls(socket, Handshakes { acceptor, under_way: Mutex::default() })
    }

    pub(super) fn address(&self) -> Place {
        match self {
            Self::Tcp(socket) | Self::Tls(socket, _) => socket.local_addr().into(),
            #[cfg(unix)]
            Self::Unix(socket) => socket.address(),
        }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> Stream {
        match self {
            Self::Tcp(socket) => Stream::tcp(dial::accept(socket).await.0),
            Self::Tls(socket, handshakes) => handshakes.accept(socket).await,
            #[cfg(unix)]
            Self::Unix(socket) => socket.accept().await,
        }
    }
}

/// Connections that still have to agree on TLS, side by side: a slow peer holds up nobody. Only
/// those that have agreed are given out, and one that cannot is nobody's failure.
pub(super) struct Handshakes {
    acceptor: TlsAcceptor,
    /// They go on while somebody accepts.
    under_way: Mutex<FuturesUnordered<BoxFuture<'static, Option<Stream>>>>,
}

impl Handshakes {
    async fn accept(&self, socket: &TcpListener) -> Stream {
        let mut under_way = self.under_way.lock().await;
        loop {
            tokio::select! {
                Some(ended) = under_way.next(), if !under_way.is_empty() => {
                    if let Some(stream) = ended {
                        return stream;
                    }
                }
                (stream, peer) = dial::accept(socket), if under_way.len() < MOST_HANDSHAKES => {
                    under_way.push(Box::pin(self.agree(stream, peer)));
                }
            }
        }
    }

    fn agree(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = Option<Stream>> + use<> {
        let handshake = timeout(HANDSHAKE_LIMIT, self.acceptor.accept(stream));
        async move {
            match handshake.await {
                Ok(Ok(stream)) => Some(Stream::tls(stream.into())),
                Ok(Err(error)) => {
                    tracing::debug!(target: "calog", %peer, %error, "no agreement on TLS");
                    None
                }
                Err(_) => {
                    tracing::debug!(target: "calog", %peer, "no agreement on TLS in time");
                    None
                }
            }
        }
    }
}
