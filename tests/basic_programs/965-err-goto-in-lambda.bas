here:
f = lambda () (goto here)
f()
