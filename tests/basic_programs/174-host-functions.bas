print type(ticks()); type(now()); type(os()); type(mem) = type(1); mem > 0;
print len(now("%Y"));
t = ticks()
print ticks() >= t;
gc()
print "end";
