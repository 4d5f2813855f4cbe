def each(items, f)
  for item in items
    f(item)
  next
enddef
def transformed(items, f)
  result = list()
  for item in items
    push(result, f(item))
  next
  return result
enddef
expose(each)
expose(transformed)
