expose("shop.price", (n) => n * 10);
expose("shop.stock.count", () => 3);
expose("shop.name", "corner");
expose("shop_depot", () => expose("shop.stock.depot", "north"));
