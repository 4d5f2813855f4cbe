//! The connections below clients and servers.

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::{client, server};

/// A connection, with TLS or without.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl Stream for TcpStream {}
impl Stream for client::TlsStream<TcpStream> {}
impl Stream for server::TlsStream<TcpStream> {}

/// A server's connection, whose client must take what it is sent.
pub(super) struct Wire {
    stream: TokioIo<Box<dyn Stream>>,
    patience: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// How long a client is listened to after the last answer, whatever it says.
const LINGER: Duration = Duration::from_secs(1);

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, patience: Duration) -> Self {
        Self { stream: TokioIo::new(stream), patience, stalled: None }
    }

    /// Ends the connection so that the last answer arrives: closing a socket with something unread in
    /// it would take back what the client has not read yet.
    pub(super) async fn linger(self) {
        let mut stream = self.stream.into_inner();
        let rest = async {
            stream.shutdown().await?;
            let mut unread = vec![0; 16 << 10];
            while stream.read(&mut unread).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        // Whatever comes of it, the connection ends.
        let _ = timeout(LINGER, rest).await;
    }

    /// What a write came to, unless the client has taken nothing for too long.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.stalled = None;
            return write;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
