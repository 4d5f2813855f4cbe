//! One request: the handler is called with it, and what it returns becomes the response.

use super::{
    message::{Received, add_cookies, add_headers, content, describe, expected, map},
    server::Limits,
};
use crate::{
    error::{Error, ErrorKind, Frame, Result},
    native::Caller,
    value::{Aggregate, FromValue, Function, Value},
};
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body, Frame as Piece, Incoming, SizeHint},
    header::{CONNECTION, HOST, HeaderValue},
};
use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// What all connections of a server share.
pub(super) struct Site {
    pub(super) caller: Caller,
    pub(super) handler: Function,
    pub(super) limits: Limits,
    /// What the bodies of all requests may take together, in KiB.
    pub(super) room: Semaphore,
}

impl Site {
    fn report(&self, error: Error) {
        self.caller.report(error.called_from(vec![Frame::native("http.serve")]));
    }
}

/// The response to `request`. Dropped, it gives the handler's call up: the client has gone away.
pub(super) async fn answer(
    site: &Arc<Site>,
    peer: Value,
    request: Request<Incoming>,
) -> Response<Payload> {
    let (head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return plain(StatusCode::NOT_IMPLEMENTED);
    }
    // Whose server is meant must be said once, or others on the way may read it in another way.
    let hosts = head.headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && head.version == Version::HTTP_11) {
        let mut refusal = plain(StatusCode::BAD_REQUEST);
        refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return refusal;
    }
    let (body, _room) = match whole(body, site).await {
        Ok(body) => body,
        Err(status) => return plain(status),
    };
    let Received { headers, .. } = Received::new(&head.headers);
    let text = |text: &str| Value::String(Bytes::copy_from_slice(text.as_bytes()));
    let request = map([
        ("method", text(head.method.as_str())),
        ("path", text(head.uri.path())),
        ("query", text(head.uri.query().unwrap_or_default())),
        ("headers", headers),
        ("body", body.into()),
        ("peer", peer),
    ]);
    let result = call(&site.handler, vec![request], site.limits.handler_timeout).await;
    let late = matches!(&result, Err(error) if error.kind() == ErrorKind::Timeout);
    let response = result.and_then(|value| response(site, &value));
    response.unwrap_or_else(|error| {
        site.report(error);
        plain(if late {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        })
    })
}

/// Calls a function of the script's, for so long.
async fn call(function: &Function, args: Vec<Value>, limit: Duration) -> Result<Value> {
    let late = |_| {
        let limit = limit.as_millis();
        Error::new(ErrorKind::Timeout, format!("the handler took longer than {limit} ms"))
    };
    timeout(limit, function.call_raw(args)).await.map_err(late)?
}

/// A response without a body.
fn plain(status: StatusCode) -> Response<Payload> {
    let mut response = Response::new(Payload::Whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// All of a request's body with the room that it takes, or what is the matter with it.
async fn whole(
    mut body: Incoming,
    site: &Site,
) -> Result<(Bytes, Option<SemaphorePermit<'_>>), StatusCode> {
    let most = site.limits.most_body;
    if body.is_end_stream() {
        return Ok((Bytes::new(), None));
    }
    let size = body.size_hint();
    // Before anything of it is asked for, so that a client that waits to be asked sends nothing.
    if size.lower() > most as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let read = async {
        // What does not say how long it is may become as long as it may be.
        let size = size.upper().and_then(|size| usize::try_from(size).ok()).unwrap_or(most);
        let room = site.room.acquire_many(kilobytes(size)).await.ok();
        let (mut first, mut all) = (Bytes::new(), BytesMut::new());
        while let Some(piece) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let Ok(data) = piece.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else {
                continue;
            };
            if first.len().max(all.len()) + data.len() > most {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            if first.is_empty() {
                first = data;
                continue;
            }
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
        // Most are one piece, which need not be copied.
        Ok((if all.is_empty() { first } else { all.freeze() }, room))
    };
    let limit = site.limits.body_timeout;
    timeout(limit, read).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

/// So many bytes in KiB, of which a part counts as a whole one.
pub(super) fn kilobytes(bytes: usize) -> u32 {
    // As many as a semaphore has on every machine.
    const MOST: u32 = 1 << 28;
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(MOST).min(MOST)
}

/// What a handler returned, as a response.
fn response(site: &Arc<Site>, value: &Value) -> Result<Response<Payload>> {
    let mut response = plain(StatusCode::OK);
    match value {
        Value::Nil => *response.status_mut() = StatusCode::NO_CONTENT,
        Value::Aggregate(parts) => read(site, parts, &mut response)?,
        value => {
            let expected = || expected("a response, text, bytes or nil from the handler", value);
            let (body, is_text) = content(value).ok_or_else(expected)?;
            *response.body_mut() = Payload::Whole(body);
            describe(response.headers_mut(), is_text);
        }
    }
    Ok(response)
}

/// Reads the parts of a response.
fn read(site: &Arc<Site>, parts: &Aggregate, response: &mut Response<Payload>) -> Result<()> {
    let mut is_text = None;
    for (key, value) in parts.pairs() {
        if value.is_nil() {
            continue;
        }
        let name = key.as_str().unwrap_or_default();
        let at = |error: Error| error.at(format_args!(".{name}"));
        match name {
            "status" => *response.status_mut() = status(value).map_err(at)?,
            "headers" => add_headers(response.headers_mut(), value).map_err(at)?,
            "cookies" => add_cookies(response.headers_mut(), value.clone()).map_err(at)?,
            "body" => {
                let payload = match value {
                    Value::Function(next) => {
                        is_text = Some(false);
                        Payload::Pieces { site: site.clone(), next: next.clone(), call: None }
                    }
                    value => {
                        let what = "text, bytes or a function";
                        let (body, text) =
                            content(value).ok_or_else(|| at(expected(what, value)))?;
                        is_text = Some(text);
                        Payload::Whole(body)
                    }
                };
                *response.body_mut() = payload;
            }
            _ => {
                let message = format!("a response of the handler has no {key:?}");
                return Err(Error::new(ErrorKind::Type, message));
            }
        }
    }
    if !parts.array().is_empty() {
        let message = "the handler returned a list, which is no response";
        return Err(Error::new(ErrorKind::Type, message));
    }
    // The headers may come after the body.
    if let Some(is_text) = is_text {
        describe(response.headers_mut(), is_text);
    }
    Ok(())
}

/// A status that can end an exchange.
fn status(value: &Value) -> Result<StatusCode> {
    let status = u16::from_value(value.clone())?;
    let status = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status));
    status.ok_or_else(|| Error::new(ErrorKind::Range, "a status is between 200 and 599"))
}

/// The body of a response.
pub(super) enum Payload {
    /// All of it.
    Whole(Bytes),
    /// In pieces, each of which the client must have taken before the next is asked for.
    Pieces {
        site: Arc<Site>,
        /// Gives the next piece, or nil at the end.
        next: Function,
        call: Option<BoxFuture<'static, Result<Value>>>,
    },
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Piece<Bytes>>>> {
        let (site, next, running) = match self.get_mut() {
            Self::Whole(all) if all.is_empty() => return Poll::Ready(None),
            Self::Whole(all) => return Poll::Ready(Some(Ok(Piece::data(std::mem::take(all))))),
            Self::Pieces { site, next, call } => (site, next, call),
        };
        let begin = || -> BoxFuture<'static, _> {
            let (next, limit) = (next.clone(), site.limits.handler_timeout);
            Box::pin(async move { call(&next, Vec::new(), limit).await })
        };
        let Poll::Ready(result) = running.get_or_insert_with(begin).as_mut().poll(cx) else {
            return Poll::Pending;
        };
        *running = None;
        let piece = match result {
            Ok(Value::Nil) => return Poll::Ready(None),
            Ok(value) => {
                let what = "text, bytes or nil as the next piece of a body";
                content(&value).map(|(data, _)| data).ok_or_else(|| expected(what, &value))
            }
            Err(error) => Err(error),
        };
        Poll::Ready(Some(piece.map(Piece::data).inspect_err(|error| site.report(error.clone()))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(all) if all.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(all) => SizeHint::with_exact(all.len() as u64),
            Self::Pieces { .. } => SizeHint::default(),
        }
    }
}
