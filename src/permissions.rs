//! What a context may reach outside of its interpreter.

use crate::error::{Error, ErrorKind, Result};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// What the scripts of a context may reach on the machine. Nothing by default.
///
/// Natives that come with calog hold what they were asked for against it once it is resolved: a path
/// when its links are followed, an address when its name was looked up. A native of your own gets
/// it from its [`Caller`](crate::Caller::permissions).
///
/// ```
/// use calog::Permissions;
/// let permissions = Permissions::none()
///     .allow_read("data")
///     .allow_env("LANG")
///     .allow_net("127.0.0.1:8080")?;
/// assert_eq!(permissions.read_roots(), [std::path::PathBuf::from("data")]);
/// assert!(permissions.allows_net("localhost", "[::ffff:127.0.0.1]:8080".parse().unwrap()));
/// assert!(!permissions.allows_net("127.0.0.1", "127.0.0.1:22".parse().unwrap()));
/// # Ok::<(), calog::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Permissions {
    /// Folders (or single files) below which the natives of `fs` may read, as the host wrote them.
    read: Vec<PathBuf>,
    /// The same for writing.
    write: Vec<PathBuf>,
    all_env: bool,
    env: Vec<String>,
    net: Vec<Grant>,
    /// Unix sockets, or folders with such.
    unix: Vec<PathBuf>,
}

/// Hosts, and one port of them or all.
#[derive(Clone, Debug, PartialEq)]
struct Grant {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq)]
enum Hosts {
    All,
    /// Every address of the machine itself, however it is written.
    Loopback,
    /// The addresses that begin with the first so many bits of this one.
    Net(IpAddr, u32),
    /// What a name leads to, as long as that is outside.
    Name(String),
    /// The same for all names that end so, dot included.
    Below(String),
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

    /// Also allows writing `path`, or making it, and, if it is a folder, everything below it. It
    /// does not allow reading.
    pub fn allow_write(mut self, path: impl Into<PathBuf>) -> Self {
        self.write.push(path.into());
        self
    }

    /// Also allows reading the environment variable `name`.
    pub fn allow_env(mut self, name: impl Into<String>) -> Self {
        self.env.push(name.into());
        self
    }

    /// Also allows reading every environment variable.
    pub fn allow_all_env(mut self) -> Self {
        self.all_env = true;
        self
    }

    /// Also allows connecting to, listening on and sending to what `grant` names: `HOST`, for all
    /// its ports, or `HOST:PORT`. Port 0 is listening on a port that the system chooses. `HOST` is
    ///
    /// - an address (`10.0.0.5`, `::1`, `[::1]:80`) or a net (`10.0.0.0/8`). An IPv4 address in
    ///   IPv6's clothes is that address. It also counts for what `localhost`, or a name with a grant
    ///   of its own, resolves to; other names are not even looked up, since asking tells something;
    /// - `localhost`: every address of the machine's own loopback;
    /// - another name (`example.com`), or all names below one (`*.example.com`): the addresses that
    ///   it resolves to, when it is asked for by this name, if they are public. What is loopback,
    ///   private or link-local must be granted as an address, since whoever owns a name may point
    ///   it to the inside;
    /// - `*`: everything;
    /// - `unix:PATH`, without a port: a Unix socket, or all in a folder.
    ///
    /// # Errors
    /// `type` if it is nothing of that.
    pub fn allow_net(mut self, grant: &str) -> Result<Self> {
        match grant.strip_prefix("unix:") {
            Some("") => return Err(bad(grant)),
            Some(path) => self.unix.push(path.into()),
            None => self.net.push(Grant::parse(grant).ok_or_else(|| bad(grant))?),
        }
        Ok(self)
    }

    /// The same with absolute paths, so that a later change of the working folder changes nothing.
    pub(crate) fn absolute(mut self) -> Self {
        for path in self.read.iter_mut().chain(&mut self.write).chain(&mut self.unix) {
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

    /// The folders and files that may be written.
    pub fn write_roots(&self) -> &[PathBuf] {
        &self.write
    }

    /// The Unix sockets that may be used, and folders of such.
    pub fn unix_roots(&self) -> &[PathBuf] {
        &self.unix
    }

    /// May the environment variable `name` be read?
    pub fn allows_env(&self, name: &str) -> bool {
        self.all_env || self.env.iter().any(|one| one == name)
    }

    /// May `address` be reached, which was asked for as `name` (that may be the address itself)?
    pub fn allows_net(&self, name: &str, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.net.iter().any(|grant| {
            grant.port.is_none_or(|port| port == address.port()) && grant.hosts.allow(name, ip)
        })
    }

    /// May `name` be looked up, because there is a grant for it? Names are looked up in the world
    /// outside, and a script could tell it things by asking for them.
    pub fn allows_lookup(&self, name: &str) -> bool {
        let public = IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1));
        let local = is_localhost(name);
        self.net.iter().any(|grant| match &grant.hosts {
            Hosts::Net(..) | Hosts::Loopback => local,
            hosts => hosts.allow(name, public),
        })
    }
}

fn bad(grant: &str) -> Error {
    let message = format!(
        "`{grant}` is no HOST[:PORT]: a host is an address, a net (10.0.0.0/8), a name, \
         *.NAME, localhost or *; a Unix socket is unix:PATH"
    );
    Error::new(ErrorKind::Type, message)
}

impl Grant {
    fn parse(text: &str) -> Option<Self> {
        // What begins with a bracket or has one colon at the most may have a port; else the colons
        // are those of an address.
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                // The net's width may stand behind the bracket.
                let (width, port) = match after.split_once(':') {
                    Some((width, port)) => (width, Some(port)),
                    None => (after, None),
                };
                if !(width.is_empty() || width.starts_with('/')) || !host.contains(':') {
                    return None;
                }
                (format!("{host}{width}"), port)
            }
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host.to_string(), Some(port)),
                _ => (text.to_string(), None),
            },
        };
        let port = match port {
            None | Some("*") => None,
            Some(port) => Some(port.parse().ok()?),
        };
        Some(Self { hosts: Hosts::parse(&host)?, port })
    }
}

impl Hosts {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let bits = bits.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= most).then_some(Self::Net(address, bits));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let address = address.to_canonical();
            let bits = if address.is_ipv4() { 32 } else { 128 };
            return Some(Self::Net(address, bits));
        }
        if is_localhost(text) {
            return Some(Self::Loopback);
        }
        let name = plain(text);
        let (below, name) = match name.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, &*name),
        };
        let sound = |label: &str| {
            let letters = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
            !label.is_empty() && label.chars().all(letters)
        };
        // What ends like an address but is none (127.1, 256.0.0.1) is a mistake rather than a name.
        let is_name = name.split('.').all(sound)
            && !name.rsplit('.').next()?.chars().all(|c| c.is_ascii_digit());
        match below {
            _ if !is_name => None,
            true => Some(Self::Below(format!(".{name}"))),
            false => Some(Self::Name(name.to_string())),
        }
    }

    fn allow(&self, name: &str, ip: IpAddr) -> bool {
        match self {
            Self::All => true,
            Self::Loopback => ip.is_loopback(),
            Self::Net(net, bits) => match (net, ip) {
                (IpAddr::V4(net), IpAddr::V4(ip)) => {
                    (net.to_bits() ^ ip.to_bits()).leading_zeros() >= *bits
                }
                (IpAddr::V6(net), IpAddr::V6(ip)) => {
                    (net.to_bits() ^ ip.to_bits()).leading_zeros() >= *bits
                }
                _ => false,
            },
            Self::Name(granted) => is_public(ip) && plain(name) == *granted,
            Self::Below(end) => is_public(ip) && plain(name).ends_with(end),
        }
    }
}

/// A name in the one form in which equal names are equal.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_lowercase()
}

fn is_localhost(name: &str) -> bool {
    let name = plain(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// Does the address belong to the world, so that a name which leads there leads nowhere inside? The
/// others are those of the registries of special addresses that RFC 6890 has set up.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = match (a, b, c) {
        // This net, multicast, and what is reserved.
        (0 | 224.., ..) => true,
        // Shared by the customers of a provider; protocols; benchmarks.
        (100, 64..128, _) | (192, 0, 0) | (198, 18 | 19, _) => true,
        _ => false,
    };
    !(special || ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // An IPv4 address inside: translated (NAT64) or tunnelled (6to4).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        // Teredo and others of its range, documentation.
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        // All that is given out to the world begins with the bits 001.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(grant: &str, name: &str, address: &str) -> bool {
        let permissions = Permissions::none().allow_net(grant).unwrap();
        permissions.allows_net(name, address.parse().unwrap())
    }

    #[test]
    fn an_address_is_granted_however_it_is_written() {
        for name in ["localhost", "127.0.0.1", "evil.example"] {
            assert!(allowed("127.0.0.1:80", name, "127.0.0.1:80"));
            assert!(allowed("127.0.0.1:80", name, "[::ffff:127.0.0.1]:80"));
            assert!(allowed("::ffff:127.0.0.1", name, "127.0.0.1:80"));
            assert!(!allowed("127.0.0.1:80", name, "127.0.0.1:81"));
            assert!(!allowed("127.0.0.1:80", name, "127.0.0.2:80"));
            assert!(!allowed("127.0.0.1:80", name, "[::1]:80"));
        }
        assert!(allowed("[::1]:80", "x", "[::1]:80"));
        assert!(allowed("::1", "x", "[::1]:80"));
        assert!(!allowed("::1", "x", "127.0.0.1:80"));
        assert!(allowed("10.0.0.0/8", "x", "10.9.8.7:1"));
        assert!(allowed("10.0.0.0/8:1", "x", "10.9.8.7:1"));
        assert!(!allowed("10.0.0.0/8:1", "x", "10.9.8.7:2"));
        assert!(!allowed("10.0.0.0/8", "x", "11.9.8.7:1"));
        assert!(allowed("[2001:db8::]/32:7", "x", "[2001:db8:9::1]:7"));
        assert!(!allowed("[2001:db8::]/32:7", "x", "[2001:db9:9::1]:7"));
        assert!(allowed("0.0.0.0/0", "x", "8.8.8.8:7"));
        assert!(!allowed("0.0.0.0/0", "x", "[2600::1]:7"));
    }

    #[test]
    fn a_name_opens_no_way_to_the_inside() {
        assert!(allowed("example.com:443", "Example.COM.", "93.184.216.34:443"));
        assert!(!allowed("example.com:443", "example.org", "93.184.216.34:443"));
        assert!(!allowed("example.com:443", "93.184.216.34", "93.184.216.34:443"));
        assert!(allowed("*.example.com", "a.b.example.com", "93.184.216.34:1"));
        assert!(!allowed("*.example.com", "example.com", "93.184.216.34:1"));
        assert!(!allowed("*.example.com", "badexample.com", "93.184.216.34:1"));
        for inside in [
            "127.0.0.1:443",
            "10.1.2.3:443",
            "192.168.1.1:443",
            "172.16.0.1:443",
            "169.254.169.254:443",
            "100.64.0.1:443",
            "0.0.0.0:443",
            "255.255.255.255:443",
            "[::1]:443",
            "[::]:443",
            "[fe80::1]:443",
            "[fd00::1]:443",
            "[::ffff:127.0.0.1]:443",
            "[64:ff9b::7f00:1]:443",
            "[2002:7f00:1::]:443",
        ] {
            assert!(!allowed("example.com:443", "example.com", inside), "{inside}");
            assert!(allowed("*", "example.com", inside), "{inside}");
        }
        assert!(allowed("example.com", "example.com", "[2606:2800:220:1::1]:443"));
    }

    #[test]
    fn localhost_is_every_loopback_address() {
        for address in ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(allowed("localhost", "x", address), "{address}");
            assert!(allowed("LOCALHOST.:80", "x", address), "{address}");
            assert!(!allowed("localhost:81", "x", address), "{address}");
        }
        assert!(!allowed("localhost", "localhost", "10.0.0.1:80"));
        assert!(!allowed("localhost", "localhost", "0.0.0.0:80"));
    }

    #[test]
    fn what_is_no_grant_is_an_error() {
        for bad in [
            "",
            ":",
            ":80",
            "a b",
            "host:",
            "host:http",
            "host:65536",
            "host:-1",
            "1.2.3",
            "127.1",
            "256.0.0.1",
            "1.2.3.4/33",
            "::1/129",
            "[::1",
            "[::1]80",
            "http://x",
            "a..b",
            "*.",
            "*.*",
            "x*",
            "unix:",
            "1.2.3.4:80:90",
            "[1.2.3.4/8",
            "**",
        ] {
            let error = Permissions::none().allow_net(bad).map(|p| format!("{p:?}"));
            let error = error.expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::Type, "{bad}");
        }
    }

    #[test]
    fn only_what_is_granted_is_looked_up() {
        let looks_up = |grant: &str, name: &str| {
            Permissions::none().allow_net(grant).unwrap().allows_lookup(name)
        };
        assert!(looks_up("example.com:1", "EXAMPLE.com"));
        assert!(looks_up("*", "anything.example"));
        assert!(looks_up("127.0.0.1", "localhost"));
        assert!(looks_up("localhost:5", "localhost"));
        assert!(!looks_up("127.0.0.1", "secret.evil.example"));
        assert!(!looks_up("localhost", "secret.evil.example"));
        assert!(!looks_up("example.com", "secret.evil.example"));
    }
}
