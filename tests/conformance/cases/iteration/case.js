// Lists and maps of another language are walked with the language's own loops.
for (const colour of colours()) print(colour);
print(colours().length);
let [sum, count] = [0, 0];
for (const price of Object.values(prices())) {
  sum += price;
  count += 1;
}
print(`${sum} for ${count}`);
const list = colours();
list.push("black");
print(host.show(list));
print(list.join(" "));
const gaps = holes();
print(gaps.length);
print(host.show(gaps[1]));
print(gaps[2]);
