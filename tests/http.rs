//! `http.serve` with handlers of every language, against clients that speak HTTP by hand.

#![cfg(all(feature = "lua", feature = "http"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod net_support;

use calog::{Broker, Context, Error, ErrorKind, Value};
use net_support::*;
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, mpsc},
};

/// A broker, a context that serves, and what nobody waited for.
struct Served {
    broker: Broker,
    context: Context,
    port: u16,
    failures: mpsc::UnboundedReceiver<Error>,
    /// Who has come to the native `gate`, who may go on, and who was dropped there.
    came: Arc<Semaphore>,
    gate: Arc<Semaphore>,
    gone: Arc<Semaphore>,
}

/// The pieces of a test's own builder: `gate()` waits until it is let through.
async fn open_served(language: &str, source: &str) -> Served {
    let (report, failures) = mpsc::unbounded_channel();
    let came = Arc::new(Semaphore::new(0));
    let (gate, gone) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let at = (came.clone(), gate.clone(), gone.clone());
    let broker = builder()
        .on_failure(move |failure| drop(report.send(failure.error)))
        .native_async("gate", move || {
            let (came, gate, gone) = at.clone();
            async move {
                /// Tells that the call was given up.
                struct Gone(Option<Arc<Semaphore>>);
                impl Drop for Gone {
                    fn drop(&mut self) {
                        self.0.iter().for_each(|gone| gone.add_permits(1));
                    }
                }
                let mut guard = Gone(Some(gone));
                came.add_permits(1);
                gate.acquire().await.unwrap().forget();
                guard.0 = None;
            }
        })
        .build()
        .unwrap();
    let context = open(&broker, language, source).await;
    Served { broker, context, port: 0, failures, came, gate, gone }
}

/// A server in Lua with this handler and these options.
async fn serve_with(handler: &str, options: &str) -> Served {
    let source = format!("server = http.serve('127.0.0.1:0', {handler}, {options})");
    let mut served = open_served("lua", &source).await;
    served.port = served.context.eval("return http.address(server).port").await.unwrap();
    served
}

async fn serve(handler: &str) -> Served {
    serve_with(handler, "{}").await
}

impl Served {
    async fn client(&self) -> Client {
        Client { stream: connect(self.port).await, read: Vec::new() }
    }

    /// What a client gets for one request with this head and body.
    async fn ask(&self, request: &str) -> Answer {
        let mut client = self.client().await;
        client.send(request).await;
        client.answer().await
    }

    async fn failure(&mut self) -> Error {
        within(self.failures.recv()).await.unwrap()
    }

    /// Waits until so many calls have come to the gate.
    async fn arrived(&self, count: u32) {
        within(self.came.acquire_many(count)).await.unwrap().forget();
    }
}

/// A client that speaks HTTP by hand.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    /// The headers, in lower case.
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Client {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Reads more. `false`: there is no more.
    async fn more(&mut self) -> bool {
        within(self.stream.read_buf(&mut self.read)).await.unwrap() > 0
    }

    /// The next response, to a request that was no HEAD.
    async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let line = self.until("\r\n").await;
                let size = usize::from_str_radix(&line, 16).unwrap();
                let piece = self.exactly(size + 2).await;
                if size == 0 {
                    return answer;
                }
                answer.body.push_str(&piece[..size]);
            }
        }
        let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
        answer.body = self.exactly(length).await;
        answer
    }

    async fn head(&mut self) -> Answer {
        let head = self.until("\r\n\r\n").await.to_lowercase().replace("\r\n", "\n");
        let status = head.strip_prefix("http/1.1 ").or(head.strip_prefix("http/1.0 ")).unwrap();
        Answer { status: status[..3].parse().unwrap(), head, body: String::new() }
    }

    async fn until(&mut self, end: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some((before, _)) = text.split_once(end) {
                self.read.drain(..before.len() + end.len());
                return before.to_string();
            }
            assert!(self.more().await, "the server hung up after {text:?}");
        }
    }

    async fn exactly(&mut self, count: usize) -> String {
        while self.read.len() < count {
            assert!(self.more().await, "the server hung up after {:?}", self.read);
        }
        String::from_utf8(self.read.drain(..count).collect()).unwrap()
    }

    /// What comes until the server closes the connection.
    async fn rest(mut self) -> String {
        while self.more().await {}
        String::from_utf8(self.read).unwrap()
    }
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn a_handler_sees_the_request() {
    let served = serve(
        "function(r)
           assert(r.peer.host == '127.0.0.1' and r.peer.port > 0)
           return table.concat({r.method, r.path, r.query, r.headers['x-a'], r.headers.cookie,
             r.headers['set-cookie'] or '-', r.headers.host, r.body}, '|')
         end",
    )
    .await;
    let answer = served
        .ask(
            "POST /a%20b/../c?d=e&f HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\nCookie: a=b\r\n\
             cookie: c=d\r\nContent-Length: 4\r\n\r\ndata",
        )
        .await;
    assert_eq!(answer.body, "POST|/a%20b/../c|d=e&f|1, 2|a=b; c=d|-|x|data");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(answer.header("date").is_some(), "{answer:?}");
    let chunked = "PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let served = serve("function(r) return r.method .. r.path .. r.query .. r.body end").await;
    assert_eq!(served.ask(chunked).await.body, "PUT/abcde");
    assert_eq!(served.ask("OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n").await.body, "OPTIONS*");
    let absolute = "GET http://x/y?z HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(served.ask(absolute).await.body, "GET/yz");
}

#[tokio::test]
async fn a_handler_returns_a_response() {
    let served = serve(
        "function(r)
           if r.path == '/nil' then return nil end
           if r.path == '/empty' then return {} end
           return {status = 201, body = 'made', cookies = {'a=1', 'b=2'}, headers = {
             ['Content-Type'] = 'a/b', ['X-Many'] = {'1', '2'}, x_none = {},
             ['content-length'] = '99', connection = 'close', ['transfer-encoding'] = 'chunked'}}
         end",
    )
    .await;
    let answer = served.ask(GET).await;
    assert_eq!((answer.status, &*answer.body), (201, "made"));
    let mut lines: Vec<_> = answer.head.lines().skip(1).collect();
    lines.retain(|line| !line.starts_with("date: "));
    lines.sort_unstable();
    let wanted = [
        "content-length: 4",
        "content-type: a/b",
        "set-cookie: a=1",
        "set-cookie: b=2",
        "x-many: 1",
        "x-many: 2",
    ];
    assert_eq!(lines, wanted);
    let nothing = served.ask("GET /nil HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!((nothing.status, &*nothing.body), (204, ""));
    assert_eq!(nothing.header("content-type"), None);
    let empty = served.ask("GET /empty HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!((empty.status, empty.header("content-length")), (200, Some("0")));
}

#[tokio::test]
async fn requests_of_a_connection_are_answered_in_order() {
    let served = serve("function(r) return r.path end").await;
    let mut client = served.client().await;
    let requests: String =
        (0..50).map(|n| format!("GET /{n} HTTP/1.1\r\nhost: x\r\n\r\n")).collect();
    client.send(&requests).await;
    for n in 0..50 {
        assert_eq!(client.answer().await.body, format!("/{n}"));
    }
    // Byte by byte it is the same.
    for byte in GET.as_bytes() {
        client.send([*byte]).await;
    }
    assert_eq!(client.answer().await.body, "/");
    client.send("GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "/last");
    assert_eq!(client.rest().await, "");
    let mut old = served.client().await;
    old.send("GET /old HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.answer().await.body, "/old");
    assert_eq!(old.rest().await, "");
}

#[tokio::test]
async fn requests_of_several_connections_overlap() {
    let served = serve("function(r) if r.path == '/wait' then gate() end return r.path end").await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut client = served.client().await;
        client.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
        waiting.push(client);
    }
    served.arrived(20).await;
    assert_eq!(served.ask(GET).await.body, "/");
    served.gate.add_permits(20);
    for mut client in waiting {
        assert_eq!(client.answer().await.body, "/wait");
    }
}

#[tokio::test]
async fn failures_of_a_handler_are_reported_and_not_told() {
    let mut served = serve(
        "function(r)
           local wrong = {
             raises = function() error('secret') end,
             number = function() return 7 end,
             list = function() return {'a', 'b'} end,
             status = function() return {status = 99} end,
             informational = function() return {status = 101} end,
             text = function() return {status = 'ok'} end,
             headers = function() return {headers = 'x'} end,
             split = function() return {headers = {x = 'a\\r\\nb: c'}} end,
             name = function() return {headers = {['a b'] = 'c'}} end,
             cookie = function() return {cookies = 'a=b'} end,
             body = function() return {body = {}} end,
             typo = function() return {stauts = 200} end,
           }
           return wrong[r.path:sub(2)]()
         end",
    )
    .await;
    for (path, kind) in [
        ("raises", ErrorKind::Raised),
        ("number", ErrorKind::Type),
        ("list", ErrorKind::Type),
        ("status", ErrorKind::Range),
        ("informational", ErrorKind::Range),
        ("text", ErrorKind::Type),
        ("headers", ErrorKind::Type),
        ("split", ErrorKind::Type),
        ("name", ErrorKind::Type),
        ("cookie", ErrorKind::Type),
        ("body", ErrorKind::Type),
        ("typo", ErrorKind::Type),
    ] {
        let answer = served.ask(&format!("GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        assert_eq!((answer.status, &*answer.body), (500, ""), "{path}");
        let failure = served.failure().await;
        assert_eq!(failure.kind(), kind, "{path}: {failure}");
        assert_eq!(failure.trace()[0].to_string(), "native http.serve");
    }
    assert!(served.failures.try_recv().is_err(), "each is reported once");
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call() {
    let mut served = serve("function(r) gate() return '' end").await;
    let mut client = served.client().await;
    client.send(GET).await;
    served.arrived(1).await;
    drop(client);
    within(served.gone.acquire()).await.unwrap().forget();
    // It is not a failure of anybody.
    within(served.context.close()).await;
    assert!(served.failures.try_recv().is_err());
}

#[tokio::test]
async fn slow_clients_are_not_waited_for() {
    let served =
        serve_with("function(r) return r.body end", "{header_timeout = 50, body_timeout = 50}")
            .await;
    for begin in ["", "GET", "GET / HTTP/1.1\r\nhost: x\r\n", "GET / HTTP/1.1\r\nhost: x\r\nx: y"] {
        let mut client = served.client().await;
        client.send(begin).await;
        assert_eq!(client.rest().await, "", "{begin}");
    }
    let mut client = served.client().await;
    client.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab").await;
    assert_eq!(client.answer().await.status, 408);
    assert_eq!(client.rest().await, "");
    // A connection that was good once is not kept for ever either.
    let mut client = served.client().await;
    client.send(GET).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn large_bodies_are_refused() {
    let served = serve_with("function(r) return '' .. #r.body end", "{max_body = 10}").await;
    let post = "POST / HTTP/1.1\r\nhost: x\r\n";
    let fits = served.ask(&format!("{post}content-length: 10\r\n\r\n0123456789")).await;
    assert_eq!((fits.status, &*fits.body), (200, "10"));
    // What is announced need not be sent.
    let announced = served.ask(&format!("{post}content-length: 11\r\n\r\n")).await;
    assert_eq!(announced.status, 413);
    let pieces = "transfer-encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n";
    assert_eq!(served.ask(&format!("{post}{pieces}")).await.status, 413);
    // The answer arrives also at a client that goes on sending.
    let mut client = served.client().await;
    let length = 100_000;
    client.send(format!("{post}content-length: {length}\r\n\r\n{}", "x".repeat(length))).await;
    assert_eq!(client.answer().await.status, 413);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn bodies_take_no_more_than_there_is_room_for() {
    let served = serve_with("function(r) return '' .. #r.body end", "{max_body = 64 << 20}").await;
    let post = "POST / HTTP/1.1\r\nhost: x\r\n";
    let mut first = served.client().await;
    // It does not say how long it will be, so it may need all the room.
    first.send(format!("{post}transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n")).await;
    assert_eq!(first.head().await.status, 100);
    let mut second = served.client().await;
    second.send(format!("{post}content-length: 4\r\nexpect: 100-continue\r\n\r\n")).await;
    // Who needs no room need not wait.
    assert_eq!(served.ask(GET).await.body, "0");
    let early = futures::poll!(Box::pin(second.head())).is_ready();
    assert!(!early, "there was room for the second");
    first.send("1\r\nx\r\n0\r\n\r\n").await;
    assert_eq!(first.answer().await.body, "1");
    assert_eq!(second.head().await.status, 100);
    second.send("data").await;
    assert_eq!(second.answer().await.body, "4");
}

#[tokio::test]
async fn a_client_may_ask_before_it_sends() {
    let served = serve_with("function(r) return r.body end", "{max_body = 10}").await;
    let post = "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n";
    let mut client = served.client().await;
    client.send(format!("{post}content-length: 4\r\n\r\n")).await;
    assert_eq!(client.head().await.status, 100);
    client.send("data").await;
    assert_eq!(client.answer().await.body, "data");
    assert_eq!(served.ask(&format!("{post}content-length: 11\r\n\r\n")).await.status, 413);
}

#[tokio::test]
async fn bad_requests_never_come_to_the_handler() {
    let mut served = serve("function(r) error('called') end").await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(70_000));
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    for (request, status) in [
        ("nonsense\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost : x\r\n\r\n", 400),
        ("G@T / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
        ("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\nab", 400),
        ("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        ("CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n", 501),
        (&long, 431),
        (&format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n"), 431),
    ] {
        let answer = served.ask(request).await;
        assert_eq!(answer.status, status, "{}", &request[..request.len().min(80)]);
    }
    assert!(served.failures.try_recv().is_err());
}

#[tokio::test]
async fn a_head_has_no_body() {
    let served = serve("function(r) return r.method end").await;
    let mut client = served.client().await;
    client.send("HEAD / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("4")));
    client.send(GET).await;
    assert_eq!(client.answer().await.body, "GET");
}

#[tokio::test]
async fn a_handler_has_a_time_limit() {
    let mut served = serve_with("function(r) gate() end", "{handler_timeout = 50}").await;
    assert_eq!(served.ask(GET).await.status, 503);
    assert_eq!(served.failure().await.kind(), ErrorKind::Timeout);
    within(served.gone.acquire()).await.unwrap().forget();
}

#[tokio::test]
async fn a_server_that_closes_ends_what_it_has_begun() {
    let served = serve("function(r) if r.path == '/wait' then gate() end return 'done' end").await;
    let mut busy = served.client().await;
    busy.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    served.arrived(1).await;
    let mut idle = served.client().await;
    idle.send(GET).await;
    assert_eq!(idle.answer().await.body, "done");
    let close = "return http.close(server)";
    assert!(served.context.eval::<bool>(close).await.unwrap());
    assert!(!served.context.eval::<bool>(close).await.unwrap());
    let gone = served.context.eval::<Value>("http.address(server)").await;
    assert_eq!(kind(gone), ErrorKind::Dead);
    assert_eq!(idle.rest().await, "");
    // The port is free, and nobody else is served.
    let again = format!("return http.close(http.serve('127.0.0.1:{}', print))", served.port);
    assert!(served.context.eval::<bool>(&again).await.unwrap());
    assert!(TcpStream::connect(("127.0.0.1", served.port)).await.is_err());
    served.gate.add_permits(1);
    assert_eq!(busy.answer().await.body, "done");
    assert_eq!(busy.rest().await, "");
    // Nothing is left that a program would go on for, and nobody holds the handler any more.
    within(served.broker.settled()).await;
    let usage = async || served.context.usage().await.unwrap();
    within(async { while usage().await.handles > 0 {} }).await;
    assert_eq!(usage().await.resources, 0);
}

#[tokio::test]
async fn a_server_that_closes_does_not_wait_for_ever() {
    let served = serve_with("function(r) gate() end", "{grace = 50}").await;
    let mut busy = served.client().await;
    busy.send(GET).await;
    served.arrived(1).await;
    served.context.eval::<bool>("return http.close(server)").await.unwrap();
    within(served.gone.acquire()).await.unwrap().forget();
    assert_eq!(busy.rest().await, "");
    within(served.broker.settled()).await;
}

#[tokio::test]
async fn a_server_ends_with_its_context() {
    let mut served = serve("function(r) gate() end").await;
    // In the order in which they are accepted: one that was not is reset and not closed.
    let (idle, mut busy) = (served.client().await, served.client().await);
    busy.send(GET).await;
    served.arrived(1).await;
    within(served.context.close()).await;
    assert!(TcpStream::connect(("127.0.0.1", served.port)).await.is_err());
    assert_eq!(busy.rest().await, "");
    assert_eq!(idle.rest().await, "");
    within(served.broker.settled()).await;
    assert!(served.failures.try_recv().is_err());
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let served = serve_with("function(r) return r.path end", "{max_connections = 1}").await;
    let mut first = served.client().await;
    first.send(GET).await;
    assert_eq!(first.answer().await.body, "/");
    let mut second = served.client().await;
    second.send("GET /second HTTP/1.1\r\nhost: x\r\n\r\n").await;
    first.send(GET).await;
    assert_eq!(first.answer().await.body, "/");
    let mut byte = [0];
    let early = futures::poll!(Box::pin(second.stream.read(&mut byte))).is_ready();
    assert!(!early, "it was served beside the first");
    drop(first);
    assert_eq!(second.answer().await.body, "/second");
}

#[tokio::test]
async fn a_body_may_come_in_pieces() {
    let mut served = serve(
        "function(r)
           local n = 0
           return {body = function()
             if r.path == '/wait' then gate() end
             n = n + 1
             if n == 3 then
               if r.path == '/fail' then error('broken') end
               return nil
             end
             return 'piece ' .. n .. (r.path == '/large' and ('x'):rep(4000000) or '')
           end}
         end",
    )
    .await;
    let answer = served.ask(GET).await;
    assert_eq!(answer.body, "piece 1piece 2");
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    // Each is sent when it is there.
    let mut client = served.client().await;
    client.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    for n in 1..=2 {
        served.gate.add_permits(1);
        assert_eq!(client.until("\r\n").await, "7");
        assert_eq!(client.until("\r\n").await, format!("piece {n}"));
        served.arrived(1).await;
    }
    // A client that goes away ends it.
    drop(client);
    within(served.gone.acquire()).await.unwrap().forget();
    // What breaks off is not whole.
    let mut client = served.client().await;
    client.send("GET /fail HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let rest = client.rest().await;
    assert!(rest.ends_with("7\r\npiece 2\r\n"), "{rest}");
    assert_eq!(served.failure().await.kind(), ErrorKind::Raised);
    // To a HEAD none of them is asked for.
    let mut client = served.client().await;
    client.send("HEAD /fail HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn pieces_wait_for_the_client() {
    let served = serve(
        "function(r)
           local n = 0
           return {body = function()
             n = n + 1
             count = n
             return n <= 200 and ('x'):rep(100000) or nil
           end}
         end",
    )
    .await;
    let mut client = served.client().await;
    client.send(GET).await;
    // As long as nobody reads, only as many are asked for as the system takes.
    let mut before = 0;
    loop {
        let count =
            served.context.eval::<Option<u32>>("timer.sleep(20) return count").await.unwrap();
        let count = count.unwrap_or(0);
        if count > 0 && count == before {
            break;
        }
        before = count;
    }
    assert!(before < 200, "all was asked for although nobody reads");
    assert_eq!(client.answer().await.body.len(), 20_000_000);
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let served =
        serve_with("function(r) return ('x'):rep(30000000) end", "{write_timeout = 50}").await;
    let mut client = served.client().await;
    client.send(GET).await;
    let tasks = async || served.context.usage().await.unwrap().tasks;
    // The one that is left is the one that accepts.
    within(async {
        while tasks().await < 2 {}
        while tasks().await > 1 {}
    })
    .await;
}

#[tokio::test]
async fn what_a_client_gets_may_be_handed_on() {
    let served = serve(
        "function(r)
           if r.path == '/behind' then
             return {status = 418, body = 'tea', cookies = {'a=1', 'b=2'}, headers = {x = 'y'}}
           end
           return http.get('http://' .. r.headers.host .. '/behind')
         end",
    )
    .await;
    let host = format!("127.0.0.1:{}", served.port);
    let answer = served.ask(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
    assert_eq!((answer.status, &*answer.body), (418, "tea"));
    assert_eq!(answer.header("x"), Some("y"));
    assert_eq!(answer.head.matches("set-cookie: ").count(), 2, "{}", answer.head);
}

#[tokio::test]
async fn a_server_may_speak_tls() {
    let broker = builder()
        .data("cert", include_str!("certs/server.pem"))
        .data("key", include_str!("certs/server.key"))
        .data("ca", include_str!("certs/ca.pem"))
        .build()
        .unwrap();
    let server = lua(
        &broker,
        "local function handle(r) return r.peer.host .. r.body end
         server = http.serve('127.0.0.1:0', handle, {cert = cert, key = key})
         strict = http.serve('127.0.0.1:0', handle, {cert = cert, key = key, ca = ca})
         hasty = http.serve('127.0.0.1:0', handle, {cert = cert, key = key, header_timeout = 50})",
    )
    .await;
    let port = async |name: &str| -> u16 {
        server.eval(&format!("return http.address({name}).port")).await.unwrap()
    };
    let (open, strict) = (port("server").await, port("strict").await);
    let script = format!("return http.post('https://localhost:{open}/', 'x', {{ca = ca}}).body");
    let client = lua(&broker, "").await;
    assert_eq!(within(client.eval::<String>(&script)).await.unwrap(), "127.0.0.1x");
    // Who says nothing, or what is no TLS, is not waited for.
    for words in ["", GET] {
        let mut stream = connect(port("hasty").await).await;
        stream.write_all(words.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = within(stream.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    // Who proves nothing is not heard.
    let script = format!("http.get('https://localhost:{strict}/', {{ca = ca}})");
    assert_eq!(kind(within(client.eval::<Value>(&script)).await), ErrorKind::Transport);
    for options in ["{cert = cert}", "{key = key}", "{ca = ca}", "{cert = 'x', key = key}"] {
        let script = format!("http.serve('127.0.0.1:0', print, {options})");
        assert_eq!(kind(client.eval::<Value>(&script).await), ErrorKind::Type, "{options}");
    }
}

#[tokio::test]
async fn an_answer_counts_also_if_it_comes_before_all_is_sent() {
    let served = serve_with("function(r) return '' end", "{max_body = 10}").await;
    let client = lua(&served.broker, "").await;
    let url = format!("'http://127.0.0.1:{}/'", served.port);
    for _ in 0..5 {
        let script = format!("return http.post({url}, ('x'):rep(8000000)).status");
        assert_eq!(within(client.eval::<u16>(&script)).await.unwrap(), 413);
        let script = format!("return http.get({url}).status");
        assert_eq!(within(client.eval::<u16>(&script)).await.unwrap(), 200);
    }
}

#[tokio::test]
async fn a_handler_may_be_of_another_context() {
    let mut served = open_served("lua", "").await;
    let other = open(
        &served.broker,
        "lua",
        "expose('handler', function() return function(r) return 'from the other: ' .. r.path end end)",
    )
    .await;
    served.context.eval::<()>("server = http.serve('127.0.0.1:0', handler())").await.unwrap();
    served.port = served.context.eval("return http.address(server).port").await.unwrap();
    assert_eq!(served.ask(GET).await.body, "from the other: /");
    within(other.close()).await;
    assert_eq!(served.ask(GET).await.status, 500);
    assert_eq!(served.failure().await.kind(), ErrorKind::Dead);
}

#[cfg(feature = "js")]
#[tokio::test]
async fn a_handler_may_be_an_async_function() {
    let mut served = open_served(
        "js",
        "globalThis.server = http.serve('127.0.0.1:0', async (r) => {
           await gate.async()
           if (!(r.body instanceof Uint8Array)) throw new Error('not bytes')
           let n = 0
           if (r.path === '/pieces') return { body: () => (n < 3 ? `${++n}\\n` : null) }
           if (r.path === '/bytes') return new Uint8Array([104, 105])
           return { status: 201, headers: { 'x-a': 'b' }, body: r.method + String.fromCharCode(...r.body) }
         })
         undefined",
    )
    .await;
    served.port = served.context.eval("http.address(server).port").await.unwrap();
    served.gate.add_permits(3);
    let post = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab";
    let answer = served.ask(post).await;
    assert_eq!((answer.status, &*answer.body, answer.header("x-a")), (201, "POSTab", Some("b")));
    let bytes = served.ask("GET /bytes HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(bytes.body, "hi");
    let pieces = served.ask("GET /pieces HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(pieces.body, "1\n2\n3\n");
    assert_eq!(bytes.header("content-type"), Some("application/octet-stream"));
}

#[cfg(feature = "basic")]
#[tokio::test]
async fn a_handler_may_be_a_routine_of_basic() {
    let mut served = open_served(
        "basic",
        "DEF handle(request)
           headers = request(\"headers\")
           answer = DICT(\"status\", 201, \"body\", request(\"path\") + headers(\"host\") + request(\"body\"))
           RETURN answer
         ENDDEF
         server = HTTP.SERVE(\"127.0.0.1:0\", CALL(handle))
         DEF port()
           place = HTTP.ADDRESS(server)
           RETURN place(\"port\")
         ENDDEF
         EXPOSE(\"port\", CALL(port))",
    )
    .await;
    served.port = served.context.call("port", ()).await.unwrap();
    let answer = served.ask("POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab").await;
    assert_eq!((answer.status, &*answer.body), (201, "/pxab"));
}

#[tokio::test]
async fn nothing_listens_without_a_grant() {
    let broker = broker();
    let context = broker.open("lua").await.unwrap();
    let error = context.eval::<()>("http.serve('127.0.0.1:8080', print)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.message().contains("--allow-net=127.0.0.1:8080"), "{error}");
}

#[tokio::test]
async fn mistakes_of_the_script_are_told() {
    let (broker, (_listener, port)) = (broker(), listen().await);
    let context = lua(&broker, "").await;
    for (call, kind) in [
        ("http.serve('127.0.0.1', print)", ErrorKind::Type),
        ("http.serve(':8080', print)", ErrorKind::Type),
        ("http.serve('127.0.0.1:', print)", ErrorKind::Type),
        ("http.serve('127.0.0.1:http', print)", ErrorKind::Type),
        ("http.serve('127.0.0.1:+80', print)", ErrorKind::Type),
        ("http.serve('127.0.0.1:65536', print)", ErrorKind::Range),
        ("http.serve('127.0.0.1:0')", ErrorKind::Arity),
        ("http.serve('127.0.0.1:0', 'print')", ErrorKind::Type),
        ("http.serve('127.0.0.1:0', print, {max_bodies = 1})", ErrorKind::Type),
        ("http.serve('127.0.0.1:0', print, {max_connections = 0})", ErrorKind::Range),
        ("http.serve('127.0.0.1:0', print, {handler_timeout = -1})", ErrorKind::Range),
        ("http.address(1000)", ErrorKind::Dead),
        ("http.address(timer.after(1e9, print))", ErrorKind::Type),
        ("http.close(timer.after(1e9, print))", ErrorKind::Type),
        (&format!("http.serve('127.0.0.1:{port}', print)"), ErrorKind::Busy),
    ] {
        let error = context.eval::<Value>(call).await.expect_err(call);
        assert_eq!(error.kind(), kind, "{call}: {error}");
    }
    assert!(!context.eval::<bool>("return http.close(1000)").await.unwrap());
}
