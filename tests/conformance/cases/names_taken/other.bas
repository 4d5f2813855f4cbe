def theirs()
  return "theirs"
enddef
expose(theirs)
expose("their.own", 1)
