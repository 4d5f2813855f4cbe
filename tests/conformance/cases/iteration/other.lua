expose("colours", function() return {"red", "green", "blue"} end)
expose("prices", function() return {apple = 1, pear = 20, fig = 300} end)
expose("holes", function() return {1, nil, 3} end)
