//! HTTP against peers and scripts that mean no good: what one side smuggles must not be believed by
//! the other, and what a script writes must not become a message of its own.

#![cfg(all(feature = "lua", feature = "js", feature = "http"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod net_support;

use calog::{Broker, Context, ErrorKind, Value};
use net_support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A server whose handler keeps what it saw, `METHOD PATH BODY` each, in `seen`.
struct Served {
    _broker: Broker,
    context: Context,
    port: u16,
}

const KEEPS: &str = "function(r)
    seen[#seen + 1] = r.method .. ' ' .. r.path .. ' ' .. r.body
    return 'answer to ' .. r.path
end";

async fn serve(handler: &str) -> Served {
    let broker = broker();
    let source =
        format!("seen = {{}} server = http.serve('127.0.0.1:0', {handler}, {{max_body = 1000}})");
    let context = lua(&broker, &source).await;
    let port = within(context.eval("return http.address(server).port")).await.unwrap();
    Served { _broker: broker, context, port }
}

impl Served {
    /// Sends these bytes; all that comes until the server closes the connection.
    async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = connect(self.port).await;
        within(stream.write_all(bytes.as_ref())).await.unwrap();
        let mut all = Vec::new();
        // A reset is an end too, once the server has refused what was sent.
        let _ = within(stream.read_to_end(&mut all)).await;
        String::from_utf8_lossy(&all).into_owned()
    }

    /// What the handler has seen since it was last asked.
    async fn seen(&self) -> Vec<String> {
        within(self.context.eval("local all = seen seen = {} return all")).await.unwrap()
    }
}

/// The status of each answer in a text.
fn statuses(text: &str) -> Vec<&str> {
    let answers = text.match_indices("HTTP/1.1 ");
    answers.map(|(at, begin)| &text[at + begin.len()..at + begin.len() + 3]).collect()
}

/// A second request that ends the connection: whether it is seen tells where the first ended.
const NEXT: &str = "GET /next HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// What stands inside of a body, and must stay there.
const INNER: &str = "GET /inner HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn no_request_is_smuggled_in_the_body_of_another() {
    let served = serve(KEEPS).await;
    let chunked = format!("{:x}\r\n{INNER}\r\n0\r\n\r\n", INNER.len());
    let head = "POST /outer HTTP/1.1\r\nhost: x\r\n";
    for (fields, body, status) in [
        // Honest ones.
        (format!("content-length: {}\r\n", INNER.len()), INNER, "200"),
        ("transfer-encoding: chunked\r\n".into(), &*chunked, "200"),
        ("Transfer-Encoding: CHUNKED\r\n".into(), &*chunked, "200"),
        // Both lengths: the chunks count, and nothing behind them on this connection.
        ("content-length: 4\r\ntransfer-encoding: chunked\r\n".into(), &*chunked, "200"),
        ("transfer-encoding: chunked\r\ncontent-length: 4\r\n".into(), &*chunked, "200"),
        // Lengths that others may read in another way.
        ("content-length: 4\r\ncontent-length: 5\r\n".into(), INNER, "400"),
        ("content-length: 4, 5\r\n".into(), INNER, "400"),
        ("content-length: +4\r\n".into(), INNER, "400"),
        ("content-length: 0x4\r\n".into(), INNER, "400"),
        ("content-length: 4 4\r\n".into(), INNER, "400"),
        ("content-length:\r\n".into(), INNER, "400"),
        ("content-length: 99999999999999999999\r\n".into(), INNER, "400"),
        ("transfer-encoding: chunked, identity\r\n".into(), &*chunked, "400"),
        ("transfer-encoding: xchunked\r\n".into(), &*chunked, "400"),
        ("transfer-encoding: \x0bchunked\r\n".into(), &*chunked, "400"),
        ("transfer-encoding : chunked\r\n".into(), &*chunked, "400"),
        ("content-length : 4\r\n".into(), INNER, "400"),
        (" content-length: 4\r\n".into(), INNER, "400"),
        ("x: y\r\n content-length: 4\r\n".into(), INNER, "400"),
        ("x\0: y\r\n".into(), INNER, "400"),
        // Whose server it is must be said once.
        ("host: y\r\n".into(), "", "400"),
    ] {
        let text = served.raw(format!("{head}{fields}\r\n{body}{NEXT}")).await;
        assert_eq!(statuses(&text).first(), Some(&status), "{fields:?}: {text}");
        let seen = served.seen().await;
        assert!(!seen.iter().any(|one| one.starts_with("GET /inner")), "{fields:?}: {seen:?}");
        match status {
            "200" => assert_eq!(seen[0], format!("POST /outer {INNER}"), "{fields:?}"),
            // A request that is not understood is the last of its connection.
            _ => assert!(seen.is_empty() && statuses(&text).len() == 1, "{fields:?}: {text}"),
        }
    }
    // Where two lengths were given, the second request is not believed either.
    let both = "content-length: 4\r\ntransfer-encoding: chunked\r\n";
    let text = served.raw(format!("{head}{both}\r\n{chunked}{NEXT}")).await;
    assert_eq!(statuses(&text), ["200"]);
    assert_eq!(served.seen().await.len(), 1);
}

#[tokio::test]
async fn bad_chunks_end_the_connection() {
    let served = serve(KEEPS).await;
    let head = "POST /outer HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let long = format!("5;{}\r\nabcde\r\n0\r\n\r\n", "x".repeat(100_000));
    let trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(20_000));
    for body in [
        "+5\r\nabcde\r\n0\r\n\r\n",
        "-5\r\nabcde\r\n0\r\n\r\n",
        "0x5\r\nabcde\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nabcde",
        "5\r\nabcdeXX0\r\n\r\n",
        "\r\nabcde\r\n0\r\n\r\n",
        "5\rabcde\r\n0\r\n\r\n",
        &long,
        &trailers,
    ] {
        let text = served.raw(format!("{head}{body}{NEXT}")).await;
        let shown = &body[..body.len().min(30)];
        assert!(matches!(&statuses(&text)[..], ["400" | "413"]), "{shown:?}: {text}");
        assert!(served.seen().await.is_empty(), "{shown:?}");
    }
    // The server is there for the next.
    assert_eq!(statuses(&served.raw(NEXT).await), ["200"]);
}

#[tokio::test]
async fn other_protocols_are_refused() {
    let served = serve(KEEPS).await;
    let many = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(100_000));
    for (request, refused) in [
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["400", "505"][..]),
        ("GET /\r\n\r\n", &["400"]),
        ("\x16\x03\x01\x02\0\x01\0\x01\x7c\x03\x03", &["400"]),
        (&many, &["414", "431"]),
        ("SSH-2.0-x\r\n\r\n", &["400"]),
    ] {
        let text = served.raw(request).await;
        let shown = &request[..request.len().min(20)];
        let statuses = statuses(&text);
        assert!(statuses.len() <= 1, "{shown:?}: {text}");
        assert!(statuses.iter().all(|status| refused.contains(status)), "{shown:?}: {text}");
        assert!(served.seen().await.is_empty(), "{shown:?}");
    }
}

// What a handler returns is data: it cannot add a header, end a body early or begin an answer.
#[tokio::test]
async fn a_handler_cannot_break_its_answer() {
    let inner = "'HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n'";
    for (response, status) in [
        ("{headers = {x = 'a\\r\\nset-cookie: b'}}".to_string(), "500"),
        ("{headers = {x = 'a\\nb'}}".into(), "500"),
        ("{headers = {x = 'a\\0b'}}".into(), "500"),
        ("{headers = {['x: y\\r\\nz'] = 'a'}}".into(), "500"),
        ("{headers = {[''] = 'a'}}".into(), "500"),
        ("{cookies = {'a=b\\r\\nx: y'}}".into(), "500"),
        ("{status = 101}".into(), "500"),
        ("{status = 100}".into(), "500"),
        ("{status = 600}".into(), "500"),
        ("{status = 2.5}".into(), "500"),
        ("{status = '200'}".into(), "500"),
        ("{headers = {['content-length'] = '1'}, body = 'abc'}".into(), "200"),
        ("{headers = {['Transfer-Encoding'] = 'chunked'}, body = 'abc'}".into(), "200"),
        ("{headers = {connection = 'upgrade', upgrade = 'x'}, body = 'abc'}".into(), "200"),
        // A status without a body has none, whatever the handler gives.
        (format!("{{status = 204, body = {inner}}}"), "204"),
        (format!("{{status = 304, body = {inner}}}"), "304"),
        ("{status = 204, body = function() return nil end}".into(), "204"),
        // Empty pieces are none, and do not end the body.
        (
            "{body = (function()
                local n = 0
                return function() n = n + 1 return ({'', 'a', '', 'bc', ''})[n] end
              end)()}"
                .into(),
            "200",
        ),
        ("function() end".into(), "500"),
        ("true".into(), "500"),
        ("{1, 2}".into(), "500"),
        ("{body = {}}".into(), "500"),
        ("{bdy = 'x'}".into(), "500"),
        ("{[1.5] = 'x'}".into(), "500"),
        ("{body = 'x', ['\\xff'] = 1}".into(), "500"),
        ("coroutine.create(print)".into(), "500"),
        ("error({code = 1})".into(), "500"),
    ] {
        let handler = format!(
            "function(r) if r.path == '/next' then return 'next' end return {response} end"
        );
        let served = serve(&handler).await;
        let text = served.raw(format!("GET / HTTP/1.1\r\nhost: x\r\n\r\n{NEXT}")).await;
        let found = statuses(&text);
        assert_eq!(found, [status, "200"], "{response}: {text}");
        assert!(text.ends_with("\r\n\r\nnext"), "{response}: {text}");
        assert!(!text.contains("set-cookie: b"), "{response}: {text}");
        if status == "200" && text.contains("chunked") {
            assert!(text.contains("1\r\na\r\n2\r\nbc\r\n0\r\n\r\nHTTP"), "{text}");
        } else if status == "200" {
            assert!(text.contains("content-length: 3\r\n"), "{response}: {text}");
            assert!(text.contains("\r\n\r\nabcHTTP"), "{response}: {text}");
        }
    }
}

// A request that a script makes is one request, whatever the script writes into it.
#[tokio::test]
async fn a_script_cannot_break_its_request() {
    let (broker, (listener, port)) = (broker(), listen().await);
    let context = lua(&broker, "").await;
    let address = format!("http://127.0.0.1:{port}");
    for request in [
        "url = 'URL/a\\r\\nx: y'",
        "url = 'URL/a b'",
        "url = 'URL/\\0'",
        "url = 'URL\\\\@evil/'",
        "url = 'URL/', method = 'GET / HTTP/1.1\\r\\nx: y\\r\\n\\r\\nGET'",
        "url = 'URL/', method = ''",
        "url = 'URL/', method = 'G\\0T'",
        "url = 'URL/', headers = {['a\\r\\nb'] = 'c'}",
        "url = 'URL/', headers = {a = 'b\\r\\n\\r\\nGET / HTTP/1.1'}",
        "url = 'URL/', headers = {a = 'b\\nc'}",
        "url = 'URL/', headers = {a = {'b', 'c\\r\\nd'}}",
        "url = 'URL/', headers = {host = 'a\\r\\nb'}",
        "url = 'URL/', body = 'x', headers = {['content-type'] = 'a\\r\\nb'}",
    ] {
        let call = format!("http.request({{{}}})", request.replace("URL", &address));
        let error = within(context.eval::<Value>(&call)).await.expect_err(&call);
        assert_eq!(error.kind(), ErrorKind::Type, "{call}: {error}");
    }
    // Nobody was even connected to.
    let nobody = futures::FutureExt::now_or_never(listener.accept());
    assert!(nobody.is_none());
}

/// Answers each connection with the texts of `answers`, in turn, one for each request; tells how many
/// requests and connections there were.
async fn peer(listener: TcpListener, answers: Vec<String>) -> (usize, usize) {
    let (mut requests, mut connections) = (0, 0);
    while requests < answers.len() {
        let (mut stream, _) = listener.accept().await.unwrap();
        connections += 1;
        let mut read = Vec::new();
        while requests < answers.len() {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                break;
            }
            if read.ends_with(b"\r\n\r\n") {
                read.clear();
                let _ = stream.write_all(answers[requests].as_bytes()).await;
                requests += 1;
            }
        }
    }
    (requests, connections)
}

// What a server sends without being asked is not taken for the answer to the next request.
#[tokio::test]
async fn answers_to_nothing_are_not_believed() {
    let ok =
        |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    for extra in [ok("smuggled"), "HTTP/1.1 100 Continue\r\n\r\n".into(), "rubbish".into()] {
        let (broker, (listener, port)) = (broker(), listen().await);
        let context = lua(&broker, "").await;
        let answers = vec![format!("{}{extra}", ok("first")), ok("second")];
        let script = format!(
            "local url = 'http://127.0.0.1:{port}/'
             local one = http.get(url).body
             local ok, two = pcall(function() return http.get(url).body end)
             return {{one, ok and two or two.kind}}"
        );
        let serving = tokio::spawn(peer(listener, answers));
        let bodies: Vec<String> = within(context.eval(&script)).await.unwrap();
        assert_eq!(bodies[0], "first");
        assert!(["second", "transport"].contains(&&*bodies[1]), "{extra:?}: {bodies:?}");
        serving.abort();
    }
}

#[tokio::test]
async fn bad_lengths_of_an_answer_are_errors() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\nabc",
        "HTTP/1.1 2000 OK\r\n\r\nabc",
        "HTTP/3.0 200 OK\r\n\r\nabc",
        "220 ftp.example ready\r\n\r\n",
        "\x15\x03\x01\0\x02\x02\x16",
    ] {
        let (broker, (listener, port)) = (broker(), listen().await);
        let context = lua(&broker, "").await;
        let serving = tokio::spawn(peer(listener, vec![answer.to_string()]));
        let call = format!("return http.get('http://127.0.0.1:{port}/').body");
        let error = within(context.eval::<Value>(&call)).await.expect_err(answer);
        assert_eq!(error.kind(), ErrorKind::Transport, "{answer:?}: {error}");
        serving.abort();
    }
    // Heads without end are not kept without end.
    let (broker, (listener, port)) = (broker(), listen().await);
    let context = lua(&broker, "").await;
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        let part = "x".repeat(1000);
        while stream.write_all(format!("{part}: {part}\r\n").as_bytes()).await.is_ok() {}
    });
    let call = format!("return http.get('http://127.0.0.1:{port}/').body");
    let error = within(context.eval::<Value>(&call)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    within(serving).await.unwrap();
}

/// What a client gets for requests on one connection until that ends: the bodies of all answers.
/// None is cut, but the last may be missing.
async fn ask_on(port: u16, body: &str) -> usize {
    let mut stream = connect(port).await;
    let (mut read, mut answers) = (Vec::new(), 0);
    loop {
        if stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.is_err() {
            return answers;
        }
        loop {
            let text = String::from_utf8_lossy(&read);
            if let Some((_, rest)) = text.split_once("\r\n\r\n")
                && rest.len() >= body.len()
            {
                assert_eq!(rest, body);
                read.clear();
                answers += 1;
                break;
            }
            match within(stream.read_buf(&mut read)).await {
                Ok(1..) => {}
                _ => {
                    assert!(read.is_empty(), "an answer was cut: {}", read.len());
                    return answers;
                }
            }
        }
    }
}

// Closing ends what was begun and takes nothing new, however busy the server is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_closes_without_cutting_an_answer() {
    let served = serve("function(r) asked = (asked or 0) + 1 return ('x'):rep(20000) end").await;
    let body = "x".repeat(20_000);
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (port, body) = (served.port, body.clone());
            tokio::spawn(async move { ask_on(port, &body).await })
        })
        .collect();
    let is_busy = "while (asked or 0) < 200 do timer.sleep(1) end return http.close(server)";
    assert!(within(served.context.eval::<bool>(is_busy)).await.unwrap());
    let mut answers = 0;
    for client in clients {
        answers += within(client).await.unwrap();
    }
    assert!(answers >= 184, "all but those under way were there: {answers}");
}

// A context that closes is gone at once, whoever asks it something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_context_closes() {
    let served = serve("function(r) asked = (asked or 0) + 1 return 'x' end").await;
    let port = served.port;
    let clients: Vec<_> = (0..16).map(|_| tokio::spawn(ask_on(port, "x"))).collect();
    let is_busy = "while (asked or 0) < 200 do timer.sleep(1) end";
    within(served.context.eval::<()>(is_busy)).await.unwrap();
    within(served.context.close()).await;
    for client in clients {
        within(client).await.unwrap();
    }
    // Its port is free again.
    let again = TcpListener::bind(("127.0.0.1", port)).await;
    assert!(again.is_ok(), "{again:?}");
}

// A handler may end its own server: what it returns is still sent, and what was pipelined behind it
// is not begun.
#[tokio::test]
async fn a_handler_may_close_its_own_server() {
    let handler = "function(r)
        seen[#seen + 1] = r.path
        if r.path == '/last' then return {body = 'closed ' .. tostring(http.close(server))} end
        return 'one'
    end";
    let served = serve(handler).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let text =
        served.raw(format!("{}{}{}", get("/"), get("/last"), get("/after").repeat(100))).await;
    assert!(text.ends_with("closed true"), "{text}");
    assert_eq!(statuses(&text), ["200", "200"]);
    assert_eq!(served.seen().await, ["/", "/last"]);
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", served.port)).await.is_err());
}

// Clients that leave in the middle of what they send are forgotten, and their requests never begin.
#[tokio::test]
async fn clients_that_leave_in_the_middle_of_a_request_leave_nothing() {
    let served = serve(KEEPS).await;
    let whole = "POST /outer HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n0123456789";
    for cut in 1..whole.len() {
        let mut stream = connect(served.port).await;
        within(stream.write_all(&whole.as_bytes()[..cut])).await.unwrap();
        // Half of them by a reset.
        if cut % 2 == 0 {
            reset_on_drop(&stream);
        }
        drop(stream);
    }
    assert_eq!(statuses(&served.raw(NEXT).await), ["200"]);
    assert_eq!(served.seen().await, ["GET /next "]);
}

/// Without lingering, the drop of a connection is its reset.
#[allow(deprecated, reason = "a linger of 0 does not block")]
fn reset_on_drop(stream: &tokio::net::TcpStream) {
    stream.set_linger(Some(std::time::Duration::ZERO)).unwrap();
}
