// While one call of a context waits, another one runs; between two waits a call is alone.
print(host.show(host.together(first, second)));
print(host.show(log()));
print(host.show(host.together(
  () => {
    print("own first begins");
    host.wait("own");
    print("own first ends");
    return "own first";
  },
  () => {
    print("own second begins");
    host.signal("own");
    print("own second ends");
    return "own second";
  },
)));
