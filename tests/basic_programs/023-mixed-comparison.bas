s = "5"
n = 5
print s = n; s <> n; s < n; s <= n; s > n; s >= n;
print n = s; n <> s; n < s; n <= s; n > s; n >= s;
print s = nil; s <> nil; nil = s; nil <> s;
