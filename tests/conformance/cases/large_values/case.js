// Large values pass whole.
const list = [];
for (let i = 1; i <= 10000; i++) list.push(i);
print(total(list));
print(total(host.later(list)));
print(host.chars(repeated("grüße ", 10000)));
const map = {};
for (let i = 1; i <= 1000; i++) map["key" + i] = i;
const keys = host.keys(map);
print(host.show([keys[0], keys[999]]));
