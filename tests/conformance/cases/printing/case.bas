' What is printed reads alike, one line for each call.
print "text";
print "";
print 42;
print -7;
print 0.5;
if true then print "true";
if not false then print "false";
print "two", chr(10), "lines";
print "grüße 🦀 'quoted' ", chr(34), "twice", chr(34), " \";
print host.echo("  spaces  ");
