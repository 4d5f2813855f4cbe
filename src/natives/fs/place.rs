//! From what a script calls a file to where it lies, and whether the script may go there.
//!
//! A path is checked once its links are followed. What is then opened is looked for below the folder
//! that was granted, one step after another, by `cap-std`: whatever changes on the way in between,
//! a link that was put there too, leads to nothing outside.

use crate::{
    error::{Error, ErrorKind, Result},
    native::Caller,
    natives::{
        denied,
        path::{self, real},
    },
};
use bytes::Bytes;
use cap_std::{
    ambient_authority,
    fs::{Dir, File, OpenOptions},
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What somebody wants to do with a file.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A place that the caller may use: a way below a folder.
pub(super) struct Place {
    folder: Dir,
    /// Without links, unless somebody has put one there meanwhile. Never empty.
    way: PathBuf,
    /// As the script wrote it.
    shown: String,
}

impl Place {
    /// What `path` leads to, which need not be there yet.
    ///
    /// # Errors
    /// `denied` if the caller has no grant for it; it is the same whether there is something or not.
    pub(super) fn find(caller: &Caller, path: &Bytes, access: Access) -> Result<Self> {
        let path = path::from_bytes(path)?;
        let real = real(&path);
        Self::granted(caller, &path, real, access)
    }

    /// The same, but if it is a link, the link itself.
    pub(super) fn find_link(caller: &Caller, path: &Bytes, access: Access) -> Result<Self> {
        let path = path::from_bytes(path)?;
        let real = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => real(parent).map(|parent| parent.join(name)),
            _ => real(&path),
        };
        Self::granted(caller, &path, real, access)
    }

    fn granted(
        caller: &Caller,
        path: &Path,
        real: Option<PathBuf>,
        access: Access,
    ) -> Result<Self> {
        let shown = path.display().to_string();
        let permissions = caller.permissions();
        let (roots, what, grant) = match access {
            Access::Read => (permissions.read_roots(), "read", "allow_read"),
            Access::Write => (permissions.write_roots(), "write", "allow_write"),
        };
        let root = |real: PathBuf| path::root(roots, &real).map(|root| (real, root));
        let Some((real, root)) = real.and_then(root) else {
            let flag = format!("--{}={shown}", grant.replace('_', "-"));
            return Err(denied(caller, &format!("{what} {shown}"), grant, &flag));
        };
        // What was granted itself lies in its parent; a grant of what is not there yet begins with
        // the last folder that is.
        let base = if real == root { root.parent().unwrap_or(&root) } else { &root };
        let base = base.ancestors().find(|base| base.is_dir()).unwrap_or(base);
        let folder = Dir::open_ambient_dir(base, ambient_authority());
        let way = match real.strip_prefix(base) {
            Ok(way) if !way.as_os_str().is_empty() => way.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let folder = folder.map_err(|error| failed(&shown, &error))?;
        Ok(Self { folder, way, shown })
    }

    pub(super) fn folder(&self) -> &Dir {
        &self.folder
    }

    pub(super) fn way(&self) -> &Path {
        &self.way
    }

    /// The error for what the system says about it.
    pub(super) fn failed(&self, error: &io::Error) -> Error {
        failed(&self.shown, error)
    }

    /// An error about it.
    pub(super) fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("{} {what}", self.shown))
    }

    /// Opens a plain file: a pipe or a device might never end, or do something when it is opened.
    ///
    /// # Errors
    /// `not_found` if there is none and `options` do not make one, `io` if it is something else.
    pub(super) fn open(&self, options: &mut OpenOptions) -> Result<File> {
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt;
            // What became a link or a pipe after it was looked at is not followed and not waited for.
            options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
        }
        let other = |is_folder: bool| {
            self.error(ErrorKind::Io, if is_folder { "is a folder" } else { "is no plain file" })
        };
        match self.folder.symlink_metadata(&self.way) {
            Ok(found) if !found.is_file() => return Err(other(found.is_dir())),
            _ => {}
        }
        let file = self.folder.open_with(&self.way, options).map_err(|e| self.failed(&e))?;
        let opened = file.metadata().map_err(|error| self.failed(&error))?;
        if opened.is_file() { Ok(file) } else { Err(other(opened.is_dir())) }
    }
}

fn failed(shown: &str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, format!("{shown}: no such file or folder"))
        }
        _ => Error::new(ErrorKind::Io, format!("{shown}: {error}")),
    }
}
