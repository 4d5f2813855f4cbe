-- Exported data is a global, by value, as it is when it is looked at.
print(settings.name)
print(settings.sizes[3])
print(most + 1)
print(open)
settings.name = "mine"
print(settings.name)
rename("store")
print(settings.name)
print(host.show(settings))
print(motto)
