expose("elsewhere", net.listen("127.0.0.1", 0))
