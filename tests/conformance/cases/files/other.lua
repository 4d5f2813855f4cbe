expose("store", function(name, data) fs.write(host.folder .. "/" .. name, data) end)
expose("stored", function(name) return fs.read(host.folder .. "/" .. name) end)
