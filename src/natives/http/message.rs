//! The parts of a message as scripts see them: named parts, headers, bodies.

use crate::{
    error::{Error, ErrorKind, Result},
    value::{Aggregate, FromValue, Key, Kind, Value},
};
use bytes::Bytes;
use hyper::{
    HeaderMap,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HeaderName, HeaderValue,
        SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use std::{borrow::Cow, collections::BTreeMap};

/// Hands the parts of a map to `part`, which says whether a name has a meaning. What is nil is not
/// there.
///
/// # Errors
/// `type` if it is no map, or for a name without a meaning: a typing error must not pass silently.
pub(super) fn each_part(
    value: Value,
    what: &str,
    mut part: impl FnMut(&str, Value) -> Result<bool>,
) -> Result<()> {
    for (name, value) in BTreeMap::<String, Value>::from_value(value)? {
        if value.is_nil() {
            continue;
        }
        if !part(&name, value).map_err(|error| error.at(format_args!(".{name}")))? {
            return Err(Error::new(ErrorKind::Type, format!("{what} has no `{name}`")));
        }
    }
    Ok(())
}

/// What frames a message or belongs to one connection. calog sets these itself: a script that hands
/// the headers of one message to another must not break it.
fn is_framing(name: &HeaderName) -> bool {
    const FRAMING: [HeaderName; 7] =
        [CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    FRAMING.contains(name) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// Adds the headers that a script gives: a map of names to a text, or to a list of texts.
///
/// # Errors
/// `type` if it is something else, or has what no header may.
pub(super) fn add_headers(headers: &mut HeaderMap, value: &Value) -> Result<()> {
    let Value::Aggregate(map) = value else { return Err(expected("a map of headers", value)) };
    if !map.array().is_empty() {
        return Err(expected("a map of headers", value));
    }
    for (key, value) in map.pairs() {
        let name = match key {
            Key::String(name) => HeaderName::from_bytes(name).ok(),
            Key::Int(_) | Key::Real(_) => None,
        };
        let Some(name) = name else {
            return Err(Error::new(ErrorKind::Type, format!("{key:?} is no name of a header")));
        };
        let mut add = |value: &Value| {
            let value = header_value(value).map_err(|error| error.at(format_args!(".{name}")))?;
            if !is_framing(&name) {
                headers.append(name.clone(), value);
            }
            Ok::<_, Error>(())
        };
        match value {
            Value::Nil => {}
            Value::Aggregate(list) if list.pairs().len() == 0 => {
                list.array().iter().try_for_each(&mut add)?;
            }
            value => add(value)?,
        }
    }
    Ok(())
}

/// Adds a `set-cookie` for each text of the list that a script gives.
///
/// # Errors
/// `type` if it is something else, or has what no header may.
pub(super) fn add_cookies(headers: &mut HeaderMap, value: Value) -> Result<()> {
    for cookie in Vec::<Value>::from_value(value)? {
        headers.append(SET_COOKIE, header_value(&cookie)?);
    }
    Ok(())
}

fn header_value(value: &Value) -> Result<HeaderValue> {
    let Some((bytes, _)) = content(value) else { return Err(expected("text", value)) };
    HeaderValue::from_maybe_shared(bytes).map_err(|_| {
        Error::new(ErrorKind::Type, "the text has a control character, which no header may have")
    })
}

/// The bytes of a text or of bytes, and whether it is text.
pub(super) fn content(value: &Value) -> Option<(Bytes, bool)> {
    match value {
        Value::String(text) => Some((text.clone(), true)),
        Value::Bytes(bytes) => Some((bytes.clone(), false)),
        _ => None,
    }
}

/// Says what `body` is, unless the headers do.
pub(super) fn describe(headers: &mut HeaderMap, is_text: bool) {
    let kind = if is_text { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
}

pub(super) fn expected(what: &str, value: &Value) -> Error {
    let got = value.type_name();
    Error::new(ErrorKind::Type, format!("expected {what}, got {got}"))
}

/// The headers of a message that has come, and its cookies (`set-cookie`), each in its own place.
pub(super) struct Received {
    pub(super) headers: Value,
    pub(super) cookies: Value,
}

impl Received {
    /// Each header is one text: repeated ones are joined as RFC 9110 (5.3) has it.
    pub(super) fn new(map: &HeaderMap) -> Self {
        let mut headers = Aggregate::with_kind(Kind::Map);
        let mut cookies = Aggregate::new();
        for (name, value) in map {
            if *name == SET_COOKIE {
                cookies.push(&*text(value.as_bytes()));
                continue;
            }
            let key = Key::from(Bytes::copy_from_slice(name.as_str().as_bytes()));
            let Some(before) = headers.insert(key.clone(), &*text(value.as_bytes())) else {
                continue;
            };
            let before = before.as_str().unwrap_or_default();
            let between = if *name == COOKIE { "; " } else { ", " };
            let joined = format!("{before}{between}{}", text(value.as_bytes()));
            headers.insert(key, joined);
        }
        Self { headers: headers.into(), cookies: cookies.into() }
    }
}

/// A header is text for scripts, whatever its bytes are: those that are not UTF-8 are read as
/// Latin-1, which HTTP had before.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
    }
}

/// A map of parts whose names are known.
pub(super) fn map<const N: usize>(parts: [(&'static str, Value); N]) -> Value {
    let mut map = Aggregate::with_capacity(0, N);
    for (name, value) in parts {
        map.insert(Bytes::from_static(name.as_bytes()), value);
    }
    map.into()
}
