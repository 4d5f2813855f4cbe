def store(name, data)
  fs.write(host.folder + "/" + name, data)
enddef
def stored(name)
  return fs.read(host.folder + "/" + name)
enddef
expose(store)
expose(stored)
