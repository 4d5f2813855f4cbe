import "lib-import.inc"
import "lib-import.inc"
print foo; lib(5);
