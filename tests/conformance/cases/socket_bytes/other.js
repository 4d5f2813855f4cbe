const listener = net.listen("127.0.0.1", 0);
expose("port", net.address(listener).port);
net.on_connect(listener, (c) => {
  net.on_data(c, (data) => net.send.async(c, data));
});
