-- The price rules of the order desk, and nothing else: no file, no printing, no layout.
--
-- Every amount is a whole number of cents (EUR) and every rate a whole number of tenths of a
-- percent, so no step depends on binary fractions. A share of an amount is rounded to the cent at
-- the step that takes it, half up on the amount without its sign: 0.5 cents become 1 and -0.5 cents
-- become -1. That way a return gives back exactly what the same sale would have charged.
--
-- An order has a `quantity` (negative for a return), a `unit_price` in cents, a `country`, a `tier`
-- and a `coupon` (may be empty). It is priced in these steps:
--
--  1. Gross: quantity times unit price.
--  2. Volume discount, a share of the gross, by the quantity without its sign: 3 % from 10 pieces,
--     7 % from 50, 12 % from 100. Only the best one counts.
--  3. Tier discount, a share of what step 2 left: silver 2 %, gold 5 %, basic nothing.
--  4. Coupon, at most one, on what step 3 left, and never on a return:
--       SPRING10   10 % off;
--       WELCOME5   5.00 off, if at least 50.00 are left;
--       FREESHIP   no shipping fee (see step 6), whatever is left.
--     Any other code, and a code that may not be used here, is refused: it changes nothing.
--  5. Net: what step 4 left. The discount is the gross minus the net.
--  6. Shipping: 4.90 within DE, 9.90 to the rest of the EU, 19.90 abroad. There is no fee with the
--     coupon FREESHIP, nor within DE or the EU from a net of 150.00, nor on a return.
--  7. VAT, a share of net plus shipping, at the rate of the country (the table `vat`). The EU
--     charges it, abroad is every country with a rate of 0.
--  8. Total: net plus shipping plus VAT.
--
-- `rules.price(order, note)` returns `gross`, `discount`, `net`, `shipping`, `vat` and `total`, and
-- calls `note(rule, cents)` for each rule that applied, in the order of the steps, with what the
-- rule added to the price. The gross plus all notes is therefore the total.

-- Tenths of a percent: the standard rates of the EU countries served in 2025, and 0 for exports.
local vat = {
  AT = 200, BE = 210, CZ = 210, DE = 190, DK = 250, ES = 210, FI = 255, FR = 200, GR = 240,
  IE = 230, IT = 220, NL = 210, PL = 230, PT = 230, SE = 250,
  CH = 0, GB = 0, NO = 0,
}

local tiers = { basic = 0, silver = 20, gold = 50 }

-- The best comes first, since the first that fits is the one that counts.
local volumes = {
  { from = 100, rate = 120, rule = "volume 100+" },
  { from = 50, rate = 70, rule = "volume 50+" },
  { from = 10, rate = 30, rule = "volume 10+" },
}

local free_shipping_from = 15000

-- `rate` tenths of a percent of `amount`, rounded half up on the amount without its sign.
local function share(amount, rate)
  if amount < 0 then
    return -share(-amount, rate)
  end
  return (amount * rate + 500) // 1000
end

local function shipping_fee(country)
  if country == "DE" then
    return 490
  elseif vat[country] > 0 then
    return 990
  end
  return 1990
end

local function price(order, note)
  local gross = order.quantity * order.unit_price
  local is_return = order.quantity < 0
  local pieces = order.quantity
  if is_return then
    pieces = -pieces
    note("return", 0)
  end

  local left = gross
  for _, volume in ipairs(volumes) do
    if pieces >= volume.from then
      local off = share(left, volume.rate)
      left = left - off
      note(volume.rule, -off)
      break
    end
  end

  if tiers[order.tier] > 0 then
    local off = share(left, tiers[order.tier])
    left = left - off
    note("tier " .. order.tier, -off)
  end

  local coupon_ships = false
  if order.coupon == "SPRING10" and not is_return then
    local off = share(left, 100)
    left = left - off
    note("coupon SPRING10", -off)
  elseif order.coupon == "WELCOME5" and not is_return and left >= 5000 then
    left = left - 500
    note("coupon WELCOME5", -500)
  elseif order.coupon == "FREESHIP" and not is_return then
    coupon_ships = true
  elseif order.coupon ~= "" then
    note("coupon refused", 0)
  end
  local net = left

  -- A waived fee is noted as charged and taken back, so the notes show what the waiver is worth.
  local shipping = 0
  if not is_return then
    local fee = shipping_fee(order.country)
    note("shipping", fee)
    if coupon_ships then
      note("coupon FREESHIP", -fee)
    elseif vat[order.country] > 0 and net >= free_shipping_from then
      note("free shipping", -fee)
    else
      shipping = fee
    end
  end

  local tax = share(net + shipping, vat[order.country])
  if vat[order.country] > 0 then
    note("VAT", tax)
  else
    note("export without VAT", 0)
  end

  return {
    gross = gross,
    discount = gross - net,
    net = net,
    shipping = shipping,
    vat = tax,
    total = net + shipping + tax,
  }
end

expose("rules.price", price)
-- The rates are exported as data, so that a reader of orders can tell which countries and tiers exist.
expose("rules.vat", vat)
expose("rules.tiers", tiers)
