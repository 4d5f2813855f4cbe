def decoded(text)
  return json.decode(text)
enddef
def encoded(value)
  return json.encode(value)
enddef
expose(decoded)
expose(encoded)
