//! What goes wrong with sockets, and what scripts hear of it.

#![cfg(all(feature = "lua", feature = "net"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod net_support;

use calog::{Context, ErrorKind, Limits, Permissions};
use net_support::*;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A script with a connection `c` to the test, and the test's end of it.
async fn connected(broker: &calog::Broker) -> (Context, TcpStream) {
    let (listener, port) = listen().await;
    let script = lua(broker, &format!("c = net.connect('127.0.0.1', {port})")).await;
    let (peer, _) = within(listener.accept()).await.unwrap();
    (script, peer)
}

/// What the script says of an error that it catches: its kind.
async fn caught(script: &Context, call: &str) -> String {
    let source = format!(
        "local ok, e = pcall(function() {call} end)
         return ok and 'no error' or type(e) == 'string' and e or e.kind"
    );
    within(script.eval(&source)).await.unwrap()
}

#[tokio::test]
async fn the_end_is_nil_again_and_again() {
    let broker = broker();
    let (script, mut peer) = connected(&broker).await;
    peer.write_all(b"x").await.unwrap();
    drop(peer);
    let source = "local a, b, c, d = net.recv(c), net.recv(c), net.recv_line(c), net.recv(c)
                  return a .. tostring(b) .. tostring(c) .. tostring(d)";
    assert_eq!(within(script.eval::<String>(source)).await.unwrap(), "xnilnilnil");
}

#[tokio::test]
async fn a_half_closed_connection_works_in_the_other_direction() {
    let broker = broker();
    // The script ends its half.
    let (script, mut peer) = connected(&broker).await;
    script.eval::<()>("net.send(c, 'all') net.shutdown(c) net.shutdown(c)").await.unwrap();
    let mut all = String::new();
    within(peer.read_to_string(&mut all)).await.unwrap();
    assert_eq!(all, "all");
    assert_eq!(caught(&script, "net.send(c, 'more')").await, "dead");
    peer.write_all(b"answer").await.unwrap();
    assert_eq!(within(script.eval::<String>("return net.recv(c)")).await.unwrap(), "answer");
    // The peer ends its half.
    let (script, mut peer) = connected(&broker).await;
    peer.shutdown().await.unwrap();
    let source = "assert(net.recv(c) == nil) net.send(c, 'late') net.close(c)";
    within(script.eval::<()>(source)).await.unwrap();
    let mut all = String::new();
    within(peer.read_to_string(&mut all)).await.unwrap();
    assert_eq!(all, "late");
}

#[tokio::test]
async fn a_closed_handle_is_dead_and_a_wrong_one_is_named() {
    let broker = broker();
    let (script, _peer) = connected(&broker).await;
    script
        .eval::<()>("l = net.listen('127.0.0.1', 0) u = net.udp_bind('127.0.0.1', 0)")
        .await
        .unwrap();
    for call in [
        "net.recv(l)",
        "net.send(u, 'x')",
        "net.accept(c)",
        "net.peer(l)",
        "net.shutdown(l)",
        "net.recv_from(c)",
        "net.on_data(l, print)",
        "net.on_connect(c, print)",
        "net.recv('x')",
    ] {
        assert_eq!(caught(&script, call).await, "type", "{call}");
    }
    // A handle means nothing in another context.
    let number: i64 = script.eval("return c").await.unwrap();
    let other = lua(&broker, "").await;
    assert_eq!(caught(&other, &format!("net.recv({number})")).await, "dead");
    assert!(!other.eval::<bool>(&format!("return net.close({number})")).await.unwrap());
    assert!(
        script.eval::<bool>("return net.close(c) and net.close(l) and net.close(u)").await.unwrap()
    );
    for call in [
        "net.recv(c)",
        "net.recv_line(c)",
        "net.recv_exact(c, 1)",
        "net.send(c, 'x')",
        "net.shutdown(c)",
        "net.peer(c)",
        "net.address(c)",
        "net.timeout(c, 5)",
        "net.accept(l)",
        "net.recv_from(u)",
        "net.send_to(u, '127.0.0.1', 9, 'x')",
        "net.on_data(c, print)",
    ] {
        assert_eq!(caught(&script, call).await, "dead", "{call}");
    }
}

#[tokio::test]
async fn a_close_ends_every_wait_with_dead() {
    let broker = broker();
    for (wait, handle) in [
        ("net.recv(c)", "c"),
        ("net.recv_line(c)", "c"),
        ("net.accept(l)", "l"),
        ("net.recv_from(u)", "u"),
        ("net.send(c, ('x'):rep(20000000))", "c"),
    ] {
        let (script, _peer) = connected(&broker).await;
        script
            .eval::<()>(&format!(
                "l = net.listen('127.0.0.1', 0) u = net.udp_bind('127.0.0.1', 0)
                 expose('wait', function() waits = true {wait} end)
                 expose('close', function() assert(waits) return net.close({handle}) end)"
            ))
            .await
            .unwrap();
        let waiting = script.call::<()>("wait", ());
        let (waited, closed) =
            within(async { tokio::join!(waiting, script.call::<bool>("close", ())) }).await;
        assert_eq!(kind(waited), ErrorKind::Dead, "{wait}");
        assert!(closed.unwrap());
        script.close().await;
    }
}

#[tokio::test]
async fn a_context_that_closes_ends_what_it_waits_for() {
    let broker = broker();
    let (script, mut peer) = connected(&broker).await;
    script
        .eval::<()>("expose('wait', function() net.send(c, '!') return net.recv(c) end)")
        .await
        .unwrap();
    let end = async {
        assert_eq!(peer.read_u8().await.unwrap(), b'!');
        script.close().await;
        // All that it had is gone with it.
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
    };
    let (waited, ()) = within(async { tokio::join!(script.call::<()>("wait", ()), end) }).await;
    assert_eq!(kind(waited), ErrorKind::Dead);
}

#[tokio::test]
async fn a_port_that_is_taken_is_busy_and_free_after_the_close() {
    let broker = broker();
    let script = lua(&broker, "l = net.listen('127.0.0.1', 0) port = net.address(l).port").await;
    assert_eq!(caught(&script, "net.listen('127.0.0.1', port)").await, "busy");
    let again = "net.close(l) l = net.listen('127.0.0.1', port)
                 net.on_connect(l, print) net.close(l) l = net.listen('127.0.0.1', port)";
    within(script.eval::<()>(again)).await.unwrap();
    assert_eq!(
        caught(
            &script,
            "net.udp_bind('127.0.0.1', 0) u = net.udp_bind('127.0.0.1', 0)
        net.udp_bind('127.0.0.1', net.address(u).port)"
        )
        .await,
        "busy"
    );
}

#[tokio::test]
async fn who_does_not_answer_is_told_apart() {
    let broker = builder().build().unwrap();
    let all = Permissions::none().allow_net("*").unwrap();
    let script = broker.open("lua").permissions(all).await.unwrap();
    // Nobody is there.
    let (listener, port) = listen().await;
    drop(listener);
    let refused = format!("net.connect('127.0.0.1', {port})");
    assert_eq!(caught(&script, &refused).await, "transport");
    // No way leads there.
    assert_eq!(caught(&script, "net.connect('255.255.255.255', 9)").await, "transport");
    // The name leads nowhere.
    assert_eq!(caught(&script, "net.connect('nobody.invalid', 9, 50000)").await, "transport");
    for call in [
        "net.connect('127.0.0.1', 0)",
        "net.connect('127.0.0.1', 65536)",
        "net.connect('127.0.0.1', -1)",
        "net.connect('0.0.0.0', 9)",
        "net.listen('127.0.0.1', 65536)",
        "net.connect('127.0.0.1', 9, -1)",
        "net.connect('127.0.0.1', 9, 0/0)",
    ] {
        assert_eq!(caught(&script, call).await, "range", "{call}");
    }
    // An address that is not this machine's cannot be listened on.
    assert_eq!(caught(&script, "net.listen('192.0.2.1', 0)").await, "io");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_is_silent_from_the_start_is_a_timeout() {
    let broker = broker();
    let script = lua(&broker, "").await;
    // It never accepts, and the system keeps no more for it.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let port = listener.local_addr().unwrap().port();
    let fill = format!(
        "for i = 1, 10 do
           local ok, e = pcall(net.connect, '127.0.0.1', {port}, 50)
           if not ok then return e.kind .. ': ' .. e.message end
         end"
    );
    let late = within(script.eval::<String>(&fill)).await.unwrap();
    assert!(late.starts_with("timeout: connect to 127.0.0.1:"), "{late}");
}

#[tokio::test]
async fn a_time_limit_holds_for_every_wait_and_takes_nothing() {
    let broker = broker();
    let (script, mut peer) = connected(&broker).await;
    peer.write_all(b"some").await.unwrap();
    script
        .eval::<()>(
            "l = net.listen('127.0.0.1', 0) u = net.udp_bind('127.0.0.1', 0)
             for _, h in ipairs({c, l, u}) do net.timeout(h, 20.5) end",
        )
        .await
        .unwrap();
    for call in ["net.recv_line(c)", "net.recv_exact(c, 5)", "net.accept(l)", "net.recv_from(u)"] {
        assert_eq!(caught(&script, call).await, "timeout", "{call}");
    }
    assert_eq!(script.eval::<String>("return net.recv(c)").await.unwrap(), "some");
    assert_eq!(caught(&script, "net.recv(c)").await, "timeout");
    // Without it, the same wait lasts.
    script.eval::<()>("net.timeout(c, nil)").await.unwrap();
    let answer = async { peer.write_all(b" more").await.unwrap() };
    let recv = script.eval::<String>("return net.recv(c)");
    let (more, ()) = within(async { tokio::join!(recv, answer) }).await;
    assert_eq!(more.unwrap(), " more");
}

#[tokio::test]
async fn a_call_that_is_given_up_takes_nothing() {
    let broker = broker();
    let (script, mut peer) = connected(&broker).await;
    script
        .eval::<()>(
            "expose('line', function() return net.recv_line(c) end)
             expose('ten', function() return net.recv_exact(c, 10) end)",
        )
        .await
        .unwrap();
    peer.write_all(b"12345").await.unwrap();
    for call in ["line", "ten", "line"] {
        let late = script.call::<String>(call, ()).deadline(Duration::from_millis(30)).await;
        assert_eq!(kind(late), ErrorKind::Timeout);
        drop(script.call::<String>(call, ()));
    }
    peer.write_all(b"6789\n0").await.unwrap();
    let (line, rest) = ("line", "return net.recv_exact(c, 1)");
    assert_eq!(within(script.call::<String>(line, ())).await.unwrap(), "123456789");
    assert_eq!(within(script.eval::<String>(rest)).await.unwrap(), "0");
}

/// More than the buffers of the system take.
const FLOOD: usize = 20_000_000;

#[tokio::test]
async fn a_peer_that_never_reads_holds_up_only_its_sender() {
    let broker = broker();
    let (script, mut peer) = connected(&broker).await;
    let source = format!(
        "expose('flood', function() flooding = true net.send(c, ('x'):rep({FLOOD})) end)
         expose('alive', function() return flooding end)"
    );
    script.eval::<()>(&source).await.unwrap();
    tokio::select! {
        _ = script.call::<()>("flood", ()) => panic!("nobody reads"),
        alive = within(async {
            // It is under way; then nobody reads any more, and the call is given up.
            peer.read_u8().await.unwrap();
            script.call::<bool>("alive", ()).await
        }) => assert!(alive.unwrap()),
    }
    // A part of it is out: what would follow makes no sense to anybody.
    assert_eq!(caught(&script, "net.send(c, 'y')").await, "transport");
    // The other direction is as good as before.
    peer.write_all(b"hello").await.unwrap();
    assert_eq!(within(script.eval::<String>("return net.recv(c)")).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_time_limit_ends_a_send_that_nobody_reads() {
    let broker = broker();
    let (script, _peer) = connected(&broker).await;
    let call = format!("net.timeout(c, 50) net.send(c, ('x'):rep({FLOOD}))");
    assert_eq!(caught(&script, &call).await, "timeout");
    assert_eq!(caught(&script, "net.send(c, 'y')").await, "transport");
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_send_is_told() {
    let broker = broker();
    let (script, mut peer) = connected(&broker).await;
    let call = format!("net.send(c, ('x'):rep({FLOOD}))");
    let reset = async {
        peer.read_exact(&mut [0; 1000]).await.unwrap();
        // Without lingering, the close of a connection is its reset.
        #[allow(deprecated, reason = "a linger of 0 does not block")]
        peer.set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
    };
    let (sent, ()) = within(async { tokio::join!(caught(&script, &call), reset) }).await;
    assert_eq!(sent, "transport");
    assert_eq!(caught(&script, "net.send(c, 'y')").await, "transport");
    // Reading fails or is at the end, whatever the system makes of it, and so it stays.
    let source = "local first, e = pcall(net.recv, c)
                  local second, f = pcall(net.recv, c)
                  return first == second and tostring(e) == tostring(f)";
    assert!(within(script.eval::<bool>(source)).await.unwrap());
}

#[tokio::test]
async fn a_reset_is_no_end_for_who_receives() {
    let broker = broker();
    let (script, peer) = connected(&broker).await;
    script.eval::<()>("expose('wait', function() net.recv(c) end)").await.unwrap();
    #[allow(deprecated, reason = "a linger of 0 does not block")]
    peer.set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    assert_eq!(caught(&script, "net.recv(c)").await, "transport");
    assert_eq!(caught(&script, "net.recv(c)").await, "transport");
}

#[tokio::test]
async fn bytes_that_come_one_at_a_time_make_a_line() {
    let broker = broker();
    let (script, mut peer) = connected(&broker).await;
    let drip = async {
        for byte in b"GET / HTTP/1.0\r\n1234567890" {
            peer.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let read = script.eval::<String>("return net.recv_line(c, 14) .. '|' .. net.recv_exact(c, 10)");
    let (read, ()) = within(async { tokio::join!(read, drip) }).await;
    assert_eq!(read.unwrap(), "GET / HTTP/1.0|1234567890");
}

#[tokio::test]
async fn a_callback_that_fails_closes_its_connection_and_is_reported() {
    let failures = Arc::<Mutex<Vec<String>>>::default();
    let heard = failures.clone();
    let builder = builder().on_failure(move |failure| {
        heard.lock().unwrap().push(failure.error.message().to_string());
    });
    let broker = builder.build().unwrap();
    let server = lua(
        &broker,
        "l = net.listen('127.0.0.1', 0)
         net.on_connect(l, function(c)
           local order = net.recv_line(c)
           if order == 'connect' then error('in on_connect') end
           net.on_close(c, function() net.send(c, 'closing') if order == 'close' then error('in on_close') end end)
           net.on_data(c, function(data) error('in on_data') end)
         end)",
    )
    .await;
    let port: u16 = server.eval("return net.address(l).port").await.unwrap();
    for (order, answer) in [("connect", ""), ("data", "closing"), ("close", "closing")] {
        let mut peer = connect(port).await;
        peer.write_all(format!("{order}\nx").as_bytes()).await.unwrap();
        let mut all = String::new();
        within(peer.read_to_string(&mut all)).await.unwrap();
        assert_eq!(all, answer, "{order}");
    }
    assert!(server.eval::<bool>("return net.close(l)").await.unwrap());
    within(broker.settled()).await;
    let failures = failures.lock().unwrap();
    let heard: Vec<_> = failures.iter().map(|text| text.rsplit(' ').next().unwrap()).collect();
    assert_eq!(heard, ["on_connect", "on_data", "on_data", "on_close"]);
}

#[tokio::test]
async fn what_a_callback_gets_nobody_else_does() {
    let broker = broker();
    let (script, _peer) = connected(&broker).await;
    let source = "l = net.listen('127.0.0.1', 0)
                  net.on_connect(l, print) net.on_data(c, print) net.on_close(c, print)";
    script.eval::<()>(source).await.unwrap();
    for call in [
        "net.accept(l)",
        "net.recv(c)",
        "net.recv_line(c)",
        "net.recv_exact(c, 1)",
        "net.on_data(c, print)",
        "net.on_close(c, print)",
        "net.on_connect(l, print)",
    ] {
        assert_eq!(caught(&script, call).await, "busy", "{call}");
    }
    // A close from outside ends them all.
    assert!(within(script.eval::<bool>("return net.close(c) and net.close(l)")).await.unwrap());
    within(broker.settled()).await;
}

#[tokio::test]
async fn a_callback_of_another_context_runs_there() {
    let broker = broker();
    let (script, mut peer) = connected(&broker).await;
    let _other = lua(
        &broker,
        "local n = 0 expose('count', function(data) n = n + #data end)
                               expose('counted', function() return n end)",
    )
    .await;
    let source = "net.on_data(c, count) net.on_close(c, function() expose('over', counted()) end)";
    script.eval::<()>(source).await.unwrap();
    peer.write_all(b"five!").await.unwrap();
    drop(peer);
    within(broker.settled()).await;
    assert_eq!(script.eval::<i64>("return over").await.unwrap(), 5);
}

#[tokio::test]
async fn a_context_has_so_many_sockets_and_no_more() {
    let broker = broker();
    let limits = Limits::default().resources(3);
    let script = broker.open("lua").permissions(loopback()).limits(limits).await.unwrap();
    let source = "l = net.listen('127.0.0.1', 0) port = net.address(l).port
                  a, b = net.connect('127.0.0.1', port), net.connect('127.0.0.1', port)";
    script.eval::<()>(source).await.unwrap();
    assert_eq!(caught(&script, "net.connect('127.0.0.1', port)").await, "busy");
    // What cannot be kept is closed.
    assert_eq!(caught(&script, "net.accept(l)").await, "busy");
    assert_eq!(within(script.eval::<String>("return tostring(net.recv(a))")).await.unwrap(), "nil");
    // And there is room again after a close.
    assert!(script.eval::<bool>("return net.close(a)").await.unwrap());
    within(script.eval::<()>("d = net.accept(l)")).await.unwrap();
}

#[tokio::test]
async fn sizes_are_checked() {
    let broker = broker();
    let (script, _peer) = connected(&broker).await;
    for call in [
        "net.recv(c, 0)",
        "net.recv(c, -1)",
        "net.recv_line(c, 0)",
        "net.recv_exact(c, -1)",
        "net.recv(c, 1 << 40)",
        "net.recv_exact(c, 1 << 40)",
        "net.timeout(c, -1)",
        "net.timeout(c, 0/0)",
    ] {
        assert_eq!(caught(&script, call).await, "range", "{call}");
    }
    assert_eq!(caught(&script, "net.send(c, 5)").await, "type");
    assert_eq!(caught(&script, "net.send(c)").await, "arity");
}

/// A program that uses up all descriptors, and serves again when some are free.
#[cfg(all(target_os = "linux", feature = "cli"))]
const GREEDY: &str = "
local l = net.listen('127.0.0.1', 0)
local port = net.address(l).port
net.on_connect(l, function(c)
  for line in function() return net.recv_line(c) end do net.send(c, line .. '\\n') end
  net.close(c)
end)
local greedy = {}
for i = 1, 1000 do
  local ok, u = pcall(net.udp_bind, '127.0.0.1', 0)
  if not ok then print(u.kind) break end
  greedy[i] = u
end
for _, open in ipairs({net.connect, net.listen}) do
  local ok, e = pcall(open, '127.0.0.1', port)
  print(e.kind)
end
-- The one descriptor that is left now is the client's.
net.close(table.remove(greedy))
local c = net.connect('127.0.0.1', port)
net.send(c, 'hello\\n')
net.timeout(c, 50)
local ok, e = pcall(net.recv_line, c)
print(e.kind)
for _, u in ipairs(greedy) do net.close(u) end
net.timeout(c, nil)
print(net.recv_line(c))
net.close(l)
net.close(c)
";

#[cfg(all(target_os = "linux", feature = "cli"))]
#[test]
fn a_listener_survives_when_no_descriptor_is_left() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.lua"), GREEDY).unwrap();
    let program = env!("CARGO_BIN_EXE_calog");
    let run = format!(
        "ulimit -n 64 && exec {program} run --workers 1 --deadline 60s --allow-net=localhost main.lua"
    );
    let mut shell = std::process::Command::new("sh");
    let ran = shell.args(["-c", &run]).current_dir(folder.path()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(out, "busy\nbusy\nbusy\ntimeout\nhello\n", "{err}");
    assert!(ran.status.success(), "{err}");
}
