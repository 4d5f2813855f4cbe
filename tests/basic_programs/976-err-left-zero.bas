print left("abc", 0);
