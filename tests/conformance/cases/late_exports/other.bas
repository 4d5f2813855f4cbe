def publish(n)
  expose("late", lambda () (return "late " + str(n)))
enddef
expose(publish)
