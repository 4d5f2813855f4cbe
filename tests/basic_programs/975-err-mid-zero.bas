print mid("abc", 0, 0);
