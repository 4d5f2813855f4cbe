//! Unix sockets: paths, held against the permissions, and what is listened on and connected to.

use super::{
    dial::{CONNECT_LIMIT, persist},
    failure::failed,
    stream::{Place, Stream},
    waits::late,
};
use crate::{
    error::{Error, ErrorKind, Result},
    native::Caller,
    natives::{denied, path},
};
use bytes::Bytes;
use std::{fs, io, os::unix::fs::MetadataExt, path::PathBuf, time::Duration};
use tokio::{
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};

/// How long to wait before another attempt, if as many wait there already as the system keeps.
const PAUSE: Duration = Duration::from_millis(10);

/// Connects to the socket at `path`, if the caller may.
pub(super) async fn connect(caller: &Caller, path: &Bytes) -> Result<Stream> {
    let real = allowed(caller, path, "connect to").await?;
    let what = format!("connect to {}", real.display());
    let connected = async {
        loop {
            match UnixStream::connect(&real).await {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(PAUSE).await,
                connected => return connected,
            }
        }
    };
    match timeout(CONNECT_LIMIT, connected).await {
        Ok(connected) => Ok(stream(connected.map_err(|error| failed(what, &error))?)),
        Err(_) => Err(late(&what, CONNECT_LIMIT)),
    }
}

fn stream(stream: UnixStream) -> Stream {
    let path = |address: io::Result<tokio::net::unix::SocketAddr>| {
        Place::Path(address.ok().and_then(|address| Some(address.as_pathname()?.to_path_buf())))
    };
    let (peer, local) = (path(stream.peer_addr()), path(stream.local_addr()));
    let (input, output) = stream.into_split();
    Stream::new(Box::new(input), Box::new(output), peer, local)
}

/// A socket that is listened on. Its file goes with it.
pub(super) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Which file it made: another one at the same place is not its own.
    file: Option<(u64, u64)>,
}

impl Listener {
    /// Listens at `path`, where nothing may be yet, if the caller may.
    pub(super) async fn bind(caller: &Caller, path: &Bytes) -> Result<Self> {
        let path = allowed(caller, path, "listen on").await?;
        let socket = UnixListener::bind(&path);
        let socket =
            socket.map_err(|error| failed(format!("listen on {}", path.display()), &error))?;
        let file = fs::symlink_metadata(&path).ok().map(|file| (file.dev(), file.ino()));
        Ok(Self { socket, path, file })
    }

    pub(super) fn address(&self) -> Place {
        Place::Path(Some(self.path.clone()))
    }

    pub(super) async fn accept(&self) -> Stream {
        stream(persist(|| self.socket.accept()).await.0)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path).ok().map(|file| (file.dev(), file.ino()));
        if there.is_some() && there == self.file {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where `path` really is, if the caller may use a socket there.
async fn allowed(caller: &Caller, path: &Bytes, what: &'static str) -> Result<PathBuf> {
    let (caller, path) = (caller.clone(), path::from_bytes(path)?);
    // Following links asks the disk.
    let work = tokio::task::spawn_blocking(move || {
        let roots = caller.permissions().unix_roots();
        let real = path::real(&path).filter(|real| path::root(roots, real).is_some());
        real.ok_or_else(|| {
            let shown = path.display();
            let (what, grant) = (format!("{what} {shown}"), format!("--allow-net=unix:{shown}"));
            denied(&caller, &what, "allow_net", &grant)
        })
    });
    let shutdown = |_| Err(Error::new(ErrorKind::Shutdown, "the runtime is shutting down"));
    work.await.unwrap_or_else(shutdown)
}
