local kept
expose("change", function(list)
  kept = list
  list[1] = "changed"
  return list
end)
expose("kept_first", function() return kept[1] end)
