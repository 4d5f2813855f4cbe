// A name with dots is a member of a member.
print(shop.price(3));
print(shop.stock.count());
print(shop.name);
const stock = shop.stock;
print(stock.count());
print(host.show(shop.stock.depot));
shop_depot();
print(shop.stock.depot);
print(call("shop.price", 4));
print(host.show(shop.nothing));
print(host.show(host.nothing));
