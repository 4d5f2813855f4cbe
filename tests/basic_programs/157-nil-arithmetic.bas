print 1 + nil; nil + 1; nil * 5; 5 - nil; nil - 5; nil + nil; nil / 5; 2.5 + nil;
x = "a"
print -x;
y = nil
print y + 1;
