print abs("x");
