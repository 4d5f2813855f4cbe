//! UDP: messages that arrive whole or not at all.

use super::{
    address::{local, resolve, shown},
    failure::failed,
    scratch,
    stream::Place,
};
use crate::{
    error::{Error, ErrorKind, Result},
    native::Caller,
    value::{IntoValue, Value},
};
use bytes::Bytes;
use std::{io, net::SocketAddr};
use tokio::net::UdpSocket;

pub(super) struct Datagrams(UdpSocket);

impl Datagrams {
    /// A socket at `host` and `port`, if the caller may have it.
    pub(super) async fn bind(caller: &Caller, host: &str, port: u16) -> Result<Self> {
        let address = local(caller, host, port).await?;
        let socket = UdpSocket::bind(address).await;
        socket.map(Self).map_err(|error| failed(format!("bind {address}"), &error))
    }

    pub(super) fn address(&self) -> Place {
        self.0.local_addr().into()
    }

    /// Sends one datagram to `host`, if the caller may.
    pub(super) async fn send_to(
        &self,
        caller: &Caller,
        host: &str,
        port: u16,
        data: &[u8],
    ) -> Result<()> {
        let what = || format!("send to {}", shown(host, port));
        let is_v4 = self.0.local_addr().is_ok_and(|address| address.is_ipv4());
        let targets = resolve(caller, host, port).await?;
        let Some(target) = targets.into_iter().find_map(|target| reached(is_v4, target)) else {
            let message = format!("{}: the socket has no address of that kind", what());
            return Err(Error::new(ErrorKind::Transport, message));
        };
        let sent = self.0.send_to(data, target).await;
        sent.map(|_| ()).map_err(|error| failed(what(), &error))
    }

    /// The next datagram of at the most `most` bytes, and who sent it. Longer ones are passed over,
    /// as the network may lose any: a part of one would be worth nothing.
    pub(super) async fn recv_from(&self, most: usize) -> Result<Value> {
        loop {
            let ready = self.0.readable().await;
            ready.map_err(|error| failed("receiving", &error))?;
            // One byte more shows that a datagram is longer.
            let received: io::Result<_> = scratch::with(most.saturating_add(1), |room| {
                let (n, from) = self.0.try_recv_from(room)?;
                Ok((n <= most).then(|| (Bytes::copy_from_slice(&room[..n]), from)))
            });
            match received {
                Ok(Some((data, from))) => return message(data, from),
                Ok(None) => {}
                Err(error) => match error.kind() {
                    // A datagram that was sent before had nobody to go to; that is not this one's
                    // matter.
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionRefused => {}
                    _ => return Err(failed("receiving", &error)),
                },
            }
        }
    }
}

fn message(data: Bytes, from: SocketAddr) -> Result<Value> {
    let host = from.ip().to_canonical().to_string();
    Ok(Value::map([
        ("data", data.into_value()?),
        ("host", Value::from(host.as_str())),
        ("port", Value::Int(from.port().into())),
    ]))
}

/// The address as a socket of the one or the other kind reaches it.
fn reached(is_v4: bool, target: SocketAddr) -> Option<SocketAddr> {
    match (is_v4, target) {
        (true, SocketAddr::V4(_)) | (false, SocketAddr::V6(_)) => Some(target),
        (false, SocketAddr::V4(v4)) => {
            Some(SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()))
        }
        (true, SocketAddr::V6(v6)) => {
            let ip = v6.ip().to_ipv4_mapped()?;
            Some(SocketAddr::new(ip.into(), v6.port()))
        }
    }
}
