class a
  def hash()
    return 1
  enddef
endclass
o = new(a)
d = dict(o, 1)
