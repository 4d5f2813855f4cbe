//! Connections, whatever they run over: bytes in both directions, each in the order of the calls.
//!
//! The two directions have a lock each, which is handed on in the order of those who wait for it: a
//! call that reads never holds up one that sends, and what two calls send never mixes.

use super::{address::place, failure::failed, scratch};
use crate::{
    error::{Error, ErrorKind, Result},
    value::Value,
};
use bytes::{Buf, Bytes, BytesMut};
use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{Mutex, OwnedMutexGuard},
    task::coop::unconstrained,
};
use tokio_rustls::TlsStream;

type Input = Box<dyn AsyncRead + Send + Unpin>;
type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// What a line may take, and one `recv`, unless the script says otherwise.
pub(super) const MOST: usize = 64 << 10;

/// How much is read at once ahead of a line that is not whole yet.
const AHEAD: usize = 16 << 10;

/// An open connection.
pub(super) struct Stream {
    reader: Arc<Mutex<Reader>>,
    writer: Arc<Mutex<Writer>>,
    pub(super) peer: Place,
    pub(super) local: Place,
}

/// Where one end of a connection is.
pub(super) enum Place {
    Net(SocketAddr),
    /// A Unix socket, whose path is often known at one end only.
    #[cfg(unix)]
    Path(Option<PathBuf>),
    /// The connection was gone before anybody asked.
    Unknown,
}

impl From<io::Result<SocketAddr>> for Place {
    fn from(address: io::Result<SocketAddr>) -> Self {
        address.map_or(Self::Unknown, Self::Net)
    }
}

impl Place {
    /// What scripts see: `{host, port}` or `{path}`, and an empty map for what has no name.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Net(address) => place(*address),
            #[cfg(unix)]
            Self::Path(Some(path)) => {
                let path = Bytes::copy_from_slice(path.as_os_str().as_encoded_bytes());
                Value::map([("path", Value::String(path))])
            }
            #[cfg(unix)]
            Self::Path(None) => Value::map::<&str, Value>([]),
            Self::Unknown => Value::map::<&str, Value>([]),
        }
    }
}

impl Stream {
    pub(super) fn tcp(stream: TcpStream) -> Self {
        let (peer, local) = (stream.peer_addr().into(), stream.local_addr().into());
        let (input, output) = stream.into_split();
        Self::new(Box::new(input), Box::new(output), peer, local)
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        let (socket, _) = stream.get_ref();
        let (peer, local) = (socket.peer_addr().into(), socket.local_addr().into());
        let (input, output) = tokio::io::split(stream);
        Self::new(Box::new(input), Box::new(output), peer, local)
    }

    pub(super) fn new(input: Input, output: Output, peer: Place, local: Place) -> Self {
        let reader = Reader { input, buffer: BytesMut::new(), without_end: 0, end: None };
        let writer = Writer { output, state: Sending::Open };
        Self {
            reader: Arc::new(Mutex::new(reader)),
            writer: Arc::new(Mutex::new(writer)),
            peer,
            local,
        }
    }

    /// A place among those who receive, behind all that were asked for before.
    pub(super) fn reader(&self) -> Turn<Reader> {
        Turn::of(&self.reader)
    }

    /// The same among those who send.
    pub(super) fn writer(&self) -> Turn<Writer> {
        Turn::of(&self.writer)
    }
}

/// A place in the row of those who want to use something. It is taken when the call is made, not
/// when its future is first polled: calls of promises may begin in any order.
pub(super) enum Turn<T> {
    Mine(OwnedMutexGuard<T>),
    Later(Pin<Box<dyn Future<Output = OwnedMutexGuard<T>> + Send>>),
}

impl<T: Send + 'static> Turn<T> {
    fn of(lock: &Arc<Mutex<T>>) -> Self {
        if let Ok(mine) = lock.clone().try_lock_owned() {
            return Self::Mine(mine);
        }
        // It must not be put off before it has its place in the row.
        let mut turn = Box::pin(unconstrained(lock.clone().lock_owned()));
        match turn.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(mine) => Self::Mine(mine),
            Poll::Pending => Self::Later(turn),
        }
    }

    /// Waits until it is the first.
    pub(super) async fn come(self) -> OwnedMutexGuard<T> {
        match self {
            Self::Mine(mine) => mine,
            Self::Later(turn) => turn.await,
        }
    }
}

pub(super) struct Reader {
    input: Input,
    /// What was read ahead, or read by a call that was cut off.
    buffer: BytesMut,
    /// So many bytes at the begin of the buffer hold no end of a line.
    without_end: usize,
    /// How it ended, once it has.
    end: Option<Result<()>>,
}

impl Reader {
    /// The next bytes, at least one and at the most `most`; `None` at the end.
    pub(super) async fn recv(&mut self, most: usize) -> Result<Option<Bytes>> {
        if !self.buffer.is_empty() {
            let n = self.buffer.len().min(most);
            return Ok(Some(self.take(n)));
        }
        self.read(most, |data, _| Bytes::copy_from_slice(data)).await
    }

    /// The next line, without its end; `None` if there is no more. What fails takes nothing.
    pub(super) async fn recv_line(&mut self, most: usize) -> Result<Option<Bytes>> {
        loop {
            if let Some(line) = self.line(most)? {
                return Ok(Some(line));
            }
            if !self.fill(AHEAD).await? {
                let rest = self.buffer.len();
                return match rest {
                    0 => Ok(None),
                    _ if rest > most => Err(too_long(most)),
                    _ => Ok(Some(self.take(rest))),
                };
            }
        }
    }

    /// The next `n` bytes. What fails takes nothing.
    pub(super) async fn recv_exact(&mut self, n: usize) -> Result<Bytes> {
        while self.buffer.len() < n {
            let missing = n - self.buffer.len();
            if !self.fill(missing).await? {
                let there = self.buffer.len();
                let message = format!("the connection ended after {there} of {n} bytes");
                return Err(Error::new(ErrorKind::Transport, message));
            }
        }
        Ok(self.take(n))
    }

    /// Reads at the most `most` bytes and hands them to `keep`; `None` at the end. It is one step:
    /// whoever gives the call up before has taken nothing.
    async fn read<T>(
        &mut self,
        most: usize,
        keep: impl Fn(&[u8], &mut BytesMut) -> T,
    ) -> Result<Option<T>> {
        if let Some(end) = &self.end {
            return end.clone().map(|()| None);
        }
        let (input, buffer) = (&mut self.input, &mut self.buffer);
        let result = poll_fn(|cx| {
            scratch::with(most, |room| {
                let mut room = ReadBuf::new(room);
                ready!(Pin::new(&mut *input).poll_read(cx, &mut room))?;
                let data = room.filled();
                Poll::Ready(Ok((!data.is_empty()).then(|| keep(data, buffer))))
            })
        })
        .await;
        match result {
            Ok(Some(kept)) => return Ok(Some(kept)),
            Ok(None) => self.end = Some(Ok(())),
            Err(error) => self.end = Some(Err(failed("receiving", &error))),
        }
        self.end.clone().unwrap_or(Ok(())).map(|()| None)
    }

    /// Reads into the buffer. `false` at the end.
    async fn fill(&mut self, most: usize) -> Result<bool> {
        let read = self.read(most, |data, buffer| buffer.extend_from_slice(data));
        Ok(read.await?.is_some())
    }

    /// The line at the begin of the buffer, if it is whole.
    fn line(&mut self, most: usize) -> Result<Option<Bytes>> {
        let fresh = &self.buffer[self.without_end..];
        let Some(end) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.without_end = self.buffer.len();
            // Even if its last byte turns out to be a part of its end.
            let is_too_long = self.buffer.len() > most.saturating_add(1);
            return if is_too_long { Err(too_long(most)) } else { Ok(None) };
        };
        let end = self.without_end + end;
        let line = &self.buffer[..end];
        let length = line.strip_suffix(b"\r").unwrap_or(line).len();
        if length > most {
            return Err(too_long(most));
        }
        let line = Bytes::copy_from_slice(&line[..length]);
        self.advance(end + 1);
        Ok(Some(line))
    }

    /// Takes `n` bytes out of the buffer, which has them. They are copied: a small piece would keep
    /// the whole buffer.
    fn take(&mut self, n: usize) -> Bytes {
        let taken = Bytes::copy_from_slice(&self.buffer[..n]);
        self.advance(n);
        taken
    }

    fn advance(&mut self, n: usize) {
        self.buffer.advance(n);
        self.without_end = 0;
        if self.buffer.is_empty() {
            // What one long line took is not kept for all time.
            self.buffer = BytesMut::new();
        }
    }
}

fn too_long(most: usize) -> Error {
    Error::new(ErrorKind::Range, format!("the line has more than {most} bytes"))
}

pub(super) struct Writer {
    output: Output,
    state: Sending,
}

enum Sending {
    Open,
    /// A call was given up after it had sent a part.
    Cut,
    /// Nothing follows.
    Shut,
    Failed(Error),
}

impl Drop for Writer {
    /// TLS says farewell, so that the peer can tell the end from a cut. That is tried once: nobody
    /// waits for a peer that does not read.
    fn drop(&mut self) {
        if matches!(self.state, Sending::Open) {
            let mut nobody = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut self.output).poll_shutdown(&mut nobody);
        }
    }
}

impl Writer {
    /// Sends all of `data`. What is cut off in the middle leaves a connection that sends no more,
    /// since nobody could tell where the next message begins.
    pub(super) async fn send(&mut self, data: &[u8]) -> Result<()> {
        match &self.state {
            Sending::Open => {}
            Sending::Cut => {
                let message = "an earlier send was cut off and has sent a part: nothing can follow";
                return Err(Error::new(ErrorKind::Transport, message));
            }
            Sending::Shut => {
                let message = "the connection was shut down for sending";
                return Err(Error::new(ErrorKind::Dead, message));
            }
            Sending::Failed(error) => return Err(error.clone()),
        }
        let result = self.send_all(data).await;
        result.map_err(|error| {
            let error = failed("sending (how much has arrived is not known)", &error);
            self.state = Sending::Failed(error.clone());
            error
        })
    }

    async fn send_all(&mut self, data: &[u8]) -> io::Result<()> {
        let mut left = data;
        while !left.is_empty() {
            let output = &mut self.output;
            match poll_fn(|cx| Pin::new(&mut *output).poll_write(cx, left)).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => left = &left[n..],
            }
            // So it stays if this call ends while it waits.
            self.state = if left.is_empty() { Sending::Open } else { Sending::Cut };
        }
        poll_fn(|cx| Pin::new(&mut self.output).poll_flush(cx)).await
    }

    /// Tells the peer, after all that was sent, that nothing follows.
    pub(super) async fn shutdown(&mut self) -> Result<()> {
        if let Sending::Open | Sending::Cut = self.state {
            let result = poll_fn(|cx| Pin::new(&mut self.output).poll_shutdown(cx)).await;
            self.state = match result {
                // A peer that is gone already needs not be told.
                Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                    return Err(failed("shutting down", &error));
                }
                _ => Sending::Shut,
            };
        }
        Ok(())
    }
}
