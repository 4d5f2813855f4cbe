//! Sockets as scripts use them: what is sent arrives, in order and whole, and each end is noticed.

#![cfg(all(feature = "lua", feature = "net"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod net_support;

use calog::ErrorKind;
use net_support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
