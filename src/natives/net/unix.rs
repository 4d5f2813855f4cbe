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
    natives::denied,
};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};

/// How long to wait before another attempt, if as many wait there already as the system keeps.
const PAUSE: Duration = Duration::from_millis(10);

/// Connects to the socket at `path`, if the caller may.
pub(super) async fn connect(caller: &Caller, path: &str) -> Result<Stream> {
    let what = format!("connect to {path}");
    let real = allowed(caller, path, "connect to", |path| path.canonicalize()).await?;
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
    pub(super) async fn bind(caller: &Caller, path: &str) -> Result<Self> {
        let path = allowed(caller, path, "listen on", in_real_folder).await?;
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

/// The file itself may not be there yet.
fn in_real_folder(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok(folder.unwrap_or(Path::new(".")).canonicalize()?.join(name))
}

/// Where `path` really is, by `resolve`, if the caller may use a socket there.
async fn allowed(
    caller: &Caller,
    path: &str,
    what: &'static str,
    resolve: impl Fn(&Path) -> io::Result<PathBuf> + Send + 'static,
) -> Result<PathBuf> {
    let (caller, path) = (caller.clone(), PathBuf::from(path));
    // Following links asks the disk.
    let work = tokio::task::spawn_blocking(move || {
        let real = resolve(&path);
        // Of what is not there, nothing is told unless it would be allowed.
        let place = match &real {
            Ok(real) => Some(real.clone()),
            Err(_) => in_real_folder(&path).ok(),
        };
        if !place.is_some_and(|place| is_granted(&caller, &place)) {
            let grant = format!("--allow-net=unix:{}", path.display());
            let what = format!("{what} {}", path.display());
            return Err(denied(&caller, &what, "allow_net", &grant));
        }
        real.map_err(|error| failed(format!("{what} {}", path.display()), &error))
    });
    let shutdown = |_| Err(Error::new(ErrorKind::Shutdown, "the runtime is shutting down"));
    work.await.unwrap_or_else(shutdown)
}

/// Is `place`, a path without links, granted, or in a folder that is?
fn is_granted(caller: &Caller, place: &Path) -> bool {
    let mut roots = caller.permissions().unix_roots().iter();
    roots.any(|root| {
        let root = root.canonicalize().or_else(|_| in_real_folder(root));
        root.is_ok_and(|root| place.starts_with(root))
    })
}
