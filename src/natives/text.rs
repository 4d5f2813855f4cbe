//! `text.*`: bytes as text and back.

use crate::native::Native;
use bytes::Bytes;

pub(super) fn all() -> Vec<Native> {
    vec![
        // The parameters say it all: who asks for a string gets bytes only if they are UTF-8, who asks
        // for bytes gets those of a string.
        Native::sync("text.decode", |data: String| data),
        Native::sync("text.encode", |text: Bytes| text),
    ]
}
