//! Natives that come with calog. Permissions are checked here and nowhere else.

mod fs;

pub(crate) use fs::fs_read;
