//! The order desk of `examples/orders`, held against a second computation of its rules.
//!
//! Nothing here is shared with the scripts: the CSV is parsed and the orders are priced again, by
//! the prose at the top of `rules.bas`. A change of a rule must therefore be made twice.

#![cfg(all(feature = "cli", feature = "lua", feature = "js", feature = "basic"))]
// The helpers of a test may fail as the test itself may; clippy.toml excuses only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

const FOLDER: &str = "examples/orders";
const HEADER: &str =
    "order_id,date,customer,country,tier,sku,description,quantity,unit_price,coupon";

/// Runs the program as its README says, with `allowed` to read from and `args` after `--`.
fn run(allowed: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_calog"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", &format!("--allow-read={allowed}")])
        .args(["rules.bas", "format.js", "main.lua"].map(|script| format!("{FOLDER}/{script}")))
        .args(if args.is_empty() { &[][..] } else { &["--"] })
        .args(args)
        .output()
        .expect("the program starts")
}

/// The records of a well-formed CSV text.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            // A checkout may have turned the line ends into CR LF.
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            char => field.push(char),
        }
    }
    assert!(!quoted && record.is_empty() && field.is_empty(), "the file ends with a line end");
    records
}

struct Order {
    id: String,
    customer: String,
    country: String,
    tier: String,
    description: String,
    quantity: i64,
    unit_price: i64,
    coupon: String,
}

fn read_orders() -> Vec<Order> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER).join("orders.csv");
    let records = parse_csv(&fs::read_to_string(path).unwrap());
    assert_eq!(records[0].join(","), HEADER);
    let order = |record: &Vec<String>| {
        assert_eq!(record.len(), records[0].len(), "{record:?}");
        let (euros, cents) = record[8].split_once('.').unwrap();
        Order {
            id: record[0].clone(),
            customer: record[2].clone(),
            country: record[3].clone(),
            tier: record[4].clone(),
            description: record[6].clone(),
            quantity: record[7].parse().unwrap(),
            unit_price: euros.parse::<i64>().unwrap() * 100 + cents.parse::<i64>().unwrap(),
            coupon: record[9].clone(),
        }
    };
    records[1..].iter().map(order).collect()
}

/// What one or more orders cost, in cents.
#[derive(Clone, Copy, Default)]
struct Price {
    orders: i64,
    gross: i64,
    net: i64,
    shipping: i64,
    vat: i64,
}

impl Price {
    fn discount(self) -> i64 {
        self.gross - self.net
    }

    fn total(self) -> i64 {
        self.net + self.shipping + self.vat
    }

    fn add(&mut self, other: Self) {
        self.orders += other.orders;
        self.gross += other.gross;
        self.net += other.net;
        self.shipping += other.shipping;
        self.vat += other.vat;
    }

    /// The cells of a row in the tables by country and by tier.
    fn cells(self, title: &str) -> Vec<String> {
        let amounts =
            [self.gross, -self.discount(), self.net, self.shipping, self.vat, self.total()];
        let mut cells = vec![title.to_owned(), grouped(self.orders)];
        cells.extend(amounts.map(money));
        cells
    }
}

/// How often each rule applied, and what it added to the price.
type Rules = BTreeMap<String, (i64, i64)>;

/// `tenths` of a percent of `amount`, rounded half up on the amount without its sign.
fn share(amount: i64, tenths: i64) -> i64 {
    let product = amount.abs() * tenths;
    let up = i64::from(product % 1000 >= 500);
    amount.signum() * (product / 1000 + up)
}

fn vat_rate(country: &str) -> i64 {
    match country {
        "DE" => 190,
        "AT" | "FR" => 200,
        "BE" | "CZ" | "ES" | "NL" => 210,
        "IT" => 220,
        "IE" | "PL" | "PT" => 230,
        "GR" => 240,
        "DK" | "SE" => 250,
        "FI" => 255,
        "CH" | "GB" | "NO" => 0,
        _ => panic!("no rate for {country}"),
    }
}

fn price(order: &Order, rules: &mut Rules) -> Price {
    let mut note = |rule: &str, cents: i64| {
        let (times, effect) = rules.entry(rule.to_owned()).or_default();
        *times += 1;
        *effect += cents;
    };
    let sale = order.quantity > 0;
    let tenths = vat_rate(&order.country);
    let gross = order.quantity * order.unit_price;
    let mut net = gross;
    if !sale {
        note("return", 0);
    }

    let volume = match order.quantity.abs() {
        100.. => Some(("volume 100+", 120)),
        50..100 => Some(("volume 50+", 70)),
        10..50 => Some(("volume 10+", 30)),
        _ => None,
    };
    let tier = match order.tier.as_str() {
        "gold" => Some(("tier gold", 50)),
        "silver" => Some(("tier silver", 20)),
        "basic" => None,
        tier => panic!("no tier {tier}"),
    };
    for (rule, tenths) in [volume, tier].into_iter().flatten() {
        let off = share(net, tenths);
        net -= off;
        note(rule, -off);
    }

    let mut coupon_ships = false;
    match order.coupon.as_str() {
        "" => {}
        "SPRING10" if sale => {
            let off = share(net, 100);
            net -= off;
            note("coupon SPRING10", -off);
        }
        "WELCOME5" if sale && net >= 5000 => {
            net -= 500;
            note("coupon WELCOME5", -500);
        }
        "FREESHIP" if sale => coupon_ships = true,
        _ => note("coupon refused", 0),
    }

    let mut shipping = 0;
    if sale {
        let fee = match (order.country.as_str(), tenths) {
            ("DE", _) => 490,
            (_, 0) => 1990,
            _ => 990,
        };
        note("shipping", fee);
        if coupon_ships {
            note("coupon FREESHIP", -fee);
        } else if tenths > 0 && net >= 15000 {
            note("free shipping", -fee);
        } else {
            shipping = fee;
        }
    }

    let vat = share(net + shipping, tenths);
    note(if tenths > 0 { "VAT" } else { "export without VAT" }, vat);
    Price { orders: 1, gross, net, shipping, vat }
}

/// 1234567 as `1,234,567`.
fn grouped(number: i64) -> String {
    let digits = number.abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Cents as `1,234.56`.
fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", grouped((cents / 100).abs()), (cents % 100).abs())
}

/// A text as it stands in a column of `width` characters: on one line, and cut with a mark.
fn shown(text: &str, width: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width - 1).collect();
    kept + "…"
}

/// The cells of a line, for tables whose cells are two blanks or more apart.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// The lines of a table below its header, without the lines across it.
fn rows<'a>(table: &[&'a str]) -> Vec<&'a str> {
    table[1..].iter().copied().filter(|line| !line.starts_with('─')).collect()
}

/// Checks a table of [`Price`] rows: every group is there, as computed, and the last row is the sum.
fn check_groups(table: &[&str], groups: &BTreeMap<&str, Price>, all: Price) {
    let mut expected: Vec<_> = groups.iter().collect();
    expected.sort_by_key(|(key, group)| (-group.total(), **key));
    let mut expected: Vec<_> = expected.iter().map(|(key, group)| group.cells(key)).collect();
    expected.push(all.cells("all"));
    let found: Vec<_> = rows(table).into_iter().map(cells).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_report_agrees_with_an_independent_computation() {
    let orders = read_orders();
    let (mut all, mut rules) = (Price::default(), Rules::new());
    let (mut by_country, mut by_tier) = (BTreeMap::new(), BTreeMap::new());
    let mut priced = Vec::new();
    for order in &orders {
        let price = price(order, &mut rules);
        all.add(price);
        by_country.entry(order.country.as_str()).or_insert_with(Price::default).add(price);
        by_tier.entry(order.tier.as_str()).or_insert_with(Price::default).add(price);
        priced.push(price);
    }
    // The example would show little if it lost its cases.
    assert!(orders.len() >= 240);
    assert_eq!(rules.len(), 14, "{rules:?}");

    let output = run(FOLDER, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(stderr, "");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.lines().all(|line| line.chars().count() <= 100), "it fits the terminal");

    let sections: Vec<Vec<&str>> =
        stdout.split("\n\n").map(|section| section.lines().collect()).collect();
    let [list, countries, tiers, effects, receipt, totals] = &sections[..] else {
        panic!("{} sections", sections.len());
    };
    // The receipt has two lines of heading, and the others one.
    for table in [&list[1..], &countries[1..], &tiers[1..], &effects[1..], &receipt[3..]] {
        let width = table[0].chars().count();
        for line in table {
            assert_eq!(line.chars().count(), width, "{line}");
        }
    }

    let list = rows(&list[1..]);
    assert_eq!(list.len(), orders.len());
    for ((line, order), price) in list.iter().zip(&orders).zip(&priced) {
        let cells = cells(line);
        let amounts = [price.net, price.vat, price.shipping, price.total()].map(money);
        assert_eq!(cells.len(), 10, "{line}");
        assert_eq!(cells[0], order.id);
        assert_eq!(cells[1], shown(&order.customer, 20));
        assert_eq!(cells[4], shown(&order.description, 16));
        assert_eq!(cells[2..4], [&order.country, &order.tier], "{line}");
        assert_eq!(cells[5], grouped(order.quantity), "{line}");
        assert_eq!(cells[6..], amounts, "{line}");
    }

    assert_eq!(countries[0], "By country");
    check_groups(&countries[1..], &by_country, all);
    assert_eq!(tiers[0], "By customer tier");
    check_groups(&tiers[1..], &by_tier, all);

    let mut expected: Vec<_> = rules.iter().collect();
    expected.sort_by_key(|(_, (times, _))| -times);
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(rule, (times, cents))| vec![(*rule).clone(), grouped(*times), money(*cents)])
        .collect();
    let row = |title: &str, cents| vec![title.to_owned(), grouped(all.orders), money(cents)];
    expected.insert(0, row("list price", all.gross));
    expected.push(row("total", all.total()));
    let found: Vec<_> = rows(&effects[1..]).into_iter().map(cells).collect();
    assert_eq!(found, expected);

    // Of equal discounts the first in the file is shown.
    let best = (0..orders.len()).rev().max_by_key(|&i| priced[i].discount()).unwrap();
    let mut applied = Rules::new();
    price(&orders[best], &mut applied);
    assert!(receipt[1].starts_with(&format!("Order {}, ", orders[best].id)), "{}", receipt[1]);
    assert_eq!(cells(receipt[3]), ["list price", &money(priced[best].gross)]);
    assert_eq!(cells(receipt[receipt.len() - 1]), ["total", &money(priced[best].total())]);
    let mut lines: Vec<_> = receipt[4..receipt.len() - 1].iter().map(|line| cells(line)).collect();
    lines.sort();
    let applied: Vec<_> =
        applied.into_iter().map(|(rule, (_, cents))| vec![rule, money(cents)]).collect();
    assert_eq!(lines, applied);

    let returns = orders.iter().filter(|order| order.quantity < 0).count();
    let expected = [
        format!("orders {}", orders.len()),
        format!("returns {returns}"),
        format!("gross {}", all.gross),
        format!("discount {}", all.discount()),
        format!("net {}", all.net),
        format!("shipping {}", all.shipping),
        format!("vat {}", all.vat),
        format!("total {}", all.total()),
    ];
    assert_eq!(totals[..], expected);
}

/// Has the program read `csv` and checks that it prints no report, names all `complaints` and fails.
fn check_refused(csv: &str, complaints: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.csv");
    fs::write(&path, csv).unwrap();
    let output = run(folder.path().to_str().unwrap(), &[path.to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    for complaint in ["bad.csv"].iter().chain(complaints) {
        assert!(stderr.contains(complaint), "`{complaint}` is not in:\n{stderr}");
    }
}

#[test]
fn malformed_rows_are_named_and_there_is_no_report() {
    let rows = [
        "10001,2025-01-02,\"Müller, Söhne\",DE,gold,AB-1,\"Mug, \"\"big\"\"\nand blue\",3,4.50,",
        "10002,2025-01-02,Lena Vogt,DE,basic,AB-1,Mug,two,4.50,",
        "10003,2025-01-02,Lena Vogt,DE,basic,AB-1,Mug,2",
        "10004,2025-01-02,Lena Vogt,XX,basic,AB-1,Mug,2,4.50,",
        "10001,2025-01-02,Lena Vogt,DE,basic,AB-1,Mug,2,4.50,",
        "10005,2025-01-02,Lena Vogt,DE,basic,AB-1,Mug,2,4.5,",
    ];
    // The first row goes over two lines, so the lines are two ahead of the rows.
    let complaints = [
        "malformed rows: 5",
        "row 2 (line 4): quantity \"two\"",
        "row 3 (line 5): 8 fields instead of 10",
        "row 4 (line 6): country \"XX\"",
        "row 5 (line 7): order_id \"10001\" is not unique",
        "row 6 (line 8): unit_price \"4.5\"",
    ];
    check_refused(&format!("{HEADER}\n{}\n", rows.join("\n")), &complaints);

    let open = format!("{HEADER}\n10001,2025-01-02,\"Lena Vogt,DE,basic,AB-1,Mug,2,4.50,\n");
    check_refused(&open, &["line 2: a quoted field is never closed"]);
    let beside = format!("{HEADER}\n10001,2025-01-02,Lena \"V\" Vogt,DE,basic,AB-1,Mug,2,4.50,\n");
    check_refused(&beside, &["line 2: a field must end"]);
    check_refused("order,price\n1,2\n", &["the first line must be order_id,"]);
    check_refused(&format!("{HEADER}\n"), &["there is no order"]);
}
