dim a$(2)
a$(0) = 1
