def panic_there()
  host.panic()
enddef
expose(panic_there)
