-- A small order desk: reads orders from a CSV file, has each priced and prints the report.
--
--   calog run --allow-read=examples/orders examples/orders/rules.bas \
--     examples/orders/format.js examples/orders/main.lua [-- FILE.csv]
--
-- The prices come from rules.bas and the looks from format.js, each a context of its own, and calls
-- go every way: format asks this script for the next row while it draws the table, which has
-- rules price the order, which calls `note` here for each rule that applied.
--
-- A file with a malformed row gives no report at all, since its totals would be wrong: the script
-- fails and names every such row.

local path = args[1] or "examples/orders/orders.csv"

local header = {
  "order_id", "date", "customer", "country", "tier", "sku", "description", "quantity",
  "unit_price", "coupon",
}

-- Level 0, since the place of the mistake is in the CSV file and not in this script.
local function refuse(message)
  error(path .. ": " .. message, 0)
end

-- Splits CSV text (RFC 4180) into records: the fields, and the line where the record starts. A
-- quoted field may hold commas, line breaks and doubled quotes. A misplaced quote ends it all,
-- because nothing after it can be trusted to be where it seems.
local function parse_csv(text)
  local records = {}
  local at, line = 1, 1
  while at <= #text do
    local fields, first_line = {}, line
    local ending
    repeat
      local field
      if text:sub(at, at) == '"' then
        local close = text:find('"', at + 1, true)
        while close and text:sub(close + 1, close + 1) == '"' do
          close = text:find('"', close + 2, true)
        end
        if not close then
          refuse("line " .. line .. ": a quoted field is never closed")
        end
        field = text:sub(at + 1, close - 1):gsub('""', '"')
        at = close + 1
      else
        local stop = text:find('[,\r\n"]', at) or #text + 1
        field = text:sub(at, stop - 1)
        at = stop
      end
      fields[#fields + 1] = field
      local _, breaks = field:gsub("\n", "")
      line = line + breaks

      if at > #text then
        ending = ""
      else
        ending = text:match("^,", at) or text:match("^\r?\n", at)
      end
      if not ending then
        refuse("line " .. line .. ": a field must end with a comma or the line")
      end
      at = at + #ending
    until ending ~= ","
    line = line + 1
    if #fields > 1 or fields[1] ~= "" then
      records[#records + 1] = { fields = fields, line = first_line }
    end
  end
  return records
end

-- An order from the fields of a record, or nil and what is wrong with them.
local function read_order(fields, seen, vat, tiers)
  if #fields ~= #header then
    return nil, #fields .. " fields instead of " .. #header
  end
  local order = {}
  for i, name in ipairs(header) do
    if not utf8.len(fields[i]) then
      return nil, name .. " is not UTF-8"
    end
    order[name] = fields[i]
  end

  local function wrong(name, expected)
    return nil, string.format('%s "%s" is not %s', name, order[name], expected)
  end
  if order.order_id == "" or order.customer == "" then
    return nil, "order_id and customer must not be empty"
  elseif seen[order.order_id] then
    return wrong("order_id", "unique")
  elseif not order.date:find("^%d%d%d%d%-%d%d%-%d%d$") then
    return wrong("date", "of the form 2025-12-31")
  elseif not vat[order.country] then
    return wrong("country", "a country we deliver to")
  elseif not tiers[order.tier] then
    return wrong("tier", "a customer tier")
  elseif not order.quantity:find("^%-?[1-9]%d*$") or #order.quantity > 7 then
    return wrong("quantity", "a whole number of pieces")
  end
  -- The cents are read as text, because a price like 0.29 is not exact as a binary fraction.
  local whole, cents = order.unit_price:match("^(%d+)%.(%d%d)$")
  if not whole or #whole > 7 then
    return wrong("unit_price", "an amount like 12.50")
  end
  order.quantity = math.tointeger(tonumber(order.quantity))
  order.unit_price = math.tointeger(tonumber(whole .. cents))
  seen[order.order_id] = true
  return order
end

local function read_orders()
  local records = parse_csv(fs.read(path))
  local titles = records[1] and table.concat(records[1].fields, ",") or ""
  if titles ~= table.concat(header, ",") then
    refuse("the first line must be " .. table.concat(header, ","))
  end

  -- Fetched once, since every use of an exported table gives a copy.
  local vat, tiers = rules.vat, rules.tiers
  local orders, problems, seen = {}, {}, {}
  for i = 2, #records do
    local order, problem = read_order(records[i].fields, seen, vat, tiers)
    if order then
      orders[#orders + 1] = order
    else
      problems[#problems + 1] =
        string.format("row %d (line %d): %s", i - 1, records[i].line, problem)
    end
  end
  if #problems > 0 then
    refuse("malformed rows: " .. #problems .. "\n  " .. table.concat(problems, "\n  "))
  elseif #orders == 0 then
    refuse("there is no order in it")
  end
  return orders
end

local function emit(line)
  print(line)
end

-- Adds an order's price to the totals of its group.
local function add(groups, key, priced)
  local group = groups[key]
  if not group then
    group = { key = key, orders = 0 }
    groups[key] = group
    groups[#groups + 1] = group
  end
  group.orders = group.orders + 1
  for name, cents in pairs(priced) do
    group[name] = (group[name] or 0) + cents
  end
end

local orders = read_orders()
local by_country, by_tier, by_desk = {}, {}, {}
local applied = {}
local returns = 0
local best, best_discount

-- Called by rules.bas, from its own context, for each rule that applied to an order.
local function note(rule, cents)
  local entry = applied[rule]
  if not entry then
    entry = { rule = rule, times = 0, cents = 0 }
    applied[rule] = entry
    applied[#applied + 1] = entry
  end
  entry.times = entry.times + 1
  entry.cents = entry.cents + cents
end

local function price(order)
  local priced = rules.price(order, note)
  add(by_country, order.country, priced)
  add(by_tier, order.tier, priced)
  add(by_desk, "all", priced)
  if order.quantity < 0 then
    returns = returns + 1
  end
  if not best or priced.discount > best_discount then
    best, best_discount = order, priced.discount
  end
  return priced
end

-- Called by format.js, from its own context, until it gives nil. No order is priced before the
-- table asks for it.
local at = 0
local function next_order()
  at = at + 1
  local order = orders[at]
  if order then
    return format.row(order, price(order))
  end
  return nil
end

-- Gives the rows of a list one by one, then nil.
local function each(rows)
  local n = 0
  return function()
    n = n + 1
    return rows[n]
  end
end

local function group_cells(title, group)
  return {
    title, group.orders, group.gross, -group.discount, group.net, group.shipping, group.vat,
    group.total,
  }
end

local function print_groups(title, groups, all)
  table.sort(groups, function(a, b)
    if a.total ~= b.total then
      return a.total > b.total
    end
    return a.key < b.key
  end)
  local rows = {}
  for i, group in ipairs(groups) do
    rows[i] = group_cells(group.key, group)
  end
  rows[#rows + 1] = "-"
  rows[#rows + 1] = group_cells("all", all)

  local columns = {
    { title = title, kind = "text" },
    { title = "Orders", kind = "count" },
    { title = "Gross", kind = "money" },
    { title = "Discount", kind = "money" },
    { title = "Net", kind = "money" },
    { title = "Shipping", kind = "money" },
    { title = "VAT", kind = "money" },
    { title = "Total", kind = "money" },
  }
  format.table(columns, each(rows), emit)
end

local function print_rules(all)
  table.sort(applied, function(a, b)
    if a.times ~= b.times then
      return a.times > b.times
    end
    return a.rule < b.rule
  end)
  local rows = { { "list price", all.orders, all.gross } }
  for _, entry in ipairs(applied) do
    rows[#rows + 1] = { entry.rule, entry.times, entry.cents }
  end
  rows[#rows + 1] = "-"
  rows[#rows + 1] = { "total", all.orders, all.total }

  local columns = {
    { title = "Rule", kind = "text" },
    { title = "Times", kind = "count" },
    { title = "Effect", kind = "money" },
  }
  format.table(columns, each(rows), emit)
end

-- Here rules.bas gets a function of format.js for its notes: the two talk to each other, and this
-- script only introduces them.
local function print_receipt(order)
  local line = format.receipt(order, emit)
  line("list price", order.quantity * order.unit_price)
  local priced = rules.price(order, line)
  line("total", priced.total)
end

local first_date, last_date = orders[1].date, orders[1].date
for _, order in ipairs(orders) do
  if order.date < first_date then
    first_date = order.date
  elseif order.date > last_date then
    last_date = order.date
  end
end

print("Orders from " .. first_date .. " to " .. last_date .. ", in EUR")
format.table(format.columns, next_order, emit)

local all = by_desk.all
print("")
print("By country")
print_groups("Country", by_country, all)
print("")
print("By customer tier")
print_groups("Tier", by_tier, all)
print("")
print("From the list price to the total")
print_rules(all)
print("")
print("The largest discount")
print_receipt(best)

-- For programs: one name and one number a line, all amounts in cents.
print("")
print("orders " .. all.orders)
print("returns " .. returns)
for _, name in ipairs({ "gross", "discount", "net", "shipping", "vat", "total" }) do
  print(name .. " " .. all[name])
end
