' Values are copied: nobody sees another's change.
mine = list("mine")
theirs = change(mine)
print mine(0);
print theirs(0);
theirs(0) = "changed again"
print kept_first();
