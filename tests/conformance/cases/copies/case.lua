-- Values are copied: nobody sees another's change.
local mine = {"mine"}
local theirs = change(mine)
print(mine[1])
print(theirs[1])
theirs[1] = "changed again"
print(kept_first())
