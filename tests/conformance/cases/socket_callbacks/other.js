const listener = net.listen("127.0.0.1", 0);
expose("port", net.address(listener).port);
net.on_connect(listener, (c) => {
  let lines = 0;
  net.on_data(c, async (data) => {
    lines += 1;
    // What comes while a callback waits is kept for the next.
    await host.later.async(0);
    await net.send.async(c, data);
  });
  net.on_close(c, () => {
    if (lines > 0) host.signal("closed");
  });
});
export const stop = () => (net.close(listener) ? "stopped" : "was stopped");
