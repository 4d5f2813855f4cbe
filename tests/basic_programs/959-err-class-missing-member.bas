class a
endclass
o = new(a)
o.x = 1
