//! What a context may reach outside of its interpreter.

use std::path::PathBuf;

/// What the scripts of a context may reach on the machine. Nothing by default.
///
/// ```
/// use calog::Permissions;
/// let permissions = Permissions::none().allow_read("data");
/// assert_eq!(permissions.read_roots(), [std::path::PathBuf::from("data")]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Permissions {
    /// Folders (or single files) below which `fs.read` may read, as the host wrote them.
    read: Vec<PathBuf>,
}

impl Permissions {
    /// Nothing is allowed.
    pub fn none() -> Self {
        Self::default()
    }

    /// Also allows reading `path` and, if it is a folder, everything below it. A symbolic link
    /// counts as what it points to.
    pub fn allow_read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// The same with absolute paths, so that a later change of the working folder changes nothing.
    pub(crate) fn absolute(mut self) -> Self {
        for path in &mut self.read {
            if let Ok(absolute) = std::path::absolute(&*path) {
                *path = absolute;
            }
        }
        self
    }

    /// The folders and files that may be read.
    pub fn read_roots(&self) -> &[PathBuf] {
        &self.read
    }
}
