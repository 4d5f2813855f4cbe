let a = 1
let b$ = "x"
let l = list(1)
let l(0) = 5
d = dict()
let d("k") = 6
print a, b$, l(0), d("k");
