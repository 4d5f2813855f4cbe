//! `fs.read(path)`: the bytes of a file, where the context may read.

use crate::{
    error::{Error, ErrorKind, Result},
    native::{Caller, Native},
    natives::denied,
};
use bytes::Bytes;
use std::{
    io,
    path::{Path, PathBuf},
};

/// The natives of files. They block, so they run on the pool for that.
pub(super) fn all() -> Vec<Native> {
    let read = |caller: Caller, path: String| read(&caller, Path::new(&path));
    vec![Native::blocking("fs.read", read)]
}

fn read(caller: &Caller, path: &Path) -> Result<Bytes> {
    let shown = path.display();
    let denied =
        || denied(caller, &format!("read {shown}"), "allow_read", &format!("--allow-read={shown}"));
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(ErrorKind::NotFound, format!("no file {shown}")),
        _ => Error::new(ErrorKind::Io, format!("{shown}: {error}")),
    };
    // The check is on where the path leads, and the file that is read is that one.
    let real = match path.canonicalize() {
        Ok(real) => real,
        // What cannot be resolved must not tell whether it is there, unless its folder is allowed.
        Err(error) => {
            let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).canonicalize();
            return Err(match folder {
                Ok(folder) if allowed(caller, &folder) => failed(error),
                _ => denied(),
            });
        }
    };
    if !allowed(caller, &real) {
        return Err(denied());
    }
    let metadata = real.metadata().map_err(failed)?;
    if !metadata.is_file() {
        // A pipe or a device might never end.
        let what = if metadata.is_dir() { "a folder" } else { "no plain file" };
        return Err(Error::new(ErrorKind::Io, format!("{shown} is {what}")));
    }
    if metadata.len() > caller.value_bytes as u64 {
        let most = caller.value_bytes;
        return Err(Error::new(ErrorKind::Range, format!("{shown} has more than {most} bytes")));
    }
    Ok(std::fs::read(real).map_err(failed)?.into())
}

/// Does `real`, a path without links, lie in a folder that the caller may read?
fn allowed(caller: &Caller, real: &Path) -> bool {
    let roots = caller.permissions().read_roots().iter();
    let mut roots = roots.filter_map(|root: &PathBuf| root.canonicalize().ok());
    roots.any(|root| real.starts_with(root))
}
