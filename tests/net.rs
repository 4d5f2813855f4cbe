//! Sockets as scripts use them: what is sent arrives, in order and whole, and each end is noticed.

#![cfg(all(feature = "lua", feature = "net"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod net_support;

use calog::{ErrorKind, Permissions};
use net_support::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_script_talks_with_a_peer() {
    let broker = broker();
    let script = lua(&broker, "").await;
    let (listener, port) = listen().await;
    let talk = script.eval::<String>(&format!(
        "local c = net.connect('127.0.0.1', {port})
         net.send(c, 'ping')
         local answer = net.recv(c)
         local gone = net.recv(c)
         assert(gone == nil and net.close(c) == true and net.close(c) == false)
         return answer"
    ));
    let peer = async {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut ping = [0; 4];
        peer.read_exact(&mut ping).await.unwrap();
        assert_eq!(&ping, b"ping");
        peer.write_all(b"pong").await.unwrap();
    };
    let (answer, ()) = within(async { tokio::join!(talk, peer) }).await;
    assert_eq!(answer.unwrap(), "pong");
}

#[tokio::test]
async fn a_script_serves() {
    let broker = broker();
    let server = lua(
        &broker,
        "l = net.listen('127.0.0.1', 0)
         expose('port', net.address(l).port)
         function serve()
           local c = net.accept(l)
           assert(net.peer(c).host == '127.0.0.1')
           for line in function() return net.recv_line(c) end do net.send(c, line:upper() .. '\\n') end
           net.shutdown(c)
           net.close(c)
         end
         expose('serve', serve)",
    )
    .await;
    let port: u16 = server.eval("return net.address(l).port").await.unwrap();
    let served = server.call::<()>("serve", ());
    let client = async {
        let mut peer = connect(port).await;
        peer.write_all(b"one\r\ntwo\n\nlast").await.unwrap();
        peer.shutdown().await.unwrap();
        let mut all = String::new();
        peer.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "ONE\nTWO\n\nLAST\n");
    };
    let (served, ()) = within(async { tokio::join!(served, client) }).await;
    served.unwrap();
}

#[tokio::test]
async fn nothing_is_open_without_a_grant() {
    let broker = builder().build().unwrap();
    let context = broker.open("lua").await.unwrap();
    for call in ["net.connect('127.0.0.1', 9)", "net.listen('127.0.0.1', 0)"] {
        assert_eq!(kind(context.eval::<()>(call).await), ErrorKind::Denied, "{call}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let allowed = Permissions::none().allow_net(&format!("unix:{}", folder.display())).unwrap();
    let broker = builder().data("folder", folder.to_str().unwrap()).build().unwrap();
    let open = async |permissions| broker.open("lua").permissions(permissions).await.unwrap();
    let (server, client) = (open(allowed.clone()).await, open(allowed).await);
    let serve = "l = net.listen_unix(folder .. '/talk')
                 assert(net.address(l).path == folder .. '/talk')
                 net.on_connect(l, function(c)
                   assert(not net.peer(c).path and net.address(c).path == folder .. '/talk')
                   net.send(c, net.recv_line(c):upper())
                   net.close(c)
                 end)";
    server.eval::<()>(serve).await.unwrap();
    let talk = "local c = net.connect_unix(folder .. '/talk')
                assert(net.peer(c).path == folder .. '/talk')
                net.send(c, 'quiet\\n')
                return net.recv_exact(c, 5) .. tostring(net.recv(c))";
    assert_eq!(within(client.eval::<String>(talk)).await.unwrap(), "QUIETnil");
    // The place is taken while somebody listens there, and free when he has gone.
    let taken = client.eval::<()>("net.listen_unix(folder .. '/talk')").await;
    assert_eq!(kind(taken), ErrorKind::Busy);
    assert!(server.eval::<bool>("net.close(l)").await.unwrap());
    assert!(!folder.join("talk").exists());
    let gone = client.eval::<()>("net.connect_unix(folder .. '/talk')").await;
    assert_eq!(kind(gone), ErrorKind::NotFound);
    server.eval::<()>(serve).await.unwrap();
    server.close().await;
    assert!(!folder.join("talk").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_grant_of_a_unix_socket_holds_for_where_links_lead() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let (inside, outside) = (folder.join("inside"), folder.join("outside"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(outside.join("secret")).unwrap();
    std::os::unix::fs::symlink(outside.join("secret"), inside.join("link")).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("way")).unwrap();
    let allowed = Permissions::none().allow_net(&format!("unix:{}", inside.display())).unwrap();
    let broker = builder().data("folder", folder.to_str().unwrap()).build().unwrap();
    let context = broker.open("lua").permissions(allowed).await.unwrap();
    for call in [
        "net.connect_unix(folder .. '/outside/secret')",
        "net.connect_unix(folder .. '/inside/link')",
        "net.connect_unix(folder .. '/inside/way/secret')",
        "net.connect_unix(folder .. '/inside/../outside/secret')",
        "net.connect_unix(folder .. '/outside/absent')",
        "net.connect_unix(folder .. '/nowhere/absent')",
        "net.connect_unix('\\0abstract')",
        "net.listen_unix(folder .. '/outside/new')",
        "net.listen_unix(folder .. '/inside/way/new')",
    ] {
        let error = context.eval::<()>(call).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{call}: {error}");
        assert!(error.message().contains("--allow-net=unix:"), "{call}: {error}");
    }
    let absent = context.eval::<()>("net.connect_unix(folder .. '/inside/absent')").await;
    assert_eq!(kind(absent), ErrorKind::NotFound);
}

#[tokio::test]
async fn datagrams_arrive_whole() {
    let broker = broker();
    let (a, b) = (lua(&broker, "u = net.udp_bind('127.0.0.1', 0)"), lua(&broker, ""));
    let (a, b) = (a.await, b.await);
    let port: u16 = a.eval("return net.address(u).port").await.unwrap();
    let source = format!(
        "local u = net.udp_bind('localhost', 0)
         net.send_to(u, '127.0.0.1', {port}, '')
         net.send_to(u, '127.0.0.1', {port}, ('long '):rep(100))
         net.send_to(u, '::ffff:127.0.0.1', {port}, 'short')
         net.timeout(u, 30000)
         return net.recv_from(u).data"
    );
    let receive = "local first = net.recv_from(u)
                   assert(first.data == '' and first.host == '127.0.0.1')
                   local second = net.recv_from(u, 100)
                   net.send_to(u, second.host, second.port, second.data:upper())
                   return second.data";
    let both = async { tokio::join!(a.eval::<String>(receive), b.eval::<String>(&source)) };
    let (received, answered) = within(both).await;
    // What is longer than was asked for is passed over.
    assert_eq!(received.unwrap(), "short");
    assert_eq!(answered.unwrap(), "SHORT");
    for (call, expected) in [
        ("net.send_to(u, '127.0.0.1', 9, ('x'):rep(70000))", ErrorKind::Range),
        ("net.send_to(u, '10.0.0.1', 9, 'x')", ErrorKind::Denied),
        ("net.send_to(u, '127.0.0.1', 0, 'x')", ErrorKind::Range),
        ("net.send_to(u, '::1', 9, 'x')", ErrorKind::Transport),
        ("net.recv_from(u, 0)", ErrorKind::Range),
        ("net.recv(u)", ErrorKind::Type),
        ("net.close(u) net.recv_from(u)", ErrorKind::Dead),
    ] {
        assert_eq!(kind(a.eval::<()>(call).await), expected, "{call}");
    }
}

#[tokio::test]
async fn lines_and_pieces_come_from_one_stream() {
    let broker = broker();
    let script = lua(&broker, "").await;
    let (listener, port) = listen().await;
    let source = format!(
        "local c = net.connect('127.0.0.1', {port})
         local out = {{}}
         local function put(x) out[#out + 1] = tostring(x) end
         put(net.recv_line(c))
         put(net.recv_exact(c, 3))
         put(net.recv(c, 2))
         put(net.recv_exact(c, 0))
         local ok, e = pcall(net.recv_line, c, 4)
         put(e.kind)
         put(net.recv_line(c, 5))
         put(net.recv_line(c, 4))
         put(net.recv_line(c))
         local ok, e = pcall(net.recv_exact, c, 100)
         put(e.kind)
         local ok, e = pcall(net.recv_line, c, 4)
         put(e.kind)
         put(net.recv_line(c, 5))
         put(net.recv_line(c))
         return table.concat(out, '|')"
    );
    let peer = async {
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.write_all(b"line\r\nabcdefifth\r\nfour\n\nlast\r").await.unwrap();
    };
    let (out, ()) = within(async { tokio::join!(script.eval::<String>(&source), peer) }).await;
    assert_eq!(out.unwrap(), "line|abc|de||range|fifth|four||transport|range|last\r|nil");
}

#[tokio::test]
async fn what_many_calls_send_never_mixes() {
    let broker = broker();
    let (listener, port) = listen().await;
    let script = lua(
        &broker,
        &format!(
            "c = net.connect('127.0.0.1', {port})
             expose('say', function(n) net.send(c, (n .. ' '):rep(60000) .. '\\n') end)"
        ),
    )
    .await;
    let sends = (0..20).map(|n| script.call::<()>("say", (n,)));
    let sends = async { futures::future::try_join_all(sends).await.unwrap() };
    let peer = async {
        let (peer, _) = listener.accept().await.unwrap();
        let mut lines = tokio::io::BufReader::new(peer).lines();
        for n in 0..20 {
            let line = lines.next_line().await.unwrap().unwrap();
            // In the order of the calls, each in one piece.
            assert!(line == format!("{n} ").repeat(60_000), "line {n}: {}", &line[..20]);
        }
    };
    within(async { tokio::join!(sends, peer) }).await;
}

#[tokio::test]
async fn a_send_goes_on_while_another_call_receives() {
    let broker = broker();
    let (listener, port) = listen().await;
    let script = lua(
        &broker,
        &format!(
            "c = net.connect('127.0.0.1', {port})
             expose('hear', function() return net.recv(c) end)
             expose('say', function() net.send(c, 'x') end)"
        ),
    )
    .await;
    let (mut peer, _) = within(listener.accept()).await.unwrap();
    let hear = script.call::<String>("hear", ());
    let talk = async {
        script.call::<()>("say", ()).await.unwrap();
        assert_eq!(peer.read_u8().await.unwrap(), b'x');
        peer.write_all(b"y").await.unwrap();
    };
    let (heard, ()) = within(async { tokio::join!(hear, talk) }).await;
    assert_eq!(heard.unwrap(), "y");
}

#[tokio::test]
async fn callbacks_get_everything_in_order_and_the_end_once() {
    let broker = broker();
    let server = lua(
        &broker,
        "ends, got = 0, {}
         l = net.listen('127.0.0.1', 0)
         net.on_connect(l, function(c)
           net.on_data(c, function(data)
             got[#got + 1] = data
             net.send(c, data)
           end)
           net.on_close(c, function()
             ends = ends + 1
             net.send(c, ' and bye')
           end)
         end)",
    )
    .await;
    let port: u16 = server.eval("return net.address(l).port").await.unwrap();
    let mut peer = connect(port).await;
    let mut expected = Vec::new();
    for n in 0..100 {
        let data = format!("message {n}\n");
        peer.write_all(data.as_bytes()).await.unwrap();
        expected.extend(data.into_bytes());
    }
    peer.shutdown().await.unwrap();
    let mut all = Vec::new();
    within(peer.read_to_end(&mut all)).await.unwrap();
    assert_eq!(
        String::from_utf8(all).unwrap().strip_suffix(" and bye").unwrap().as_bytes(),
        expected
    );
    assert_eq!(server.eval::<i64>("return ends").await.unwrap(), 1);
    // The listener is all that is left.
    let listening = server.eval::<bool>("return net.close(l)").await.unwrap();
    assert!(listening);
    within(broker.settled()).await;
    assert_eq!(server.usage().await.unwrap().resources, 0);
}

#[cfg(feature = "js")]
#[tokio::test]
async fn javascript_gets_bytes_and_its_promises_keep_the_order() {
    let broker = broker();
    let (listener, port) = listen().await;
    let script = open(&broker, "js", "").await;
    let source = format!(
        "(async () => {{
           const c = net.connect('127.0.0.1', {port});
           const sends = [];
           for (let n = 0; n < 100; n++) sends.push(net.send.async(c, `${{n}}\\n`));
           await Promise.all(sends);
           net.send(c, new Uint8Array([0, 255, 10]));
           // Text and bytes come as the same type.
           const text = net.recv_line(c), bytes = await net.recv_line.async(c);
           if (!(text instanceof Uint8Array) || !(bytes instanceof Uint8Array)) throw 'no bytes';
           const end = net.recv(c);
           net.close(c);
           return `${{[...text]}} ${{[...bytes]}} ${{end}}`;
         }})()"
    );
    let peer = async {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut expected: Vec<u8> = (0..100).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        expected.extend([0, 255, 10]);
        let mut received = vec![0; expected.len()];
        peer.read_exact(&mut received).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&received), String::from_utf8_lossy(&expected));
        peer.write_all(b"hi\n\x80\xff\n").await.unwrap();
    };
    let (result, ()) = within(async { tokio::join!(script.eval::<String>(&source), peer) }).await;
    assert_eq!(result.unwrap(), "104,105 128,255 undefined");
}

#[cfg(feature = "js")]
#[tokio::test]
async fn javascript_serves_many_at_once_with_async_callbacks() {
    let broker = broker();
    let source = "globalThis.l = net.listen('127.0.0.1', 0);
         net.on_connect(l, async c => {
           for (let data; (data = await net.recv.async(c)) !== undefined;) await net.send.async(c, data);
           net.close(c);
         })";
    let server = open(&broker, "js", source).await;
    let port: u16 = server.eval("net.address(l).port").await.unwrap();
    let mut peers = Vec::new();
    for _ in 0..50 {
        peers.push(connect(port).await);
    }
    // All are open; they are served from the last to the first.
    while let Some(mut peer) = peers.pop() {
        peer.write_all(b"hello").await.unwrap();
        let mut echo = [0; 5];
        within(peer.read_exact(&mut echo)).await.unwrap();
        assert_eq!(&echo, b"hello");
    }
}

#[cfg(feature = "basic")]
#[tokio::test]
async fn basic_serves_and_connects() {
    let broker = broker();
    let source = "
        DEF SERVE(C)
          LINE_ = NET.RECV_LINE(C)
          WHILE TYPE(LINE_) = TYPE(\"STRING\")
            NET.SEND(C, \"re: \" + LINE_ + CHR(10))
            LINE_ = NET.RECV_LINE(C)
          WEND
          NET.CLOSE(C)
        ENDDEF
        L = Net.Listen(\"127.0.0.1\", 0)
        NET.ON_CONNECT(L, CALL(SERVE))
        DEF PORT()
          P = NET.ADDRESS(L)
          RETURN P(\"port\")
        ENDDEF
        DEF TALK(P)
          C = NET.CONNECT(\"127.0.0.1\", P)
          NET.SEND(C, \"quiet\" + CHR(10))
          ANSWER = NET.RECV_LINE(C)
          NET.SHUTDOWN(C)
          IF TYPE(NET.RECV(C)) = TYPE(NIL) THEN ANSWER = ANSWER + \" and gone\"
          NET.CLOSE(C)
          RETURN ANSWER
        ENDDEF
        EXPOSE(\"port\", CALL(PORT))
        EXPOSE(\"talk\", CALL(TALK))";
    let server = open(&broker, "basic", source).await;
    let port: u16 = server.call("port", ()).await.unwrap();
    let answer = within(server.call::<String>("talk", (port,))).await.unwrap();
    assert_eq!(answer, "re: quiet and gone");
}

#[tokio::test]
async fn sockets_work_without_threads_of_their_own() {
    let local = tokio::task::LocalSet::new();
    let broker = builder().build_inline(&local).unwrap();
    let talk = async {
        let server = "l = net.listen('127.0.0.1', 0)
                      net.on_connect(l, function(c)
                        net.on_data(c, function(data) net.send(c, data:upper()) end)
                      end)";
        let server = lua(&broker, server).await;
        let port: u16 = server.eval("return net.address(l).port").await.unwrap();
        let source = format!(
            "local c = net.connect('127.0.0.1', {port})
             net.send(c, 'inline')
             net.shutdown(c)
             return net.recv_exact(c, 6) .. tostring(net.recv(c))"
        );
        let client = lua(&broker, "").await;
        assert_eq!(client.eval::<String>(&source).await.unwrap(), "INLINEnil");
    };
    within(local.run_until(talk)).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_unix_socket_that_is_crowded_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap().join("crowd");
    let socket = tokio::net::UnixSocket::new_stream().unwrap();
    socket.bind(&path).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut crowd = Vec::new();
    // As many as the system keeps for somebody who accepts none.
    let full = loop {
        match tokio::net::UnixStream::connect(&path).await {
            Ok(one) => crowd.push(one),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
    let broker = broker();
    let allowed = Permissions::none().allow_net(&format!("unix:{}", path.display())).unwrap();
    let script = broker.open("lua").permissions(allowed).await.unwrap();
    let source = format!("return net.recv(net.connect_unix('{}'))", path.display());
    let serve = async {
        // Time enough to be turned away. On a machine where it is not, the wait shows nothing.
        script.eval::<()>("timer.sleep(100)").await.unwrap();
        for _ in 0..=crowd.len() {
            listener.accept().await.unwrap().0.write_all(b"welcome").await.unwrap();
        }
    };
    let (heard, ()) = within(async { tokio::join!(script.eval::<String>(&source), serve) }).await;
    assert_eq!(heard.unwrap(), "welcome");
}
