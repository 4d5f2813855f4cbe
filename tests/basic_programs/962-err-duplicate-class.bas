class a
endclass
class a
endclass
