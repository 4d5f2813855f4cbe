// What is printed reads alike, one line for each call.
print("text");
print("");
print(42);
print(-7);
print(0.5);
print(true);
print(false);
print("two\nlines");
print("grüße 🦀 'quoted' \"twice\" \\");
print(host.echo("  spaces  "));
