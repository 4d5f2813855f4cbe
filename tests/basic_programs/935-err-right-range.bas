print right("abc", 4);
