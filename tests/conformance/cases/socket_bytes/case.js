// Bytes come back as they were sent, all 256 of them, and are bytes whatever they contain.
const describe = (bytes) => {
  if (!(bytes instanceof Uint8Array)) throw new Error(`not bytes: ${typeof bytes}`);
  print(`${bytes.length} bytes, together ${bytes.reduce((sum, byte) => sum + byte, 0)}`);
};
const all = new Uint8Array(256).map((_, i) => i);
const c = net.connect("127.0.0.1", port);
net.send(c, all);
const back = net.recv_exact(c, 256);
describe(back);
print(back.every((byte, i) => byte === all[i]) ? "the same" : "others");

// A text goes as UTF-8.
net.send(c, "grüße\n");
print(new TextDecoder().decode(net.recv_line(c)));
// So do many, more than fit on the way at once.
const large = new Uint8Array(256 * 4096).map((_, i) => i);
const sent = net.send.async(c, large);
let got = 0;
while (got < large.length) got += (await net.recv.async(c)).length;
await sent;
print(got);
net.send(c, new Uint8Array([0, 10, 255]));
describe(net.recv_line(c));
describe(net.recv(c));
