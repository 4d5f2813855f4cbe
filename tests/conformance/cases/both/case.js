// A list that has named values too stays both.
const both = Object.assign([1, 2], { name: "both" });
print(host.show(both));
print(host.show(mirror(both)));
print(host.show(mirror([both, { both }])));
