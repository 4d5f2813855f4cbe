if "" then print "text"; else print "no";
if list() then print "list"; else print "no";
if dict() then print "dict"; else print "no";
if 0.5 then print "half"; else print "no";
if 0 then print "zero"; else print "no";
if 0.0 then print "real zero"; else print "no";
if nil then print "nil"; else print "no";
if -1 then print "minus"; else print "no";
print nil and 1; 2 and 3; nil or 0; "a" or 0; 0.5 and 0.5;
