' The price rules of the order desk, and nothing else: no file, no printing, no layout.
'
' Every amount is a whole number of cents (EUR) and every rate a whole number of tenths of a
' percent, so no step depends on binary fractions. A share of an amount is rounded to the cent at
' the step that takes it, half up on the amount without its sign: 0.5 cents become 1 and -0.5 cents
' become -1. That way a return gives back exactly what the same sale would have charged.
'
' An order has a "quantity" (negative for a return), a "unit_price" in cents, a "country", a "tier"
' and a "coupon" (may be empty). It is priced in these steps:
'
'  1. Gross: quantity times unit price.
'  2. Volume discount, a share of the gross, by the quantity without its sign: 3 % from 10 pieces,
'     7 % from 50, 12 % from 100. Only the best one counts.
'  3. Tier discount, a share of what step 2 left: silver 2 %, gold 5 %, basic nothing.
'  4. Coupon, at most one, on what step 3 left, and never on a return:
'       SPRING10   10 % off;
'       WELCOME5   5.00 off, if at least 50.00 are left;
'       FREESHIP   no shipping fee (see step 6), whatever is left.
'     Any other code, and a code that may not be used here, is refused: it changes nothing.
'  5. Net: what step 4 left. The discount is the gross minus the net.
'  6. Shipping: 4.90 within DE, 9.90 to the rest of the EU, 19.90 abroad. There is no fee with the
'     coupon FREESHIP, nor within DE or the EU from a net of 150.00, nor on a return.
'  7. VAT, a share of net plus shipping, at the rate of the country (see vat below). The EU
'     charges it, abroad is every country with a rate of 0.
'  8. Total: net plus shipping plus VAT.
'
' rules.price(order, note) returns gross, discount, net, shipping, vat and total, and calls
' note(rule, cents) for each rule that applied, in the order of the steps, with what the rule added
' to the price. The gross plus all notes is therefore the total.

' Tenths of a percent: the standard rates of the EU countries served in 2025, and 0 for exports.
vat = DICT("AT", 200, "BE", 210, "CZ", 210, "DE", 190, "DK", 250, "ES", 210, "FI", 255,
  "FR", 200, "GR", 240, "IE", 230, "IT", 220, "NL", 210, "PL", 230, "PT", 230, "SE", 250,
  "CH", 0, "GB", 0, "NO", 0)

tiers = DICT("basic", 0, "silver", 20, "gold", 50)

free_shipping_from = 15000

' The share of an amount, at a rate in tenths of a percent, rounded half up without its sign.
DEF share(amount, rate)
  IF amount < 0 THEN RETURN -share(-amount, rate)
  thousandths = amount * rate + 500
  RETURN (thousandths - thousandths MOD 1000) / 1000
ENDDEF

DEF shipping_fee(country)
  IF country = "DE" THEN RETURN 490
  IF vat(country) > 0 THEN RETURN 990
  RETURN 1990
ENDDEF

DEF price(order, note)
  quantity = order("quantity")
  country = order("country")
  tier = order("tier")
  coupon = order("coupon")
  is_sale = quantity > 0
  pieces = ABS(quantity)
  taxed = vat(country) > 0

  gross = quantity * order("unit_price")
  net = gross
  IF NOT is_sale THEN note("return", 0)

  volume = 0
  IF pieces >= 100 THEN
    volume = 120
    rule = "volume 100+"
  ELSEIF pieces >= 50 THEN
    volume = 70
    rule = "volume 50+"
  ELSEIF pieces >= 10 THEN
    volume = 30
    rule = "volume 10+"
  ENDIF
  IF volume > 0 THEN
    off = share(net, volume)
    net = net - off
    note(rule, -off)
  ENDIF

  IF tiers(tier) > 0 THEN
    off = share(net, tiers(tier))
    net = net - off
    note("tier " + tier, -off)
  ENDIF

  coupon_ships = FALSE
  IF coupon = "SPRING10" AND is_sale THEN
    off = share(net, 100)
    net = net - off
    note("coupon SPRING10", -off)
  ELSEIF coupon = "WELCOME5" AND is_sale AND net >= 5000 THEN
    net = net - 500
    note("coupon WELCOME5", -500)
  ELSEIF coupon = "FREESHIP" AND is_sale THEN
    coupon_ships = TRUE
  ELSEIF coupon <> "" THEN
    note("coupon refused", 0)
  ENDIF

  ' A waived fee is noted as charged and taken back, so the notes show what the waiver is worth.
  shipping = 0
  IF is_sale THEN
    fee = shipping_fee(country)
    note("shipping", fee)
    IF coupon_ships THEN
      note("coupon FREESHIP", -fee)
    ELSEIF taxed AND net >= free_shipping_from THEN
      note("free shipping", -fee)
    ELSE
      shipping = fee
    ENDIF
  ENDIF

  tax = share(net + shipping, vat(country))
  IF taxed THEN
    note("VAT", tax)
  ELSE
    note("export without VAT", 0)
  ENDIF

  RETURN DICT("gross", gross, "discount", gross - net, "net", net, "shipping", shipping,
    "vat", tax, "total", net + shipping + tax)
ENDDEF

EXPOSE("rules.price", price)
' The rates are exported as data, so that a reader of orders can tell which countries and tiers exist.
EXPOSE("rules.vat", vat)
EXPOSE("rules.tiers", tiers)
