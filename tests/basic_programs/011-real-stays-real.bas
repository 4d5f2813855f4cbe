x = 3.0
print x; type(x); type(x + 0); type(1e3); type(val("3.0")); type(5.); type(08); 08;
