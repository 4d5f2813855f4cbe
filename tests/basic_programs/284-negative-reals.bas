a = 2.0
print type(-a); type(-3.0); type(-a + 1); -a; -2.5; -0.0 + 0;
