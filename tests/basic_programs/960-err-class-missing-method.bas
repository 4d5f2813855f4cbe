class a
endclass
o = new(a)
o.m()
