//! The time.

use super::{Call, Failure, Heap, Value, made};
use std::{
    fmt::{self, Write},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Where `TICKS` counts from.
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }
}

/// `TICKS()`: milliseconds since the context was opened
pub(super) fn ticks(call: &Call<'_>, clock: &Clock) -> Result<Value, Failure> {
    let [] = call.exactly()?;
    Ok(Value::Int(clock.0.elapsed().as_millis().try_into().unwrap_or(i64::MAX)))
}

/// `NOW([format])`: the time in UTC
pub(super) fn now(call: &Call<'_>, heap: &mut Heap) -> Result<Value, Failure> {
    call.count(0, 1)?;
    let format = match call.args {
        // What C's `asctime` gives.
        [] => "%a %b %e %H:%M:%S %Y".into(),
        _ => String::from_utf8_lossy(heap.text(call.text(heap, 0)?)),
    };
    // The longest field is about this many times as long as what stands for it.
    let most = 16 * format.len();
    heap.reserve(most)?;
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let text = Moment::new(time.as_secs()).format(&format);
    made(heap, text.as_bytes())
}

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A second in the calendar, in UTC.
struct Moment {
    unix: u64,
    year: u64,
    /// Counted from 0, as all that follows but the day of the month.
    month: usize,
    day: u64,
    day_of_year: u64,
    /// Sunday is 0.
    weekday: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

/// How many days begin before the first one of `year`, which is not 0, since the year 1.
fn days_before(year: u64) -> u64 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

impl Moment {
    /// So many seconds after the first of January 1970.
    fn new(unix: u64) -> Self {
        let days = unix / 86_400 + days_before(1970);
        // The mean year is a bit longer than this, so the guess is never too small.
        let mut year = days / 365 + 1;
        while days_before(year) > days {
            year -= 1;
        }
        let day_of_year = days - days_before(year);
        let mut day = day_of_year;
        let mut month = 0;
        for length in [31, days_of_year(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
            if day < length {
                break;
            }
            day -= length;
            month += 1;
        }
        let second = unix % 86_400;
        Self {
            unix,
            year,
            month,
            day: day + 1,
            day_of_year,
            // The first of January of the year 1 is a Monday.
            weekday: (days + 1) % 7,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    /// As C's `strftime` does in its own locale. What it does not know stays as it is.
    fn format(&self, format: &str) -> String {
        let mut out = String::with_capacity(format.len());
        let mut rest = format.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            // To write to a String cannot fail.
            let known = match rest.next() {
                Some(field) => self.field(field, &mut out),
                None => out.write_str("%"),
            };
            debug_assert!(known.is_ok());
        }
        out
    }

    fn field(&self, field: char, out: &mut String) -> fmt::Result {
        let weekday = DAYS[self.weekday as usize];
        let month = MONTHS[self.month];
        let hour12 = (self.hour + 11) % 12 + 1;
        let half = if self.hour < 12 { "AM" } else { "PM" };
        let (week, week_year) = self.iso_week();
        match field {
            'a' => out.write_str(&weekday[..3]),
            'A' => out.write_str(weekday),
            'b' | 'h' => out.write_str(&month[..3]),
            'B' => out.write_str(month),
            'c' => self.each("%a %b %e %H:%M:%S %Y", out),
            'C' => write!(out, "{:02}", self.year / 100),
            'd' => write!(out, "{:02}", self.day),
            'D' | 'x' => self.each("%m/%d/%y", out),
            'e' => write!(out, "{:2}", self.day),
            'F' => self.each("%Y-%m-%d", out),
            'g' => write!(out, "{:02}", week_year % 100),
            'G' => write!(out, "{week_year}"),
            'H' => write!(out, "{:02}", self.hour),
            'I' => write!(out, "{hour12:02}"),
            'j' => write!(out, "{:03}", self.day_of_year + 1),
            'm' => write!(out, "{:02}", self.month + 1),
            'M' => write!(out, "{:02}", self.minute),
            'n' => out.write_str("\n"),
            'p' => out.write_str(half),
            'r' => self.each("%I:%M:%S %p", out),
            'R' => self.each("%H:%M", out),
            's' => write!(out, "{}", self.unix),
            'S' => write!(out, "{:02}", self.second),
            't' => out.write_str("\t"),
            'T' | 'X' => self.each("%H:%M:%S", out),
            'u' => write!(out, "{}", (self.weekday + 6) % 7 + 1),
            'U' => write!(out, "{:02}", (self.day_of_year + 7 - self.weekday) / 7),
            'V' => write!(out, "{week:02}"),
            'w' => write!(out, "{}", self.weekday),
            'W' => write!(out, "{:02}", (self.day_of_year + 7 - (self.weekday + 6) % 7) / 7),
            'y' => write!(out, "{:02}", self.year % 100),
            'Y' => write!(out, "{}", self.year),
            'z' => out.write_str("+0000"),
            'Z' => out.write_str("UTC"),
            '%' => out.write_str("%"),
            other => write!(out, "%{other}"),
        }
    }

    /// Fields that stand for several: none of those stands for several itself.
    fn each(&self, format: &str, out: &mut String) -> fmt::Result {
        out.write_str(&self.format(format))
    }

    /// The week by ISO 8601, and the year that it belongs to: that of its Thursday.
    fn iso_week(&self) -> (u64, u64) {
        let weekday = (self.weekday + 6) % 7;
        // The Thursday of this week, as a day of this year, a year later so that it is not
        // negative.
        let thursday = self.day_of_year + 3 + days_of_year(self.year - 1) - weekday;
        let before = days_of_year(self.year - 1);
        if thursday < before {
            (thursday / 7 + 1, self.year - 1)
        } else if thursday - before >= days_of_year(self.year) {
            ((thursday - before - days_of_year(self.year)) / 7 + 1, self.year + 1)
        } else {
            ((thursday - before) / 7 + 1, self.year)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix: u64, format: &str) -> String {
        Moment::new(unix).format(format)
    }

    #[test]
    fn moments_are_written_as_by_c() {
        assert_eq!(at(0, "%c"), "Thu Jan  1 00:00:00 1970");
        // 2026-11-21 14:23:41, a Saturday
        let unix = 1_795_271_021;
        for (format, text) in [
            ("%Y-%m-%d %H:%M:%S", "2026-11-21 14:23:41"),
            ("%F %T", "2026-11-21 14:23:41"),
            ("%a %A %b %B %h", "Sat Saturday Nov November Nov"),
            (
                "%c|%D|%x|%X|%R|%r",
                "Sat Nov 21 14:23:41 2026|11/21/26|11/21/26|14:23:41|14:23|02:23:41 PM",
            ),
            ("%C %y %j %e %I %p", "20 26 325 21 02 PM"),
            ("%u %w %U %W %V %G %g", "6 6 46 46 47 2026 26"),
            ("%s %z %Z %% %n%t|", "1795271021 +0000 UTC % \n\t|"),
            ("é %Q %", "é %Q %"),
            ("", ""),
        ] {
            assert_eq!(at(unix, format), text, "{format}");
        }
    }

    #[test]
    fn years_begin_and_end_where_they_should() {
        for (unix, text) in [
            (951_782_399, "2000-02-28 23:59:59 Mon 059 09"),
            (951_782_400, "2000-02-29 00:00:00 Tue 060 09"),
            (951_868_800, "2000-03-01 00:00:00 Wed 061 09"),
            (978_307_199, "2000-12-31 23:59:59 Sun 366 52"),
            (978_307_200, "2001-01-01 00:00:00 Mon 001 01"),
            (1_104_537_600, "2005-01-01 00:00:00 Sat 001 53"),
            (1_230_681_600, "2008-12-31 00:00:00 Wed 366 01"),
            (4_107_542_400, "2100-03-01 00:00:00 Mon 060 09"),
            (253_402_300_799, "9999-12-31 23:59:59 Fri 365 52"),
        ] {
            assert_eq!(at(unix, "%F %T %a %j %V"), text);
        }
        assert_eq!(at(1_104_537_600, "%G %g %U %W"), "2004 04 00 00");
        assert_eq!(at(1_230_681_600, "%G"), "2009");
        assert_eq!(at(1_230_681_600, "%I %p"), "12 AM");
        assert_eq!(at(1_230_724_800, "%I %p"), "12 PM");
    }
}
