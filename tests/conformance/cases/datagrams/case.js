// Datagrams arrive whole, each by itself, with the address of who sent it.
const text = (bytes) => new TextDecoder().decode(bytes);
const u = net.udp_bind("127.0.0.1", 0);
net.send_to(u, "127.0.0.1", port, "grüße\n");
answer();
const message = net.recv_from(u);
print(text(message.data) + message.host + " " + (message.port === port ? "yes" : "no"));
print(text(net.recv_from(u).data));

const own = net.address(u).port;
net.send_to(u, "127.0.0.1", own, "a longer one than there is room for");
net.send_to(u, "127.0.0.1", own, "");
net.send_to(u, "127.0.0.1", own, "fits");
print(`[${text(net.recv_from(u, 4).data)}]`);
print(`[${text(net.recv_from(u, 4).data)}]`);

const kind = (f, ...args) => {
  try {
    f(...args);
    print("fine");
  } catch (e) {
    print(e.kind);
  }
};
kind(net.send_to, u, "10.0.0.1", 9, "x");
kind(net.udp_bind, "0.0.0.0", 0);
kind(net.udp_bind, "127.0.0.1", own);
kind(net.recv, u);
kind(net.send, u, "x");
net.timeout(u, 5);
kind(net.recv_from, u);
print(net.close(u) && "closed");
kind(net.recv_from, u);
