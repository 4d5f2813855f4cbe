print type("integer"); type("Real"); type("list"); type("nothing");
