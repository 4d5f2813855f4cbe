// What can go wrong with a socket has one kind of error in every language, and nothing is lost by it.
const text = (bytes) => new TextDecoder().decode(bytes);
const kind = (f, ...args) => {
  try {
    f(...args);
    print("fine");
  } catch (e) {
    print(e.kind);
  }
};
// Only 127.0.0.1 is allowed here.
kind(net.connect, "10.0.0.1", 80);
kind(net.connect, "127.0.0.2", 80);
kind(net.connect, "example.com", 80);
kind(net.listen, "0.0.0.0", 0);
kind(net.listen, "::1", 0);
print("");

const listener = net.listen("127.0.0.1", 0);
const port = net.address(listener).port;
kind(net.listen, "127.0.0.1", port);
const client = net.connect("127.0.0.1", port);
const server = net.accept(listener);
print("");

// Handles that are something else, or somebody else's, or nothing.
kind(net.recv, listener);
kind(net.accept, client);
kind(net.peer, listener);
kind(net.recv, elsewhere);
kind(net.recv, 123456789);
kind(net.recv, -1);
kind(net.recv, "x");
kind(net.close, 123456789);
print("");

// Sizes, ports and times.
kind(net.recv, client, 0);
kind(net.recv, client, -1);
kind(net.recv_exact, client, -1);
kind(net.connect, "127.0.0.1", 65536);
kind(net.connect, "127.0.0.1", -1);
kind(net.connect, "127.0.0.1", port, -1);
kind(net.timeout, client, -1);
kind(net.send, client, 42);
kind(net.send, client);
print("");

// A wait that is over in vain takes nothing.
net.timeout(client, 5);
kind(net.recv, client);
net.send(server, "abc");
kind(net.recv_exact, client, 6);
kind(net.recv_line, client);
net.timeout(client, null);
net.send(server, "def\n");
print(text(net.recv_line(client)));
net.timeout(listener, 5);
kind(net.accept, listener);
print("");

// What ends while somebody waits for it.
timer.after(0, () => net.close(client));
kind(net.recv, client);
kind(net.send, client, "x");
print(host.show(net.recv(server)));
const another = net.connect("127.0.0.1", port);
net.send(another, "abc");
net.shutdown(another);
kind(net.send, another, "more");
net.timeout(listener, null);
const half = net.accept(listener);
kind(net.recv_exact, half, 4);
print(text(net.recv_exact(half, 3)));
net.close(listener);
kind(net.connect, "127.0.0.1", port);
