def greet()
  return "theirs"
enddef
def as_seen_there()
  return list(twice(2), greet(), season, motto)
enddef
expose(greet)
expose("season", "winter")
expose(as_seen_there)
