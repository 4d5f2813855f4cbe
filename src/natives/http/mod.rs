//! `http.*`: a client and a server for scripts, on hyper.

mod answer;
mod client;
mod connect;
mod location;
mod message;
mod server;
mod wire;

use crate::{native::Native, natives::net::tls::Roots};
use std::sync::Arc;

/// The natives of HTTP.
pub(super) fn all(roots: &Arc<Roots>) -> Vec<Native> {
    vec![
        client::get(roots.clone()),
        client::post(roots.clone()),
        client::request(roots.clone()),
        server::serve(),
        server::address(),
        server::close(),
    ]
}
