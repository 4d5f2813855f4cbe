//! `http.get`, `http.post` and `http.request` against peers that follow a script, good ones and bad ones.

#![cfg(all(feature = "lua", feature = "http"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod net_support;

use calog::{ErrorKind, Value};
use net_support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// One end of a connection on which the test speaks HTTP by hand.
struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    async fn accept(listener: &TcpListener) -> Self {
        Self { stream: within(listener.accept()).await.unwrap().0, read: Vec::new() }
    }

    /// The next request, whole: its head in lower case, an empty line, its body.
    async fn request(&mut self) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                let size = head.len();
                let head = head.to_lowercase().replace("\r\n", "\n");
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length = length.map_or(0, |length| length.parse().unwrap());
                if rest.len() >= length {
                    self.read.drain(..size + 4 + length);
                    return format!("{head}\n\n{}", &rest[..length]);
                }
            }
            let count = within(self.stream.read_buf(&mut self.read)).await.unwrap();
            assert!(count > 0, "the client hung up after {text:?}");
        }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Waits until the client closes the connection.
    async fn hung_up(&mut self) {
        while within(self.stream.read_buf(&mut self.read)).await.is_ok_and(|count| count > 0) {}
    }
}

/// Answers one request on a connection of its own, which is then closed; the request.
async fn answer(listener: &TcpListener, response: impl AsRef<[u8]>) -> String {
    let mut peer = Peer::accept(listener).await;
    let request = peer.request().await;
    peer.send(response).await;
    request
}

/// What `script` returns, in which `URL` is the address of the peer that answers with `response`.
async fn exchange(script: &str, response: impl AsRef<[u8]>) -> (calog::Result<Value>, String) {
    let (broker, (listener, port)) = (broker(), listen().await);
    let context = lua(&broker, "").await;
    let script = script.replace("URL", &format!("'http://127.0.0.1:{port}/a/b?c=d'"));
    let (result, request) =
        within(async { tokio::join!(context.eval(&script), answer(&listener, response)) }).await;
    (result, request)
}

/// The text that `script` returns.
async fn text(script: &str, response: impl AsRef<[u8]>) -> String {
    exchange(script, response).await.0.unwrap().as_str().unwrap().to_string()
}

/// The error that `script` raises.
async fn error(script: &str, response: impl AsRef<[u8]>) -> (ErrorKind, String) {
    let error = exchange(script, response).await.0.unwrap_err();
    (error.kind(), error.message().to_string())
}

#[tokio::test]
async fn a_request_is_what_the_script_says() {
    let (result, request) = exchange(
        "local r = http.post(URL, 'data', {headers = {['X-One'] = 'a', two = {'b', 'c'},
           ['content-length'] = '77', ['transfer-encoding'] = 'chunked', connection = 'close'}})
         return r.status .. r.body .. type(r.headers) .. #r.cookies",
        OK,
    )
    .await;
    assert_eq!(result.unwrap().as_str(), Some("200oktable0"));
    let (head, body) = request.split_once("\n\n").unwrap();
    assert_eq!(body, "data");
    let mut lines: Vec<_> = head.lines().collect();
    assert_eq!(lines.remove(0), "post /a/b?c=d http/1.1");
    lines.sort_unstable();
    let host = lines.iter().position(|line| line.starts_with("host: 127.0.0.1:")).unwrap();
    lines.remove(host);
    let agent = format!("user-agent: calog/{}", env!("CARGO_PKG_VERSION"));
    let wanted = [
        "accept: */*",
        "content-length: 4",
        "content-type: text/plain; charset=utf-8",
        "two: b",
        "two: c",
        &agent,
        "x-one: a",
    ];
    assert_eq!(lines, wanted);

    let (_, empty) = exchange("return http.post(URL, '').body", OK).await;
    assert!(empty.contains("\ncontent-length: 0\n"), "{empty}");

    let script = "return http.request{url = URL, method = 'put', body = 'x',
        headers = {['content-type'] = 'a/b', accept = {}, ['user-agent'] = 'me'}}.body";
    let (_, request) = exchange(script, OK).await;
    assert!(request.starts_with("put /a/b?c=d http/1.1\n"), "{request}");
    for line in ["content-type: a/b", "user-agent: me"] {
        assert!(request.lines().any(|other| other == line), "{request}");
    }
}

#[tokio::test]
async fn headers_are_one_text_each() {
    let response = "HTTP/1.1 404 Not Found\r\nX-A: 1\r\nx-b: x\r\nX-a: 2\r\nSet-Cookie: a=1, b\r\n\
                    x-odd: \u{e9}\r\nset-cookie: c=2\r\ncontent-length: 0\r\n\r\n";
    // The odd one as a byte of Latin-1, not as UTF-8.
    let odd = response.replace('\u{e9}', "?").into_bytes();
    let odd: Vec<u8> = odd.into_iter().map(|b| if b == b'?' { 0xe9 } else { b }).collect();
    let script = "local r = http.get(URL)
        return table.concat({r.status, r.headers['x-a'], r.headers['x-b'], r.headers['x-odd'],
          tostring(r.headers['set-cookie']), r.cookies[1], r.cookies[2], #r.body}, '|')";
    assert_eq!(text(script, &odd).await, "404|1, 2|x|\u{e9}|nil|a=1, b|c=2|0");
    assert_eq!(text(script, response).await, "404|1, 2|x|\u{e9}|nil|a=1, b|c=2|0");
}

#[tokio::test]
async fn bodies_come_whole() {
    let script = "local r = http.get(URL) return #r.body .. ':' .. r.body";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nx-trailer: 1\r\n\r\n";
    assert_eq!(text(script, chunked).await, "4:abcd");
    // Without a length the end of the connection is the end of the body.
    assert_eq!(text(script, "HTTP/1.1 200 OK\r\n\r\nuntil the end").await, "13:until the end");
    assert_eq!(text(script, "HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabcdef").await, "3:abc");
    assert_eq!(text(script, "HTTP/1.1 204 No Content\r\n\r\n").await, "0:");
    let continued = format!("HTTP/1.1 100 Continue\r\n\r\n{OK}");
    assert_eq!(text(script, continued).await, "2:ok");
    // The length of what a GET would give is no limit for a HEAD.
    let head =
        "return http.request{url = URL, method = 'HEAD', max_body = 1}.headers['content-length']";
    assert_eq!(text(head, "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n").await, "999");
}

#[tokio::test]
async fn bad_answers_are_errors_of_the_connection() {
    let script = "return http.get(URL).body";
    for bad in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nab\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/3.7 200 OK\r\n\r\n",
    ] {
        assert_eq!(error(script, bad).await.0, ErrorKind::Transport, "{bad}");
    }
    let headers: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let many = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
    assert_eq!(error(script, many).await.0, ErrorKind::Transport);
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let (broker, (listener, port)) = (broker(), listen().await);
    let context = lua(&broker, "").await;
    let script = format!("return http.get('http://127.0.0.1:{port}/').body");
    let peer = async {
        let mut peer = Peer::accept(&listener).await;
        peer.request().await;
        // The client may hang up before it has taken all.
        let _ = peer.stream.write_all(large.as_bytes()).await;
    };
    let (result, ()) = within(async { tokio::join!(context.eval::<Value>(&script), peer) }).await;
    assert_eq!(kind(result), ErrorKind::Transport);
}

#[tokio::test]
async fn nobody_there_is_an_error_that_says_so() {
    let broker = broker();
    let context = lua(&broker, "").await;
    let (listener, port) = listen().await;
    drop(listener);
    let result = context.eval::<Value>(&format!("http.get('http://127.0.0.1:{port}/')")).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(error.message().contains("nothing was sent"), "{error}");
}

#[tokio::test]
async fn large_bodies_are_refused() {
    for (most, response, fits) in [
        (4, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd", true),
        (3, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd", false),
        (4, "HTTP/1.1 200 OK\r\n\r\nabcd", true),
        (3, "HTTP/1.1 200 OK\r\n\r\nabcd", false),
        (
            5,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n",
            false,
        ),
        (
            6,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n",
            true,
        ),
        (9, "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n", false),
    ] {
        let script = format!("return http.get(URL, {{max_body = {most}}}).body");
        let result = exchange(&script, response).await.0;
        let expected =
            if response.contains("999999") { ErrorKind::Transport } else { ErrorKind::Range };
        match fits {
            true => assert!(result.is_ok(), "{response}"),
            false => assert_eq!(kind(result), expected, "{response}"),
        }
    }
    // Nobody has to wait for what is announced.
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 9 << 20);
    assert_eq!(error("return http.get(URL)", announced).await.0, ErrorKind::Range);
}

#[tokio::test]
async fn bodies_that_come_together_are_bounded_together() {
    let (broker, (listener, port)) = (broker(), listen().await);
    let limits = calog::Limits::default().value_bytes(100_000);
    let context = broker.open("lua").permissions(loopback()).limits(limits).await.unwrap();
    let url = format!("'http://127.0.0.1:{port}/'");
    let get =
        format!("local ok, r = pcall(http.get, {url}) return ok and tostring(#r.body) or r.kind");
    let in_pieces = format!(
        "local sum = 0
         http.get({url}, {{on_data = function(data) sum = sum + #data end}})
         return sum"
    );
    // A peer that has sent all of a body but its last byte.
    let almost = async || {
        let mut peer = Peer::accept(&listener).await;
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n").await;
        let _ = peer.stream.write_all("x".repeat(59_999).as_bytes()).await;
        peer
    };
    let peers = async {
        let (mut one, mut two) = (almost().await, almost().await);
        // There is not enough for both, so the client hangs up on one.
        let mut kept = tokio::select! {
            () = one.hung_up() => two,
            () = two.hung_up() => one,
        };
        // What is handed over in pieces takes nothing.
        let third = async {
            let mut third = almost().await;
            third.send("x").await;
            third
        };
        let (sum, _third) = tokio::join!(context.eval::<usize>(&in_pieces), third);
        assert_eq!(sum.unwrap(), 60_000);
        kept.send("x").await;
    };
    let gets = async { tokio::join!(context.eval::<String>(&get), context.eval::<String>(&get)) };
    let ((one, two), ()) = within(Box::pin(async { tokio::join!(gets, peers) })).await;
    let mut results = [one.unwrap(), two.unwrap()];
    results.sort();
    assert_eq!(results, ["60000", "memory"]);
}

#[tokio::test]
async fn an_exchange_has_a_time_limit() {
    let (broker, (listener, port)) = (broker(), listen().await);
    let context = lua(&broker, "").await;
    for begin in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"] {
        let script = format!("http.get('http://127.0.0.1:{port}/', {{timeout = 50}})");
        let peer = async {
            let mut peer = Peer::accept(&listener).await;
            peer.request().await;
            peer.send(begin).await;
            // The client does not leave the connection open for what comes too late.
            peer.hung_up().await;
        };
        let (result, ()) =
            within(async { tokio::join!(context.eval::<Value>(&script), peer) }).await;
        assert_eq!(kind(result), ErrorKind::Timeout, "{begin}");
    }
}

#[tokio::test]
async fn pieces_are_handed_over_one_by_one() {
    let (broker, (listener, port)) = (broker(), listen().await);
    let context = lua(
        &broker,
        "seen, waiting = {}, false
         function take(data)
           assert(not waiting, 'the one before has not ended')
           waiting = true
           expose('let_through', function() waiting = false end)
           while waiting do timer.sleep(1) end
           seen[#seen + 1] = data
         end
         expose('count', function() return #seen end)
         expose('is_waiting', function() return waiting end)",
    )
    .await;
    let script = format!(
        "local r = http.get('http://127.0.0.1:{port}/', {{on_data = take, max_body = 2000000}})
         return r.status .. ':' .. tostring(r.body) .. ':' .. #table.concat(seen)"
    );
    let peer = async {
        let mut peer = Peer::accept(&listener).await;
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await;
        peer.send(vec![b'x'; 1_000_000]).await;
    };
    let pass = async {
        // Each call has to be let through before the next comes.
        let mut passed = 0;
        loop {
            while !context.call::<bool>("is_waiting", ()).await.unwrap() {
                if context.call::<usize>("count", ()).await.unwrap() < passed {
                    tokio::task::yield_now().await;
                }
                if context.eval::<bool>("return done == true").await.unwrap() {
                    return passed;
                }
            }
            assert_eq!(context.call::<usize>("count", ()).await.unwrap(), passed);
            context.call::<()>("let_through", ()).await.unwrap();
            passed += 1;
        }
    };
    let get = async {
        let result = context.eval::<String>(&script).await;
        context.eval::<()>("done = true").await.unwrap();
        result
    };
    let (result, (), passed) = within(async { tokio::join!(get, peer, pass) }).await;
    assert_eq!(result.unwrap(), "200:nil:1000000");
    assert!(passed > 1, "{passed} calls");
}

#[tokio::test]
async fn a_failing_callback_ends_the_exchange() {
    let script = "return http.get(URL, {on_data = function() error('enough') end})";
    let (kind, message) = error(script, OK).await;
    assert_eq!(kind, ErrorKind::Raised);
    assert!(message.contains("enough"), "{message}");
    let script = "return http.get(URL, {on_data = function() end, max_body = 1})";
    assert_eq!(error(script, OK).await.0, ErrorKind::Range);
}

/// A redirect to `location`.
fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} There\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test]
async fn redirects_are_followed_as_often_as_is_said() {
    let there = redirect(302, "/there");
    assert_eq!(text("return '' .. http.get(URL).status", &there).await, "302");
    for (status, method, then) in [
        (301, "POST", "get /there"),
        (302, "POST", "get /there"),
        (303, "PUT", "get /there"),
        (303, "HEAD", "head /there"),
        (307, "POST", "post /there"),
        (308, "PUT", "put /there"),
        (301, "PUT", "put /there"),
    ] {
        let (broker, (listener, port)) = (broker(), listen().await);
        let context = lua(&broker, "").await;
        let script = format!(
            "return http.request{{url = 'http://127.0.0.1:{port}/', method = '{method}', body = 'b',
               redirects = 1, headers = {{authorization = 'secret', cookie = 'c', x = 'y'}}}}.status"
        );
        let peer = async {
            let mut peer = Peer::accept(&listener).await;
            peer.request().await;
            peer.send(redirect(status, "/there")).await;
            let request = peer.request().await;
            peer.send(redirect(status, "/again")).await;
            request
        };
        let (result, request) =
            within(async { tokio::join!(context.eval::<u16>(&script), peer) }).await;
        // The second is not followed any more, but given as it is.
        assert_eq!(result.unwrap(), status);
        assert!(request.starts_with(&format!("{then} http/1.1\n")), "{request}");
        let keeps_body = !then.starts_with("get");
        assert_eq!(request.ends_with("\n\nb"), keeps_body, "{request}");
        assert_eq!(request.contains("content-type"), keeps_body, "{request}");
        // It is the same server, which may see what was meant for it.
        assert!(request.contains("authorization: secret\n"), "{request}");
    }
}

#[tokio::test]
async fn another_server_sees_no_secrets() {
    let (broker, (first, port)) = (broker(), listen().await);
    let (second, other) = listen().await;
    let context = lua(&broker, "").await;
    let script = format!(
        "return http.get('http://127.0.0.1:{port}/', {{redirects = 5,
           headers = {{authorization = 'secret', cookie = 'c', host = 'me', x = 'y'}}}}).body"
    );
    let peers = async {
        answer(&first, redirect(302, &format!("http://127.0.0.1:{other}/x"))).await;
        answer(&second, OK).await
    };
    let (result, request) =
        within(async { tokio::join!(context.eval::<String>(&script), peers) }).await;
    assert_eq!(result.unwrap(), "ok");
    for secret in ["secret", "cookie", "host: me"] {
        assert!(!request.contains(secret), "{request}");
    }
    assert!(request.contains("x: y"), "{request}");
}

#[tokio::test]
async fn a_redirect_needs_a_grant_of_its_own() {
    let (broker, (listener, port)) = (broker(), listen().await);
    let (elsewhere, other) = listen().await;
    let permissions = calog::Permissions::none().allow_net(&format!("127.0.0.1:{port}")).unwrap();
    let context = broker.open("lua").permissions(permissions).await.unwrap();
    let script = format!("return http.get('http://127.0.0.1:{port}/', {{redirects = 5}})");
    let peer = answer(&listener, redirect(302, &format!("http://127.0.0.1:{other}/")));
    let (result, _) = within(async { tokio::join!(context.eval::<Value>(&script), peer) }).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.message().contains(&format!("--allow-net=127.0.0.1:{other}")), "{error}");
    let came = elsewhere.accept();
    assert!(futures::poll!(Box::pin(came)).is_pending(), "nobody was connected to");
}

#[tokio::test]
async fn odd_redirects_are_given_as_they_are() {
    for location in ["ftp://127.0.0.1/", "javascript:1", "http://a b/", "http://u:p@127.0.0.1/"] {
        let script = "return '' .. http.get(URL, {redirects = 9}).status";
        assert_eq!(text(script, redirect(302, location)).await, "302", "{location}");
    }
    let nowhere = "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(text("return '' .. http.get(URL, {redirects = 9}).status", nowhere).await, "302");
    let no_redirect = "HTTP/1.1 304 Not Modified\r\nlocation: /x\r\n\r\n";
    assert_eq!(
        text("return '' .. http.get(URL, {redirects = 9}).status", no_redirect).await,
        "304"
    );
}

#[tokio::test]
async fn a_loop_of_redirects_ends() {
    let (broker, (listener, port)) = (broker(), listen().await);
    let context = lua(&broker, "").await;
    let script = format!("return http.get('http://127.0.0.1:{port}/', {{redirects = 20}}).status");
    let peer = async {
        let mut peer = Peer::accept(&listener).await;
        for _ in 0..21 {
            // They all come on one connection.
            peer.request().await;
            peer.send(redirect(302, "/")).await;
        }
    };
    let (result, ()) = within(async { tokio::join!(context.eval::<u16>(&script), peer) }).await;
    assert_eq!(result.unwrap(), 302);
}

#[tokio::test]
async fn connections_are_kept_and_closed_with_the_context() {
    let (broker, (listener, port)) = (broker(), listen().await);
    let context = lua(&broker, "").await;
    let script = format!("return http.post('http://127.0.0.1:{port}/', 'x').body");
    let mut peer = {
        let peer = async {
            let mut peer = Peer::accept(&listener).await;
            peer.request().await;
            peer.send(OK).await;
            peer
        };
        let (result, peer) =
            within(async { tokio::join!(context.eval::<String>(&script), peer) }).await;
        assert_eq!(result.unwrap(), "ok");
        peer
    };
    let again = async {
        peer.request().await;
        peer.send(OK).await;
    };
    let (result, ()) = within(async { tokio::join!(context.eval::<String>(&script), again) }).await;
    assert_eq!(result.unwrap(), "ok");
    // A connection that nobody uses is nothing that a program would go on for.
    within(broker.settled()).await;
    within(context.close()).await;
    peer.hung_up().await;
}

#[tokio::test]
async fn what_may_have_been_acted_on_is_not_sent_again() {
    let (broker, (listener, port)) = (broker(), listen().await);
    let context = lua(&broker, "").await;
    let script = format!("return http.post('http://127.0.0.1:{port}/', 'x').body");
    let mut peer = {
        let peer = async {
            let mut peer = Peer::accept(&listener).await;
            peer.request().await;
            peer.send(OK).await;
            peer
        };
        within(async { tokio::join!(context.eval::<String>(&script), peer) }).await.1
    };
    // The second request arrives on the kept connection, which then breaks.
    let breaks = async {
        peer.request().await;
        drop(peer);
    };
    let (result, ()) =
        within(async { tokio::join!(context.eval::<String>(&script), breaks) }).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(error.message().contains("not known"), "{error}");
    assert!(futures::poll!(Box::pin(listener.accept())).is_pending(), "it was sent again");
}

#[tokio::test]
async fn a_script_that_is_given_up_hangs_up() {
    let (broker, (listener, port)) = (broker(), listen().await);
    let context = lua(&broker, "").await;
    let script = format!("http.get('http://127.0.0.1:{port}/')");
    let mut call = Box::pin(context.eval::<()>(&script).into_future());
    let mut peer = tokio::select! {
        _ = &mut call => panic!("nobody has answered"),
        peer = Peer::accept(&listener) => peer,
    };
    tokio::select! {
        _ = &mut call => panic!("nobody has answered"),
        _ = peer.request() => {}
    }
    drop(call);
    peer.hung_up().await;
}

#[tokio::test]
async fn servers_prove_who_they_are() {
    let broker = builder()
        .data("cert", include_str!("certs/server.pem"))
        .data("key", include_str!("certs/server.key"))
        .data("ca", include_str!("certs/ca.pem"))
        .data("stranger", include_str!("certs/stranger.pem"))
        .build()
        .unwrap();
    // HTTP by hand, in a script.
    let server = lua(
        &broker,
        "l = net.listen_tls('127.0.0.1', 0, {cert = cert, key = key})
         net.on_connect(l, function(c)
           while net.recv_line(c) ~= '' do end
           net.send(c, 'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok')
           net.recv(c)
         end)",
    )
    .await;
    let port: u16 = server.eval("return net.address(l).port").await.unwrap();
    let client = lua(&broker, "").await;
    let get = async |options: &str| {
        let script = format!("return http.get('https://localhost:{port}/', {options}).body");
        within(client.eval::<String>(&script)).await
    };
    assert_eq!(get("{ca = ca}").await.unwrap(), "ok");
    // A connection that one root vouches for is none for another.
    for options in ["{ca = stranger}", "{}"] {
        let error = get(options).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Transport | ErrorKind::Io), "{options}: {error}");
    }
    assert_eq!(kind(get("{ca = 'no PEM'}").await), ErrorKind::Type);
    // Plain HTTP is not what it speaks.
    let plain = format!("http.get('http://localhost:{port}/')");
    assert_eq!(kind(within(client.eval::<Value>(&plain)).await), ErrorKind::Transport);
}

#[tokio::test]
async fn nothing_is_reached_without_a_grant() {
    let broker = broker();
    let context = broker.open("lua").await.unwrap();
    for call in [
        "http.get('http://127.0.0.1:9/')",
        "http.get('http://localhost:9/')",
        "http.get('http://[::1]:9/')",
        "http.post('https://example.com/', '')",
        "http.request{url = 'http://example.com:8080/x'}",
    ] {
        let error = context.eval::<Value>(call).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{call}");
        assert!(error.message().contains("--allow-net="), "{error}");
    }
}

#[tokio::test]
async fn mistakes_of_the_script_are_told() {
    let broker = broker();
    let context = lua(&broker, "").await;
    for (call, kind) in [
        ("http.get('')", ErrorKind::Type),
        ("http.get('/path')", ErrorKind::Type),
        ("http.get('127.0.0.1/')", ErrorKind::Type),
        ("http.get('ftp://127.0.0.1/')", ErrorKind::Type),
        ("http.get('http://')", ErrorKind::Type),
        ("http.get('http:///x')", ErrorKind::Type),
        ("http.get('http://a b/')", ErrorKind::Type),
        ("http.get('http://a/ b')", ErrorKind::Type),
        ("http.get('http://user:word@127.0.0.1/')", ErrorKind::Type),
        ("http.get('http://127.0.0.1:99999/')", ErrorKind::Type),
        ("http.get('http://127.0.0.1:0/')", ErrorKind::Range),
        ("http.get(7)", ErrorKind::Type),
        ("http.get()", ErrorKind::Arity),
        ("http.request{}", ErrorKind::Type),
        ("http.request()", ErrorKind::Type),
        ("http.get('http://127.0.0.1:1/', {timout = 5})", ErrorKind::Type),
        ("http.get('http://127.0.0.1:1/', {url = 'http://127.0.0.1:2/'})", ErrorKind::Type),
        ("http.get('http://127.0.0.1:1/', {timeout = -1})", ErrorKind::Range),
        ("http.get('http://127.0.0.1:1/', {timeout = 'x'})", ErrorKind::Type),
        ("http.get('http://127.0.0.1:1/', {max_body = -1})", ErrorKind::Range),
        ("http.get('http://127.0.0.1:1/', {method = 'G ET'})", ErrorKind::Type),
        ("http.get('http://127.0.0.1:1/', {method = 'CONNECT'})", ErrorKind::Type),
        ("http.get('http://127.0.0.1:1/', {headers = 'x'})", ErrorKind::Type),
        ("http.get('http://127.0.0.1:1/', {headers = {'x'}})", ErrorKind::Type),
        ("http.get('http://127.0.0.1:1/', {headers = {x = 1}})", ErrorKind::Type),
        ("http.get('http://127.0.0.1:1/', {headers = {x = 'a\\r\\nb: c'}})", ErrorKind::Type),
        ("http.get('http://127.0.0.1:1/', {headers = {['x y'] = 'a'}})", ErrorKind::Type),
        ("http.post('http://127.0.0.1:1/', {})", ErrorKind::Type),
        ("http.post()", ErrorKind::Arity),
        ("http.get('http://127.0.0.1:1/', {on_data = 'x'})", ErrorKind::Type),
    ] {
        let error = context.eval::<Value>(call).await.expect_err(call);
        assert_eq!(error.kind(), kind, "{call}: {error}");
    }
}
