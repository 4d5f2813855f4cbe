i = 0
goto check
body:
print i, " "
i = i + 1
check:
if i < 3 then goto body
print "done";
