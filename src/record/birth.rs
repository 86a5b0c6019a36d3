//! Birth dates as people type them: ISO, digits, Japanese eras.

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization;

/// Eras: their writings and the year before their first.
///
/// First years by the Era Name Act and its orders: Reiwa 2019, Heisei 1989, Shōwa 1926, Taishō 1912, Meiji 1868.
const ERAS: [(&str, &str, i16); 5] =
    [("令和", "r", 2018), ("平成", "h", 1988), ("昭和", "s", 1925), ("大正", "t", 1911), ("明治", "m", 1867)];

/// Reads a date as people type it: `2024-11-21`, `2024/11/21`, `20241121`, `2024年11月21日`, `令和6年11月21日`,
/// `令和元年5月1日`, `R6.11.21`, `s55/3/4`, in full-width digits too.
///
/// An era is read beyond its end (昭和65年 is 1990): forms are filled in by habit. What is no date of the
/// calendar is `None`.
pub fn parse(text: &str) -> Option<Date> {
    let normal: String = text.nfkc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect();
    for (name, letter, before) in ERAS {
        let Some(rest) = normal.strip_prefix(name).or_else(|| normal.strip_prefix(letter)) else { continue };
        let (year, month, day) = parts(&rest.replacen('元', "1", 1))?;
        let year = i16::try_from(year).ok().filter(|year| (1..=99).contains(year))?;
        return date(before + year, month, day);
    }
    if normal.len() == 8 && normal.bytes().all(|b| b.is_ascii_digit()) {
        return date(normal[..4].parse().ok()?, normal[4..6].parse().ok()?, normal[6..].parse().ok()?);
    }
    let (year, month, day) = parts(&normal)?;
    if !(1850..=2200).contains(&year) {
        return None;
    }
    date(i16::try_from(year).ok()?, month, day)
}

/// Takes `y年m月d日`, or three numbers between `-`, `/` or `.`, apart.
fn parts(text: &str) -> Option<(u16, u8, u8)> {
    let text = text.strip_suffix('日').unwrap_or(text);
    let mut numbers = text.split(['年', '月', '-', '/', '.', '‐', '−', 'ー']);
    let (year, month, day) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let plain = |part: &str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
    if numbers.next().is_some() || ![year, month, day].into_iter().all(plain) {
        return None;
    }
    Some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))
}

fn date(year: i16, month: u8, day: u8) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_writing_of_one_day_is_that_day() {
        let writings = [
            "2024-11-21",
            "2024/11/21",
            "2024.11.21",
            "20241121",
            "２０２４年１１月２１日",
            "令和6年11月21日",
            "令和６年 １１月 ２１日",
            "R6.11.21",
            "r06/11/21",
            "Ｒ６−１１−２１",
            "㋿6年11月21日",
            "平成36年11月21日",
        ];
        for writing in writings {
            assert_eq!(parse(writing).map(|day| day.to_string()).as_deref(), Some("2024-11-21"), "{writing}");
        }
        for (writing, day) in [
            ("H3.1.2", "1991-01-02"),
            ("S55/3/4", "1980-03-04"),
            ("昭和64年1月7日", "1989-01-07"),
            ("T15.12.24", "1926-12-24"),
            ("M45.7.29", "1912-07-29"),
            ("平成元年1月8日", "1989-01-08"),
        ] {
            assert_eq!(parse(writing).map(|day| day.to_string()).as_deref(), Some(day), "{writing}");
        }
    }

    #[test]
    fn what_is_no_day_is_none() {
        for text in [
            "",
            "R",
            "令和",
            "2024-02-30",
            "20241301",
            "令和0年1月1日",
            "1-2-3",
            "12345678",
            "090-1234-5678",
            "田中",
            "h3.1",
            "R6.11.21.1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
