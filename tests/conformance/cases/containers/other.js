expose("mirror", (value) => value);
