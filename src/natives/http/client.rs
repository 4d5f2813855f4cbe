//! The client: one exchange after the other over connections that are kept for the next.

use super::{
    connect::{Client, Clients, Share},
    location::{http, is_secure, origin, resolve},
    message::{Received, add_headers, content, describe, each_part, expected, map},
};
use crate::{
    error::{Error, ErrorKind, Result},
    native::{Caller, Native},
    natives::{milliseconds::Milliseconds, net::tls::Roots},
    value::{FromValue, Function, Value},
};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::{Body, Incoming},
    header::{
        ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderValue, LOCATION,
        PROXY_AUTHORIZATION, USER_AGENT,
    },
};
use std::{error, sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long an exchange may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes a body may have.
const MOST_BODY: usize = 8 << 20;

/// `http.get(url[, options])`.
pub(super) fn get(roots: Arc<Roots>) -> Native {
    let native = move |caller: Caller, url: String, options: Option<Value>| {
        run(roots.clone(), caller, Exchange::new(Method::GET, Some(url)), options)
    };
    Native::asynchronous("http.get", native)
}

/// `http.post(url, body[, options])`.
pub(super) fn post(roots: Arc<Roots>) -> Native {
    let native = move |caller: Caller, url: String, body: Value, options: Option<Value>| {
        let roots = roots.clone();
        async move {
            let mut exchange = Exchange::new(Method::POST, Some(url));
            exchange.set_body(&body).map_err(|error| error.at("args[2]"))?;
            run(roots, caller, exchange, options).await
        }
    };
    Native::asynchronous("http.post", native)
}

/// `http.request(options)`.
pub(super) fn request(roots: Arc<Roots>) -> Native {
    Native::asynchronous("http.request", move |caller: Caller, options: Value| {
        run(roots.clone(), caller, Exchange::new(Method::GET, None), Some(options))
    })
}

async fn run(
    roots: Arc<Roots>,
    caller: Caller,
    mut exchange: Exchange,
    options: Option<Value>,
) -> Result<Value> {
    if let Some(options) = options {
        each_part(options, "a request", |name, value| exchange.set(name, value))?;
    }
    let url = exchange.url.take();
    let url = url.ok_or_else(|| Error::new(ErrorKind::Type, "a request needs a `url`"))?;
    let bad = || Error::new(ErrorKind::Type, "`url` is no address of the form http://host/path");
    let url = url.parse().ok().and_then(http).ok_or_else(bad)?;
    let limit = exchange.timeout;
    let late = |_| {
        let limit = limit.as_millis();
        Error::new(ErrorKind::Timeout, format!("the exchange took longer than {limit} ms"))
    };
    timeout(limit, exchange.follow(&caller, &roots, url)).await.map_err(late)?
}

/// A request, and what is wanted of the response.
struct Exchange {
    method: Method,
    url: Option<String>,
    headers: HeaderMap,
    body: Bytes,
    timeout: Duration,
    most_body: Option<usize>,
    redirects: u32,
    on_data: Option<Function>,
    ca: Option<Bytes>,
}

impl Exchange {
    fn new(method: Method, url: Option<String>) -> Self {
        let agent = concat!("calog/", env!("CARGO_PKG_VERSION"));
        let headers = [(USER_AGENT, agent), (ACCEPT, "*/*")];
        Self {
            method,
            url,
            headers: headers
                .map(|(name, text)| (name, HeaderValue::from_static(text)))
                .into_iter()
                .collect(),
            body: Bytes::new(),
            timeout: TIMEOUT,
            most_body: None,
            redirects: 0,
            on_data: None,
            ca: None,
        }
    }

    /// Sets an option. `false`: there is none of this name.
    fn set(&mut self, name: &str, value: Value) -> Result<bool> {
        match name {
            "method" => self.method = method(&String::from_value(value)?)?,
            "url" if self.url.is_none() => self.url = Some(String::from_value(value)?),
            "headers" => {
                let mut headers = HeaderMap::new();
                add_headers(&mut headers, &value)?;
                // What the script says counts before what is there by default.
                headers.keys().for_each(|name| drop(self.headers.remove(name)));
                self.headers.extend(headers);
            }
            "body" => self.set_body(&value)?,
            "timeout" => self.timeout = Milliseconds::from_value(value)?.duration(),
            "max_body" => self.most_body = Some(usize::from_value(value)?),
            "redirects" => self.redirects = u32::from_value(value)?,
            "on_data" => self.on_data = Some(Function::from_value(value)?),
            "ca" => self.ca = Some(Bytes::from_value(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_body(&mut self, value: &Value) -> Result<()> {
        if value.is_nil() {
            return Ok(());
        }
        let (body, is_text) = content(value).ok_or_else(|| expected("text or bytes", value))?;
        self.body = body;
        describe(&mut self.headers, is_text);
        Ok(())
    }

    /// Makes the exchange, and those to which the answers lead.
    async fn follow(mut self, caller: &Caller, roots: &Arc<Roots>, mut url: Uri) -> Result<Value> {
        let clients = caller.single(Clients::default)?;
        let client = clients.client(caller, roots, self.ca.take());
        loop {
            let response = self.send(&client, url.clone()).await?;
            let next = (self.redirects > 0).then(|| redirect(&url, &response)).flatten();
            let Some(next) = next else { return self.receive(caller, &clients, response).await };
            self.redirects -= 1;
            self.turn(response.status(), origin(&url) != origin(&next));
            url = next;
        }
    }

    /// Becomes the request that a redirect asks for.
    fn turn(&mut self, status: StatusCode, leaves: bool) {
        let as_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            // What browsers made of these two, and RFC 9110 (15.4) then allowed.
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if as_get {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.headers.remove(CONTENT_TYPE);
        }
        if leaves {
            // They were meant for the one that sends us away.
            for name in [AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION] {
                self.headers.remove(name);
            }
        }
    }

    async fn send(&self, client: &Client, url: Uri) -> Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url;
        *request.headers_mut() = self.headers.clone();
        if self.body.is_empty() && matches!(self.method, Method::POST | Method::PUT | Method::PATCH)
        {
            // Where a body is expected, that there is none has to be said.
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        client.request(request).await.map_err(|error| failure(&error))
    }

    /// Reads the response to its end.
    async fn receive(
        &self,
        caller: &Caller,
        clients: &Clients,
        response: Response<Incoming>,
    ) -> Result<Value> {
        let (head, mut body) = response.into_parts();
        let most = match (self.most_body, &self.on_data) {
            (Some(most), Some(_)) => most,
            (None, Some(_)) => usize::MAX,
            (most, None) => most.unwrap_or(MOST_BODY).min(caller.value_bytes),
        };
        let too_large = || {
            Error::new(
                ErrorKind::Range,
                format!("the body of the response has more than {most} bytes"),
            )
        };
        if self.method != Method::HEAD && body.size_hint().lower() > most as u64 {
            return Err(too_large());
        }
        let (mut first, mut all, mut count) = (Bytes::new(), BytesMut::new(), 0_usize);
        let mut share = Share::new(clients);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failure(&error))?;
            // What else there is, is a trailer, which nobody asks for.
            let Ok(data) = frame.into_data() else { continue };
            count = count.saturating_add(data.len());
            if count > most {
                return Err(too_large());
            }
            if let Some(on_data) = &self.on_data {
                // The next is read when it has ended, so a slow script slows the sender down.
                on_data.call::<Value>((data,)).await?;
                continue;
            }
            share.add(data.len(), caller.value_bytes)?;
            if first.is_empty() {
                first = data;
                continue;
            }
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
        let body = match &self.on_data {
            Some(_) => Value::Nil,
            // Most are one piece, which need not be copied.
            None if all.is_empty() => first.into(),
            None => all.freeze().into(),
        };
        let Received { headers, cookies } = Received::new(&head.headers);
        let status = Value::from(head.status.as_u16());
        Ok(map([("status", status), ("headers", headers), ("cookies", cookies), ("body", body)]))
    }
}

/// The method of this name. They are in capitals, whatever a script writes.
fn method(name: &str) -> Result<Method> {
    let bad = || Error::new(ErrorKind::Type, format!("{name:?} is no method"));
    let method = Method::from_bytes(name.to_ascii_uppercase().as_bytes()).map_err(|_| bad())?;
    // This is for proxies, and what comes back would be no message.
    if method == Method::CONNECT { Err(bad()) } else { Ok(method) }
}

/// Where `response` sends its reader, unless that is nowhere or out of the protection of TLS.
fn redirect(from: &Uri, response: &Response<Incoming>) -> Option<Uri> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    resolve(from, location).filter(|next| is_secure(next) || !is_secure(from))
}

/// The error of calog's for one of the client's: that of the connector, or else the connection's.
fn failure(error: &(dyn error::Error + 'static)) -> Error {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<Error>() {
            return own.clone();
        }
        causes.push(error.to_string());
        next = error.source();
    }
    // A part of the chain often says what the next says again.
    causes.dedup();
    let message = format!("{}; whether the request was acted on is not known", causes.join(": "));
    Error::new(ErrorKind::Transport, message)
}
