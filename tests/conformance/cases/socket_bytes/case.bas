' Bytes come came_back as they were sent, all 256 of them, and are bytes whatever they contain.
def describe(bytes)
  sum = 0
  for i = 0 to len(bytes) - 1
    sum = sum + asc(mid(bytes, i, 1))
  next
  print len(bytes), " bytes, together ", sum;
enddef
all = ""
for i = 0 to 255
  all = all + chr(i)
next
c = net.connect("127.0.0.1", port)
net.send(c, all)
came_back = net.recv_exact(c, 256)
describe(came_back)
if came_back = all then print "the same"; else print "others";

' A text goes as UTF-8.
net.send(c, "grüße" + chr(10))
print net.recv_line(c);
' So do many, more than fit on the way at once.
large = all
for i = 1 to 12
  large = large + large
next
timer.after(0, lambda () (net.send(c, large)))
count = 0
while count < len(large)
  count = count + len(net.recv(c))
wend
print count;
net.send(c, chr(0) + chr(10) + chr(255))
describe(net.recv_line(c))
describe(net.recv(c))
