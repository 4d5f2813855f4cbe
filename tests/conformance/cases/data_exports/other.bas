expose("settings", dict("name", "shop", "sizes", list(1, 2, 3)))
expose("most", 10)
expose("open", "at nine")
def rename(name)
  expose("settings", dict("name", name, "sizes", list()))
enddef
expose(rename)
