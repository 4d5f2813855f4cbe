// Two scripts talk over TCP: what one sends comes back, in its order, until one has no more to say.
const yes = (was) => (was ? "yes" : "no");
const text = (bytes) => new TextDecoder().decode(bytes);
let served;
timer.after(0, async () => {
  served = await serve.async();
  host.signal("served");
});
const c = net.connect("127.0.0.1", port);
print(`${net.peer(c).host} ${yes(net.peer(c).port === port)}`);
print(`${net.address(c).host} ${yes(net.address(c).port !== port)}`);

print(host.show(net.send(c, "hello")));
print(text(net.recv_exact(c, 5)));
// What is sent in pieces comes as one stream.
net.send(c, "one ");
net.send(c, "two ");
net.send(c, "three");
print(text(net.recv_exact(c, 4)) + text(net.recv_exact(c, 9)));
net.send(c, "");
net.send(c, "grüße 🦀\nsecond line\r\n");
print(text(net.recv_line(c)));
print(text(net.recv_line(c)));
// No more than is wanted is taken.
net.send(c, "abcdef");
print(`${text(net.recv(c, 1))} ${text(net.recv_exact(c, 5))}`);

// Who has no more to say may still listen.
net.shutdown(c);
let rest = "";
for (let data = net.recv(c); data; data = net.recv(c)) rest += text(data);
print(rest);
print(host.show(net.recv(c)));
print(host.show(net.recv_line(c)));
await host.wait.async("served");
print(served);
print(`${yes(net.close(c))}, ${yes(net.close(c))}`);
