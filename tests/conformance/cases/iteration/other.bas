def colours()
  return list("red", "green", "blue")
enddef
def prices()
  return dict("apple", 1, "pear", 20, "fig", 300)
enddef
def holes()
  return list(1, nil, 3)
enddef
expose(colours)
expose(prices)
expose(holes)
