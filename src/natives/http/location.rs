//! Where a redirect leads.

use hyper::Uri;

/// The place that `location`, a header of the answer from `base`, names: an address of its own, or one
/// relative to `base` (RFC 3986, 5.2). None if it is no address of HTTP.
pub(super) fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let scheme = base.scheme_str()?;
    let authority = base.authority()?;
    if has_scheme(location) {
        return http(location.parse().ok()?);
    }
    if let Some(other) = location.strip_prefix("//") {
        return http(format!("{scheme}://{other}").parse().ok()?);
    }
    let (path, query) = match location.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (location, None),
    };
    let (path, query) = match path {
        "" => (base.path().to_string(), query.or(base.query())),
        path if path.starts_with('/') => (without_dots(path), query),
        path => {
            let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            (without_dots(&format!("{folder}/{path}")), query)
        }
    };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    http(format!("{scheme}://{authority}{path}{query}").parse().ok()?)
}

/// Does it begin with `name:`?
fn has_scheme(location: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    location.split_once(':').is_some_and(|(name, _)| is_name(name))
}

/// The address, if it is one that the client takes.
pub(super) fn http(uri: Uri) -> Option<Uri> {
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority()?;
    // A name and a password do not belong there: they would be sent nowhere, or logged everywhere.
    let is_plain = !authority.as_str().contains('@') && !authority.host().is_empty();
    // What follows the host is a port, and not too large for one.
    let has_port = authority.as_str() == authority.host() || authority.port_u16().is_some();
    (is_http && is_plain && has_port).then_some(uri)
}

/// The path without `.` and `..`, which never leads above its root.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// The scheme, the host and the port: what an answer may not leave with what was meant for it.
pub(super) fn origin(uri: &Uri) -> (bool, String, u16) {
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    (is_secure(uri), host, port(uri))
}

pub(super) fn is_secure(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

pub(super) fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if is_secure(uri) { 443 } else { 80 })
}

#[cfg(test)]
mod tests {
    use super::{origin, resolve};

    /// The examples of RFC 3986 (5.4), and what is refused.
    #[test]
    fn redirects_lead_where_the_rfc_says() {
        let base = "http://a/b/c/d;p?q".parse().unwrap();
        for (location, wanted) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("https://h:8443/x?y#z", "https://h:8443/x?y"),
        ] {
            let found = resolve(&base, location).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), Some(wanted), "{location}");
        }
        for refused in [
            "ftp://h/x",
            "mailto:a@b",
            "javascript:x",
            "http://a b/",
            "http://u:p@h/",
            "//h:70000/",
        ] {
            assert_eq!(resolve(&base, refused), None, "{refused}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let of = |text: &str| origin(&text.parse().unwrap());
        assert_eq!(of("http://A/x"), of("http://a:80/y?z"));
        assert_ne!(of("http://a/"), of("https://a/"));
        assert_ne!(of("http://a/"), of("http://a:81/"));
        assert_ne!(of("http://a/"), of("http://b/"));
    }
}
