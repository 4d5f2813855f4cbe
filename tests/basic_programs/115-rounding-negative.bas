print round(-1.5); round(-2.6); round(0.4); fix(2.9); fix(-2.9); ceil(2); floor(-0.5); abs(0); sgn(-0.1);
print floor(2.999); ceil(2.001); type(ceil(1.5)); type(abs(-1.0)); round(7);
