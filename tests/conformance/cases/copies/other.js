let kept;
expose("change", (list) => {
  kept = list;
  list[0] = "changed";
  return list;
});
expose("kept_first", () => kept[0]);
