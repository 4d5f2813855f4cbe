//! Natives that come with calog. Permissions are checked here and nowhere else.

mod fs;
mod milliseconds;
#[cfg(feature = "net")]
mod net;
mod timer;

use crate::{
    error::{Error, ErrorKind},
    native::{Caller, Native},
};

/// Every native that comes with calog.
pub(crate) fn all() -> Vec<Native> {
    let mut all = Vec::new();
    all.extend(fs::all());
    all.extend(timer::all());
    #[cfg(feature = "net")]
    all.extend(net::all());
    all
}

/// The error for what the context may not do: it names the grant of [`Permissions`] and the flag of
/// the program that would give it.
///
/// [`Permissions`]: crate::Permissions
fn denied(caller: &Caller, what: &str, grant: &str, flag: &str) -> Error {
    let context = caller.name();
    let message = format!(
        "context `{context}` may not {what}: that takes Permissions::{grant}, or the program's {flag}"
    );
    Error::new(ErrorKind::Denied, message)
}
