def price(n)
  return n * 10
enddef
def count()
  return 3
enddef
def shop_depot()
  expose("shop.stock.depot", "north")
enddef
expose("shop.price", price)
expose("shop.stock.count", count)
expose("shop.name", "corner")
expose(shop_depot)
