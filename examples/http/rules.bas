' What it costs to send a parcel and how long it takes, and nothing else: no HTTP, no JSON, no state.
'
' A parcel has a "country" and a weight in "grams", and may be "express". rules.quote(parcel) returns
' its "cents" (EUR) and its "days", or raises a sentence for whoever asked:
'
'  1. By weight: 4.90 up to 2 kg, 7.90 up to 10 kg, 14.90 up to 31.5 kg. More is not carried.
'  2. By zone: nothing more within DE, 5.00 more to the rest of the EU, 15.00 more abroad.
'  3. Express costs half as much again, rounded up to 10 cents. There is none abroad.
'  4. Days: 2 within DE, 5 in the EU, 12 abroad; by express 1 and 2.

zones = DICT("AT", "EU", "BE", "EU", "CH", "abroad", "DE", "DE", "DK", "EU", "ES", "EU", "FR", "EU",
  "GB", "abroad", "IT", "EU", "NL", "EU", "NO", "abroad", "PL", "EU", "SE", "EU")

surcharge = DICT("DE", 0, "EU", 500, "abroad", 1500)
usual_days = DICT("DE", 2, "EU", 5, "abroad", 12)
express_days = DICT("DE", 1, "EU", 2)

DEF by_weight(grams)
  IF grams <= 2000 THEN RETURN 490
  IF grams <= 10000 THEN RETURN 790
  IF grams <= 31500 THEN RETURN 1490
  RAISE("a parcel has at most 31500 grams")
ENDDEF

' Half as much again, rounded up to 10 cents: whole numbers only, so nothing is lost.
DEF raised(cents)
  twentieths = cents * 3 + 19
  RETURN (twentieths - twentieths MOD 20) / 2
ENDDEF

DEF quote(parcel)
  country = parcel("country")
  IF NOT EXISTS(zones, country) THEN RAISE("nothing is carried to " + country)
  zone = zones(country)
  cents = by_weight(parcel("grams")) + surcharge(zone)
  days = usual_days(zone)
  IF parcel("express") THEN
    IF zone = "abroad" THEN RAISE("there is no express to " + country)
    cents = raised(cents)
    days = express_days(zone)
  ENDIF
  RETURN DICT("cents", cents, "days", days)
ENDDEF

EXPOSE("rules.quote", quote)
' Data, so that the service can tell which countries there are.
EXPOSE("rules.zones", zones)
