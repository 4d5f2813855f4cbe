// Scripts are called back for what comes to their sockets: each piece in its order, the end once.
const text = (bytes) => new TextDecoder().decode(bytes);
const receive = (c, wanted, done) => {
  let got = "";
  net.on_data(c, async (data) => {
    got += text(data);
    await host.later.async(0);
    if (got.length === wanted) host.signal(done);
  });
  return () => got;
};

// Several at once do not mix.
const sockets = [];
const received = [];
for (let i = 1; i <= 3; i++) {
  sockets[i] = net.connect("127.0.0.1", port);
  received[i] = receive(sockets[i], 12, `all of ${i}`);
}
for (let round = 1; round <= 4; round++) {
  for (let i = 1; i <= 3; i++) net.send(sockets[i], `${i}:${round}`);
}
for (let i = 1; i <= 3; i++) {
  await host.wait.async(`all of ${i}`);
  print(received[i]());
}

// Who has a callback for what comes gets it, and nobody else.
const kind = (f, ...args) => {
  try {
    f(...args);
  } catch (e) {
    print(e.kind);
  }
};
kind(net.recv, sockets[1]);
kind(net.on_data, sockets[1], print);
kind(net.on_connect, sockets[1], print);

// The other side hears of the end, once.
net.close(sockets[2]);
await host.wait.async("closed 2");
// So does this one, by its own callback, when the other side is gone.
net.on_close(sockets[1], () => {
  print("closed here");
  host.signal("closed here");
});
kind(net.on_close, sockets[1], print);
net.close(sockets[1]);
await host.wait.async("closed here");
await host.wait.async("closed 1");
kind(net.send, sockets[1], "more");

print(stop());
print(stop());
kind(net.connect, "127.0.0.1", port);
