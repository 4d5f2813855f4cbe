const listener = net.listen("127.0.0.1", 0);
expose("port", net.address(listener).port);
export async function serve() {
  const c = await net.accept.async(listener);
  for (let data = await net.recv.async(c); data; data = await net.recv.async(c)) {
    await net.send.async(c, data);
  }
  await net.send.async(c, "that was all");
  net.close(c);
  return `served in ${host.name()}`;
}
