-- How the order desk's report looks, and nothing else: widths, alignment, money.
--
-- It prints nothing itself: each finished line goes to an `emit(line)` of the caller. A width is
-- a number of characters, not of bytes, so names in any alphabet line up.

-- The columns of the order list, in the order of the cells that `format.row` gives. `width` is the
-- most that a text may take before it is cut; together they fit a terminal of 100 columns.
local columns = {
  { title = "Order", kind = "text" },
  { title = "Customer", kind = "text", width = 20 },
  { title = "To", kind = "text" },
  { title = "Tier", kind = "text" },
  { title = "Item", kind = "text", width = 16 },
  { title = "Qty", kind = "count" },
  { title = "Net", kind = "money" },
  { title = "VAT", kind = "money" },
  { title = "Ship", kind = "money" },
  { title = "Total", kind = "money" },
}

-- What a row can be instead of a list of cells: a line across the table.
local separator = "-"

-- 1234567 becomes "1,234,567".
local function grouped(whole)
  local digits = string.format("%d", whole)
  local groups = ""
  while #digits > 3 do
    groups = "," .. digits:sub(-3) .. groups
    digits = digits:sub(1, -4)
  end
  return digits .. groups
end

local function count(number)
  if number < 0 then
    return "-" .. grouped(-number)
  end
  return grouped(number)
end

local function money(cents)
  if cents < 0 then
    return "-" .. money(-cents)
  end
  return grouped(cents // 100) .. string.format(".%02d", cents % 100)
end

-- A line break or a tab inside a cell would tear the table, so it becomes a space.
local function one_line(text)
  local flat = text:gsub("%s+", " ")
  return flat
end

local function cut(text, width)
  if utf8.len(text) <= width then
    return text
  end
  return text:sub(1, utf8.offset(text, width) - 1) .. "…"
end

local function padded(text, width, kind)
  local blank = string.rep(" ", math.max(0, width - utf8.len(text)))
  if kind == "text" then
    return text .. blank
  end
  return blank .. text
end

-- A text stands in any column as it is; a number takes the form of its column.
local function shown(cell, column)
  if type(cell) ~= "string" then
    if column.kind == "money" then
      return money(cell)
    end
    return count(cell)
  end
  local text = one_line(cell)
  if column.width then
    text = cut(text, column.width)
  end
  return text
end

-- Fetches rows from `next_row()` until it gives none, then emits the table line by line. The rows
-- come first because the widths depend on all of them.
local function draw(headings, next_row, emit)
  local titles, widths = {}, {}
  for i, column in ipairs(headings) do
    titles[i] = column.title
    widths[i] = utf8.len(column.title)
  end

  local rows = { titles, separator }
  local row = next_row()
  while row ~= nil do
    if row == separator then
      rows[#rows + 1] = separator
    else
      local texts = {}
      for i, column in ipairs(headings) do
        texts[i] = shown(row[i], column)
        widths[i] = math.max(widths[i], utf8.len(texts[i]))
      end
      rows[#rows + 1] = texts
    end
    row = next_row()
  end

  for _, texts in ipairs(rows) do
    local cells = {}
    for i, column in ipairs(headings) do
      if texts == separator then
        cells[i] = string.rep("─", widths[i])
      else
        cells[i] = padded(texts[i], widths[i], column.kind)
      end
    end
    emit(table.concat(cells, "  "))
  end
end

-- The cells of one order, for the columns above.
local function order_row(order, priced)
  return {
    order.order_id,
    order.customer,
    order.country,
    order.tier,
    order.description,
    order.quantity,
    priced.net,
    priced.vat,
    priced.shipping,
    priced.total,
  }
end

-- Emits the heading of a receipt and gives a function that emits one line of it: a label and an
-- amount. That is the form of the `note` that the price rules take, so the rules can write a receipt
-- without knowing of one.
local function receipt(order, emit)
  emit(one_line("Order " .. order.order_id .. ", " .. order.customer))
  emit(one_line(count(order.quantity) .. " × " .. order.description))
  return function(label, cents)
    emit(padded(label, 24, "text") .. padded(money(cents), 12, "money"))
  end
end

expose("format.columns", columns)
expose("format.row", order_row)
expose("format.table", draw)
expose("format.receipt", receipt)
