expose("shop.price", function(n) return n * 10 end)
expose("shop.stock.count", function() return 3 end)
expose("shop.name", "corner")
expose("shop_depot", function() expose("shop.stock.depot", "north") end)
