' A name with dots is a member of a member.
import "@shop.stock"
print shop.price(3);
print shop.stock.count();
print shop.name;
print count();
print host.show(shop.stock.depot);
shop_depot()
print shop.stock.depot;
f = call("shop.price")
print f(4);
print host.show(shop.nothing);
print host.show(host.nothing);
