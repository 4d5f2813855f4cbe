const path = host.folder + "/greeter";
const listener = net.listen_unix(path);
expose("path", path);
net.on_connect(listener, async (c) => {
  for (let name = await net.recv_line.async(c); name; name = await net.recv_line.async(c)) {
    await net.send.async(c, `hello ${text.decode(name)}\n`);
  }
  net.close(c);
});
export const is_there = () => (net.address(listener).path === path ? "there" : "elsewhere");
export const stop = () => void net.close(listener);
