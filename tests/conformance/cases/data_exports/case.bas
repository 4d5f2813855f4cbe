' Exported data is a global, by value, as it is when it is looked at.
print settings("name");
sizes = settings("sizes")
print sizes(2);
print most + 1;
print open;
mine = settings
mine("name") = "mine"
print settings("name");
rename("store")
print settings("name");
print host.show(settings);
print motto;
