//! Natives that come with calog. Permissions are checked here and nowhere else.

mod env;
mod fs;
#[cfg(feature = "http")]
mod http;
mod json;
mod milliseconds;
#[cfg(feature = "net")]
mod net;
mod path;
mod text;
mod timer;

use crate::{
    error::{Error, ErrorKind},
    native::{Caller, Native},
    value::Value,
};
use std::ffi::OsString;

/// Every native that comes with calog.
pub(crate) fn all() -> Vec<Native> {
    let mut all = Vec::new();
    all.extend(env::all());
    all.extend(fs::all());
    all.extend(json::all());
    all.extend(text::all());
    all.extend(timer::all());
    #[cfg(feature = "net")]
    {
        // The system's roots are read once for all who speak TLS.
        let roots = std::sync::Arc::default();
        all.extend(net::all(&roots));
        #[cfg(feature = "http")]
        all.extend(http::all(&roots));
    }
    all
}

/// Text of the operating system as a string of scripts: any bytes, where it can be any.
fn to_string(text: OsString) -> Value {
    #[cfg(unix)]
    return Value::String(std::os::unix::ffi::OsStringExt::into_vec(text).into());
    #[cfg(not(unix))]
    return text.to_string_lossy().into_owned().into();
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
