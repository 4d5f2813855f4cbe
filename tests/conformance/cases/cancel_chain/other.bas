def enter(f)
  return finally(f, lambda () (host.cleaned("other")))
enddef
expose(enter)
