' Large values pass whole.
numbers = list()
for i = 1 to 10000
  push(numbers, i)
next
print total(numbers);
print total(host.later(numbers));
print host.chars(repeated("grüße ", 10000));
map = dict()
for i = 1 to 1000
  map("key" + str(i)) = i
next
keys = host.keys(map)
print host.show(list(keys(0), keys(999)));
