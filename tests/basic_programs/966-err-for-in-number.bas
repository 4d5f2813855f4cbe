for x in 5
next
