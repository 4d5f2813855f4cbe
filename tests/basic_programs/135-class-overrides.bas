class box
  var l = list()
  def _push(v)
    push(l, v)
    return me
  enddef
  def _pop()
    return pop(l)
  enddef
  def _back()
    return back(l)
  enddef
  def _exists(v)
    return exists(l, v)
  enddef
  def _index_of(v)
    return index_of(l, v)
  enddef
  def _clear()
    clear(l)
  enddef
  def _len()
    return len(l)
  enddef
  def _set(i, v)
    l(i) = v
  enddef
  def _get(i)
    return l(i)
  enddef
  def _val()
    return 42
  enddef
endclass
b = new(box)
push(b, "x")
push(b, "y")
print len(b); back(b); exists(b, "x"); index_of(b, "y"); get(b, 0);
set(b, 0, "z")
print get(b, 0); pop(b); len(b); val(b);
clear(b)
print len(b);
