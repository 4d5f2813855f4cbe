print 10 mod 3 * 2; 10 * 3 mod 4; 2 + 8 mod 3; 10 - 7 mod 4; 17 mod 10 mod 4; 2 ^ 3 mod 5;
print -7 mod 3 + 1; (10 mod 3) * 2; 8 mod 12 / 4;
