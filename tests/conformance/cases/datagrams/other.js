const u = net.udp_bind("127.0.0.1", 0);
expose("port", net.address(u).port);
export function answer() {
  const message = net.recv_from(u);
  net.send_to(u, message.host, message.port, `for ${host.name()}: `);
  net.send_to(u, message.host, message.port, message.data);
}
