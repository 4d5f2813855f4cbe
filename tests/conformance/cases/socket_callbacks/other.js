const listener = net.listen("127.0.0.1", 0);
expose("port", net.address(listener).port);
net.on_connect(listener, (c) => {
  let who;
  net.on_data(c, async (data) => {
    who ??= String.fromCharCode(data[0]);
    // What comes while a callback waits is kept for the next.
    await host.later.async(0);
    await net.send.async(c, data);
  });
  net.on_close(c, () => {
    if (who) host.signal("closed " + who);
  });
});
export const stop = () => (net.close(listener) ? "stopped" : "was stopped");
