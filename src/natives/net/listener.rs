//! What connections are accepted from.

use super::{
    dial,
    stream::{Place, Stream},
};
use tokio::net::TcpListener;

pub(super) struct Listener {
    socket: TcpListener,
}

impl Listener {
    pub(super) fn tcp(socket: TcpListener) -> Self {
        Self { socket }
    }

    pub(super) fn local(&self) -> Place {
        self.socket.local_addr().into()
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> Stream {
        Stream::tcp(dial::accept(&self.socket).await.0)
    }
}
