print asc("A"); asc("ABC"); asc("é"); chr(65); chr(43459); chr(asc("日")); len(chr(asc("日")));
print left("é日", 1); asc(" ");
print len(chr(10)); chr(34);
