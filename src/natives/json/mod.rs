//! `json.*`: values as JSON and back. Ints and reals stay apart, and nothing gets lost silently.

mod decode;
mod encode;

use crate::{
    error::{Error, ErrorKind, Result},
    native::{Caller, Native, on_the_pool},
    value::Value,
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What is larger takes so long that the worker of the script should do something else meanwhile.
const AT_ONCE: usize = 64 << 10;

pub(super) fn all() -> Vec<Native> {
    vec![
        Native::asynchronous(
            "json.encode",
            |caller: Caller, value: Value, options: Option<BTreeMap<String, Option<bool>>>| async move {
                let pretty = is_pretty(options.unwrap_or_default())?;
                let (depth, bytes) = (caller.value_depth, caller.value_bytes);
                match value.size_bytes() > AT_ONCE {
                    true => on_the_pool(move || encode::encode(&value, pretty, depth, bytes)).await,
                    false => encode::encode(&value, pretty, depth, bytes),
                }
            },
        ),
        Native::asynchronous("json.decode", |caller: Caller, text: Bytes| async move {
            let (depth, bytes) = (caller.value_depth, caller.value_bytes);
            match text.len() > AT_ONCE {
                true => on_the_pool(move || decode::decode(&text, depth, bytes)).await,
                false => decode::decode(&text, depth, bytes),
            }
        }),
    ]
}

/// The one option of `json.encode`.
fn is_pretty(mut options: BTreeMap<String, Option<bool>>) -> Result<bool> {
    let pretty = options.remove("pretty").flatten().unwrap_or(false);
    match options.into_keys().next() {
        None => Ok(pretty),
        Some(name) => {
            let message = format!("args[2]: there is no option `{name}`, only `pretty`");
            Err(Error::new(ErrorKind::Type, message))
        }
    }
}
