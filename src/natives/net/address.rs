//! From what a script calls a place to the addresses behind it, and whether it may go there.
//!
//! A name is looked up once. What is connected to is one of the addresses that were checked, so
//! whoever owns the name cannot change it in between.

use crate::{
    error::{Error, ErrorKind, Result},
    native::Caller,
    natives::denied,
    value::Value,
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
};

/// The addresses of `host`, of those that the caller may connect to, in the system's order and never
/// none.
///
/// # Errors
/// `denied` if there is none but others; `transport` if the name leads nowhere; `range` for port 0
/// and for the address that stands for none.
pub(in crate::natives) async fn resolve(
    caller: &Caller,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>> {
    if port == 0 {
        return Err(Error::new(ErrorKind::Range, "port 0 is none to connect to"));
    }
    let found = look_up(caller, host, port, "connect to").await?;
    if let Some(none) = found.iter().find(|address| address.ip().to_canonical().is_unspecified()) {
        let message = format!("{} is no address to connect to", none.ip());
        return Err(Error::new(ErrorKind::Range, message));
    }
    allowed(caller, host, found, "connect to")
}

/// The address of this machine to listen or to send from, if the caller may.
///
/// # Errors
/// `denied` if it may not, `transport` if the name leads nowhere.
pub(in crate::natives) async fn local(
    caller: &Caller,
    host: &str,
    port: u16,
) -> Result<SocketAddr> {
    let found = look_up(caller, host, port, "listen on").await?;
    let allowed = allowed(caller, host, found, "listen on")?;
    allowed.first().copied().ok_or_else(|| nowhere(host))
}

/// An address as scripts see it: `{host, port}`.
pub(in crate::natives) fn place(address: SocketAddr) -> Value {
    let host = address.ip().to_canonical().to_string();
    Value::map([("host", Value::from(host.as_str())), ("port", Value::Int(address.port().into()))])
}

/// A host without the brackets that belong to the writing of an address with a port.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A host and a port, as they are written together: IPv6 in brackets.
pub(in crate::natives) fn shown(host: &str, port: u16) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

async fn look_up(caller: &Caller, host: &str, port: u16, what: &str) -> Result<Vec<SocketAddr>> {
    if let Ok(ip) = bare(host).parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if !caller.permissions().allows_lookup(host) {
        return Err(not_granted(caller, what, host, port, None));
    }
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|error| failed_lookup(host, &error))?;
    Ok(found.collect())
}

fn nowhere(host: &str) -> Error {
    Error::new(ErrorKind::Transport, format!("`{host}` has no address"))
}

/// The kind is that of a connection that did not come about: nothing was sent to anybody.
fn failed_lookup(host: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Transport, format!("`{host}` cannot be looked up: {error}"))
}

fn allowed(
    caller: &Caller,
    host: &str,
    found: Vec<SocketAddr>,
    what: &str,
) -> Result<Vec<SocketAddr>> {
    let Some(first) = found.first().copied() else { return Err(nowhere(host)) };
    let allowed: Vec<_> =
        found.into_iter().filter(|one| caller.permissions().allows_net(host, *one)).collect();
    match allowed.is_empty() {
        false => Ok(allowed),
        true => Err(not_granted(caller, what, host, first.port(), Some(first.ip()))),
    }
}

/// The denial. It names what the grant would have to be: the address, where the name alone does not
/// do.
fn not_granted(caller: &Caller, what: &str, host: &str, port: u16, ip: Option<IpAddr>) -> Error {
    let grant =
        shown(&ip.map_or_else(|| host.to_string(), |ip| ip.to_canonical().to_string()), port);
    let asked = shown(host, port);
    let asked = if asked == grant { asked } else { format!("{asked} ({grant})") };
    denied(caller, &format!("{what} {asked}"), "allow_net", &format!("--allow-net={grant}"))
}
