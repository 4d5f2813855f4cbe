// A socket may be a path on this machine; it is gone with who listens there.
print(is_there());
const c = net.connect_unix(path);
const d = net.connect_unix(path);
net.send(c, "one\n");
net.send(d, "two\n");
print(text.decode(net.recv_line(d)));
print(text.decode(net.recv_line(c)));
net.shutdown(c);
print(host.show(net.recv(c)));

const kind = (f, ...args) => {
  try {
    f(...args);
    print("fine");
  } catch (e) {
    print(e.kind);
  }
};
kind(net.listen_unix, path);
kind(net.connect_unix, host.folder + "/nobody");
kind(net.connect_unix, host.folder + "/../somebody");
kind(net.listen_unix, "/somewhere");
stop();
kind(net.connect_unix, path);
net.send(d, "still here\n");
print(text.decode(net.recv_line(d)));
