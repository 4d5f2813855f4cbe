//! Paths, and where they lead.

use crate::error::Result;
use bytes::Bytes;
use std::path::{Component, Path, PathBuf};

/// The path that scripts write as a string or as bytes.
pub(super) fn from_bytes(path: &Bytes) -> Result<PathBuf> {
    #[cfg(unix)]
    return Ok(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path).into());
    #[cfg(not(unix))]
    match std::str::from_utf8(path) {
        Ok(path) => Ok(path.into()),
        Err(_) => {
            let message = "a path must be UTF-8 here";
            Err(crate::error::Error::new(crate::error::ErrorKind::Unrepresentable, message))
        }
    }
}

/// Where `path` leads when its links are followed, also if the end of it is not there. `None` if
/// that cannot be told, above all behind a link to what is not there: saying more would tell about
/// places that nobody granted.
pub(super) fn real(path: &Path) -> Option<PathBuf> {
    let mut there = path.to_path_buf();
    let mut missing = Vec::new();
    loop {
        let known = if there.as_os_str().is_empty() { Path::new(".") } else { &there };
        if let Ok(real) = known.canonicalize() {
            return Some(missing.iter().rev().fold(real, |path, name| path.join(name)));
        }
        if known.symlink_metadata().is_ok() {
            return None;
        }
        // `..` behind what is not there is nowhere.
        let Some(Component::Normal(name)) = there.components().next_back() else { return None };
        missing.push(name.to_os_string());
        there.pop();
    }
}

/// The one of `roots` that `real`, a path without links, is or lies in, without its links too.
pub(super) fn root(roots: &[PathBuf], real: &Path) -> Option<PathBuf> {
    roots.iter().filter_map(|root| self::real(root)).find(|root| real.starts_with(root))
}
