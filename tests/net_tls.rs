//! TLS between scripts, and with peers that are not what they should be.

#![cfg(all(feature = "lua", feature = "net"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod net_support;

use calog::{Broker, Context, Error, ErrorKind};
use net_support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CA: &str = include_str!("certs/ca.pem");
const STRANGER: &str = include_str!("certs/stranger.pem");
const SERVER: [&str; 2] = [include_str!("certs/server.pem"), include_str!("certs/server.key")];
const EXPIRED: [&str; 2] = [include_str!("certs/expired.pem"), include_str!("certs/expired.key")];
const CLIENT: [&str; 2] = [include_str!("certs/client.pem"), include_str!("certs/client.key")];

/// A broker whose scripts find the certificates.
fn broker() -> Broker {
    let builder = builder().data("ca", CA).data("stranger", STRANGER);
    let builder = builder.data("server_cert", SERVER[0]).data("server_key", SERVER[1]);
    let builder = builder.data("expired_cert", EXPIRED[0]).data("expired_key", EXPIRED[1]);
    builder.data("client_cert", CLIENT[0]).data("client_key", CLIENT[1]).build().unwrap()
}

/// An echo server with these options, and its port.
async fn server(broker: &Broker, options: &str) -> (Context, u16) {
    let source = format!(
        "l = net.listen_tls('127.0.0.1', 0, {options})
         net.on_connect(l, function(c)
           for line in function() return net.recv_line(c) end do net.send(c, line .. '\\n') end
           net.close(c)
         end)"
    );
    let server = lua(broker, &source).await;
    let port = server.eval("return net.address(l).port").await.unwrap();
    (server, port)
}

const PLAIN: &str = "{cert = server_cert, key = server_key}";

/// What a script that connects with `options` gets to hear.
async fn hear(client: &Context, host: &str, port: u16, options: &str) -> Result<String, Error> {
    let source = format!(
        "local c = net.connect_tls('{host}', {port}, {options})
         net.send(c, 'hello\\n')
         local line = net.recv_line(c)
         net.close(c)
         return line"
    );
    within(client.eval(&source)).await
}

#[tokio::test]
async fn scripts_talk_in_private() {
    let broker = broker();
    let (_server, port) = server(&broker, PLAIN).await;
    let client = lua(&broker, "").await;
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(hear(&client, host, port, "{ca = ca}").await.unwrap(), "hello", "{host}");
    }
    // The name to prove need not be the one to connect to.
    let named = hear(&client, "127.0.0.1", port, "{ca = ca, name = 'localhost', timeout = 5000}");
    assert_eq!(named.await.unwrap(), "hello");
}

#[tokio::test]
async fn a_large_message_arrives_whole_and_the_end_is_a_proper_one() {
    let broker = broker();
    let server = lua(
        &broker,
        "l = net.listen_tls('127.0.0.1', 0, {cert = server_cert, key = server_key})
         expose('serve', function()
           local c = net.accept(l)
           net.send(c, ('x'):rep(3000000))
           net.close(c)
         end)",
    )
    .await;
    let port: u16 = server.eval("return net.address(l).port").await.unwrap();
    let client = lua(&broker, "").await;
    let source = format!(
        "local c, n = net.connect_tls('localhost', {port}, {{ca = ca}}), 0
         for data in function() return net.recv(c, 1000000) end do n = n + #data end
         return n"
    );
    let both =
        async { tokio::join!(server.call::<()>("serve", ()), client.eval::<usize>(&source)) };
    let (served, received) = within(both).await;
    served.unwrap();
    assert_eq!(received.unwrap(), 3_000_000);
}

#[tokio::test]
async fn who_cannot_prove_a_name_is_no_peer() {
    let broker = broker();
    let (_good, good) = server(&broker, PLAIN).await;
    let (_old, old) = server(&broker, "{cert = expired_cert, key = expired_key}").await;
    let client = lua(&broker, "").await;
    for (port, options, why) in [
        (good, "{ca = ca, name = 'wrong.example'}", "not valid for name"),
        (old, "{ca = ca}", "expired"),
        (good, "{ca = stranger}", "UnknownIssuer"),
        // The roots of the system have not signed it either, if it has any.
        (good, "{}", ""),
    ] {
        let error = hear(&client, "localhost", port, options).await.unwrap_err();
        let is_rootless = options == "{}" && error.kind() == ErrorKind::Io;
        assert!(error.kind() == ErrorKind::Transport || is_rootless, "{options}: {error}");
        assert!(error.message().contains(why), "{options}: {error}");
    }
    // Those were nobody's failure on the other side.
    assert_eq!(hear(&client, "localhost", good, "{ca = ca}").await.unwrap(), "hello");
}

#[tokio::test]
async fn a_server_may_ask_its_clients_for_a_certificate() {
    let broker = broker();
    let (_server, port) = server(&broker, "{cert = server_cert, key = server_key, ca = ca}").await;
    let client = lua(&broker, "").await;
    let known = "{ca = ca, cert = client_cert, key = client_key}";
    assert_eq!(hear(&client, "localhost", port, known).await.unwrap(), "hello");
    let error = hear(&client, "localhost", port, "{ca = ca}").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
}

#[tokio::test]
async fn a_cut_is_not_taken_for_the_end() {
    let broker = broker();
    let (listener, port) = listen().await;
    let client = lua(&broker, "").await;
    let (_server, behind) = server(&broker, PLAIN).await;
    // Something between the two that passes everything on, until it breaks off the way back.
    let (cut_now, cut) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut from, mut to) = listener.accept().await.unwrap().0.into_split();
        let (mut back, mut forth) = connect(behind).await.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from, &mut forth).await });
        tokio::select! {
            _ = tokio::io::copy(&mut back, &mut to) => panic!("the server keeps it open"),
            _ = cut => to.shutdown().await.unwrap(),
        }
    });
    let source = format!(
        "c = net.connect_tls('localhost', {port}, {{ca = ca}})
         net.send(c, 'hello\\n')
         return net.recv_line(c)"
    );
    assert_eq!(within(client.eval::<String>(&source)).await.unwrap(), "hello");
    cut_now.send(()).unwrap();
    let result = within(client.eval::<()>("net.recv(c)")).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(error.message().contains("receiving: the peer broke off"), "{error}");
}

#[tokio::test]
async fn peers_that_never_agree_hold_up_nobody() {
    let broker = broker();
    let (_server, port) = server(&broker, PLAIN).await;
    // Silent ones, and one that speaks another language.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(connect(port).await);
    }
    let mut rude = connect(port).await;
    rude.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let client = lua(&broker, "").await;
    assert_eq!(hear(&client, "localhost", port, "{ca = ca}").await.unwrap(), "hello");
    let mut answer = Vec::new();
    let _ = within(rude.read_to_end(&mut answer)).await;
}

#[tokio::test]
async fn a_server_that_never_agrees_is_a_timeout() {
    let broker = broker();
    let (_listener, port) = listen().await;
    let client = lua(&broker, "").await;
    let error = hear(&client, "localhost", port, "{ca = ca, timeout = 50}").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn wrong_options_are_named() {
    let broker = broker();
    let client = lua(&broker, "").await;
    for (call, what) in [
        ("net.connect_tls('localhost', 1, {cafile = 'x'})", ".cafile: no such option"),
        ("net.connect_tls('localhost', 1, {ca = 'x'})", "`ca` is no certificate"),
        ("net.connect_tls('localhost', 1, {ca = 7})", ".ca: expected string"),
        ("net.connect_tls('localhost', 1, {ca = ca, cert = client_cert})", "belong together"),
        ("net.listen_tls('127.0.0.1', 0, {})", "needs `cert` and `key`"),
        ("net.listen_tls('127.0.0.1', 0, {cert = server_cert, key = ''})", "`key` is no"),
        ("net.listen_tls('127.0.0.1', 0, {cert = server_cert, key = client_key})", "cannot work"),
        (
            "net.listen_tls('127.0.0.1', 0, {cert = server_cert, key = server_key, name = 'x'})",
            "takes",
        ),
    ] {
        let error = client.eval::<()>(call).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Type, "{call}: {error}");
        assert!(error.message().contains(what), "{call}: {error}");
    }
}
