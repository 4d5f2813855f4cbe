// A stream is read line by line; a line that is too long for a call is there for the next.
// A plain call on top of this script would have to end before the script can go on.
timer.after(0, () => dictate.async());
const c = net.connect("127.0.0.1", port);
const text = (bytes) => new TextDecoder().decode(bytes);
const line = (...most) => print(`[${text(net.recv_line(c, ...most))}]`);
line();
line(3);
line(1);
line(7);
try {
  net.recv_line(c, 10);
} catch (e) {
  print(e.kind);
}
print(text(net.recv_exact(c, 4)));
line(13);
line(7);
net.send(c, "go on\n");
line();
print(host.show(net.recv_line(c)));
