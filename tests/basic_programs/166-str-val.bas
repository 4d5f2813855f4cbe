print str("text"), str(type(1.5)), str(-3), str(2.5);
print val(" -7"); val("+3"); val(".5"); val("010"); val("1e-2"); val("  12"); val("-0x10"); type(val("7")); type(val("7.0"));
print len(str(12345));
