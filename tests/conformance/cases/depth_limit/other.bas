expose("back", lambda (n) (return dive(n + 1)))
