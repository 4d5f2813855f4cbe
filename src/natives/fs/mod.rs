//! `fs.*`: files and folders, where the context may read and write.

mod lines;
mod place;

use crate::{
    error::{Error, ErrorKind, Result},
    native::{Caller, Native, on_the_pool},
    natives::to_string,
    resources::Handle,
    value::Value,
};
use bytes::Bytes;
use cap_std::fs::{File, OpenOptions};
use lines::Lines;
use place::{Access, Place};
use std::{
    io::{Read, Write},
    time::SystemTime,
};

/// How long a line may be unless the script says otherwise.
const LINE: usize = 64 << 10;

/// The natives of files. What waits for the system does so on the pool for that.
pub(super) fn all() -> Vec<Native> {
    vec![
        Native::blocking("fs.read", |caller: Caller, path: Bytes| read(&caller, &path)),
        Native::blocking("fs.write", |caller: Caller, path: Bytes, data: Bytes| {
            // Cut only when it is known to be a plain file, so not by opening it.
            let (place, mut file) = open_for(&caller, &path, OpenOptions::new().write(true))?;
            let written = file.set_len(0).and_then(|()| file.write_all(&data));
            written.map_err(|error| place.failed(&error))
        }),
        Native::blocking("fs.append", |caller: Caller, path: Bytes, data: Bytes| {
            let (place, mut file) = open_for(&caller, &path, OpenOptions::new().append(true))?;
            file.write_all(&data).map_err(|error| place.failed(&error))
        }),
        Native::blocking("fs.list", |caller: Caller, path: Bytes| list(&caller, &path)),
        Native::blocking("fs.stat", |caller: Caller, path: Bytes| stat(&caller, &path)),
        Native::blocking("fs.remove", |caller: Caller, path: Bytes| {
            let place = Place::find_link(&caller, &path, Access::Write)?;
            let (folder, way) = (place.folder(), place.way());
            let removed = match folder.symlink_metadata(way) {
                Ok(found) if found.is_dir() => folder.remove_dir(way),
                _ => folder.remove_file(way),
            };
            removed.map_err(|error| place.failed(&error))
        }),
        Native::blocking("fs.mkdir", |caller: Caller, path: Bytes| {
            let place = Place::find(&caller, &path, Access::Write)?;
            place.folder().create_dir_all(place.way()).map_err(|error| place.failed(&error))
        }),
        Native::blocking("fs.open", |caller: Caller, path: Bytes| {
            let place = Place::find(&caller, &path, Access::Read)?;
            caller.keep(Lines::new(place.open(OpenOptions::new().read(true))?))
        }),
        Native::asynchronous("fs.read_line", read_line),
        Native::sync("fs.close", |caller: Caller, handle: Handle| {
            match caller.release::<Lines<File>>(handle) {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == ErrorKind::Dead => Ok(false),
                Err(error) => Err(error),
            }
        }),
    ]
}

fn read(caller: &Caller, path: &Bytes) -> Result<Bytes> {
    let place = Place::find(caller, path, Access::Read)?;
    let most = caller.value_bytes;
    let file = place.open(OpenOptions::new().read(true))?;
    // The length of a file is only what it was when it was asked for; some have none at all.
    let mut bytes = Vec::new();
    let read = file.take((most as u64).saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| place.failed(&error))?;
    match bytes.len() <= most {
        true => Ok(bytes.into()),
        false => Err(place.error(ErrorKind::Range, &format!("has more than {most} bytes"))),
    }
}

/// Opens a file to write it; it is made if there is none.
fn open_for(caller: &Caller, path: &Bytes, options: &mut OpenOptions) -> Result<(Place, File)> {
    let place = Place::find(caller, path, Access::Write)?;
    let file = place.open(options.create(true))?;
    Ok((place, file))
}

/// The names in a folder, sorted by their bytes.
fn list(caller: &Caller, path: &Bytes) -> Result<Value> {
    let place = Place::find(caller, path, Access::Read)?;
    let entries = place.folder().read_dir(place.way()).map_err(|error| place.failed(&error))?;
    let (mut names, mut bytes) = (Vec::new(), 0);
    for entry in entries {
        let name = to_string(entry.map_err(|error| place.failed(&error))?.file_name());
        bytes += name.size_bytes();
        if bytes > caller.value_bytes {
            return Err(Error::too_large(caller.value_bytes));
        }
        names.push(name);
    }
    names.sort_unstable_by(|a, b| a.as_bytes().cmp(&b.as_bytes()));
    Ok(Value::list(names))
}

fn stat(caller: &Caller, path: &Bytes) -> Result<Value> {
    let place = Place::find(caller, path, Access::Read)?;
    let found = place.folder().symlink_metadata(place.way());
    let found = found.map_err(|error| place.failed(&error))?;
    let kind = match found.is_file() {
        true => "file",
        false if found.is_dir() => "folder",
        false => "other",
    };
    let modified = found.modified().ok().and_then(|time| milliseconds(time.into_std()));
    Ok(Value::map([
        ("kind", kind.into()),
        ("size", i64::try_from(found.len()).unwrap_or(i64::MAX).into()),
        ("modified", Value::from(modified)),
    ]))
}

/// Since 1970; what lies before is negative.
fn milliseconds(time: SystemTime) -> Option<i64> {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).ok(),
        Err(before) => i64::try_from(before.duration().as_millis()).ok().map(|before| -before),
    }
}

async fn read_line(caller: Caller, handle: Handle, most: Option<usize>) -> Result<Option<Bytes>> {
    let lines = caller.resource::<Lines<File>>(handle)?;
    // What does not cross must not be taken from the file.
    let most = most.unwrap_or(LINE).min(caller.value_bytes);
    match lines.ready(most) {
        Some(line) => line.map(Some),
        None => on_the_pool(move || lines.next(most)).await,
    }
}
