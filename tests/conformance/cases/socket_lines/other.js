const listener = net.listen("127.0.0.1", 0);
expose("port", net.address(listener).port);
export async function dictate() {
  const c = await net.accept.async(listener);
  // One line after another, in pieces that end anywhere.
  net.send(c, "one\r");
  net.send(c, "\ntwo\n\n");
  net.send(c, " three \r\n");
  net.send(c, "too long for some\nas long\n");
  await net.recv_line.async(c);
  net.send(c, "last");
  net.close(c);
}
