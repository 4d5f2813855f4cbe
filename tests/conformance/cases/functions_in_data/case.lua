-- Functions pass inside of lists and maps, and in exported data.
print(host.show(use({
  name = function() return "box" end,
  list = {function(i) return i * 10 end, function(i) return host.later(i * 100) end},
})))
print(tools.describe("saw"))
print(host.echo({f = function() return "nested" end}).f())
