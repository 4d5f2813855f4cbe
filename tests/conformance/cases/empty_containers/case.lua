-- What is empty will do for a list and for a map, since not every language can say which it is.
print(host.show({}))
print(host.show(mirror({})))
print(host.show(no_list()))
print(size({}))
print(host.show(host.keys({})))
print(host.show(host.keys(mirror({}))))
print(host.show({list = {}, lists = {{}, {}}}))
print(host.show(mirror({list = {}, lists = {{}, {}}})))
