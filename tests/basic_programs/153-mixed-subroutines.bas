def twice(x)
  return x * 2
enddef
x = 1
gosub work
print x;
end
work:
x = twice(x) + 1
return
