expose("decoded", function(text) return json.decode(text) end)
expose("encoded", function(value) return json.encode(value) end)
