def stuck()
  finally(lambda () (
    host.signal("stuck")
    host.hang()
  ), lambda () (print "closed by other";))
enddef
expose(stuck)
