total = 0
for i = 1 to 3
  gosub add
next
print total;
end
add:
total = total + i
return
