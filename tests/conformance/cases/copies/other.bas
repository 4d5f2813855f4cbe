kept = nil
def change(items)
  kept = items
  items(0) = "changed"
  return items
enddef
def kept_first()
  return kept(0)
enddef
expose(change)
expose(kept_first)
