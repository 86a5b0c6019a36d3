//! Birth dates as people type them: ISO, digits, Japanese eras.

use std::collections::BTreeSet;

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
        return western_date(&normal);
    }
    let (year, month, day) = parts(&normal)?;
    if !(1850..=2200).contains(&year) {
        return None;
    }
    date(i16::try_from(year).ok()?, month, day)
}

/// A date as people type it, of which the day, or the month and the day, is not known: `1950`, `1950-01`, `1950年1月`,
/// `昭和25年`, `S25.1`; as FHIR writes it, `1950` or `1950-01`.
pub fn parse_partial(text: &str) -> Option<String> {
    let normal: String = text.nfkc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect();
    let era = ERAS.into_iter().find_map(|(name, letter, before)| {
        let rest = normal.strip_prefix(name).or_else(|| normal.strip_prefix(letter))?;
        Some((rest.replacen('元', "1", 1), before))
    });
    let (digits, before) = era.unwrap_or((normal, 0));
    let numbers = digits.strip_suffix(['年', '月']).unwrap_or(&digits);
    let mut numbers = numbers.split(['年', '-', '/', '.', '‐', '−', 'ー']);
    let (year, month) = (numbers.next()?, numbers.next());
    let plain = |part: &str| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if numbers.next().is_some() || !plain(year) || !month.is_none_or(plain) {
        return None;
    }
    let known = if before == 0 { 1850..=2200 } else { 1..=99 };
    let year = before + year.parse::<i16>().ok().filter(|year| known.contains(year))?;
    match month.map(str::parse::<u8>) {
        None => Some(format!("{year:04}")),
        Some(Ok(month @ 1..=12)) => Some(format!("{year:04}-{month:02}")),
        Some(_) => None,
    }
}

/// Returns the age in whole years on a day, of somebody born on a FHIR date; of one who knows the year only, the age
/// that is reached in that year.
pub fn age_on(born: &str, today: Date) -> Option<u16> {
    let years = match born.parse::<Date>() {
        Ok(day) => {
            today.year() - day.year() - i16::from((today.month(), today.day()) < (day.month(), day.day()))
        }
        Err(_) => today.year() - born.get(..4)?.parse::<i16>().ok()?,
    };
    u16::try_from(years).ok()
}

/// Days for which a day may have been mistyped: one digit is another, in either calendar; two neighbouring digits, or
/// month and day, are exchanged; the era is another. Without the day itself.
pub fn near(day: Date) -> BTreeSet<Date> {
    let mut near = BTreeSet::new();
    let western = format!("{:04}{:02}{:02}", day.year(), day.month(), day.day());
    near.extend(mistyped(&western).filter_map(|digits| western_date(&digits)));
    near.extend(date(day.year(), day.day().unsigned_abs(), day.month().unsigned_abs()));
    for (place, (_, _, before)) in ERAS.into_iter().enumerate() {
        let year = day.year() - before;
        // Until when an era is written: to the end of the next one's first year.
        let until = place.checked_sub(1).map_or(99, |next| ERAS[next].2 + 1 - before);
        if !(1..=until).contains(&year) {
            continue;
        }
        let typed = |digits: &str| {
            let year: i16 = digits.parse().ok()?;
            (1..=until)
                .contains(&year)
                .then(|| Date::new(before + year, day.month(), day.day()).ok())
                .flatten()
        };
        near.extend(mistyped(&format!("{year:02}")).filter_map(|digits| typed(&digits)));
        let others = ERAS.into_iter().filter(|(_, _, other)| *other != before);
        near.extend(others.filter_map(|(_, _, other)| Date::new(other + year, day.month(), day.day()).ok()));
    }
    near.remove(&day);
    near
}

/// Other texts for which digits may have been mistyped.
fn mistyped(digits: &str) -> impl Iterator<Item = String> {
    let digits: Vec<u8> = digits.bytes().collect();
    let mut all = Vec::new();
    for place in 0..digits.len() {
        for other in b'0'..=b'9' {
            let mut typed = digits.clone();
            typed[place] = other;
            all.push(typed);
        }
        if place > 0 {
            let mut typed = digits.clone();
            typed.swap(place - 1, place);
            all.push(typed);
        }
    }
    all.into_iter().map(|typed| typed.into_iter().map(char::from).collect())
}

fn western_date(digits: &str) -> Option<Date> {
    date(digits.get(..4)?.parse().ok()?, digits.get(4..6)?.parse().ok()?, digits.get(6..)?.parse().ok()?)
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
    fn a_day_that_is_not_whole_is_read_in_either_calendar() {
        for (writing, partial) in [
            ("1950", "1950"),
            ("1950年", "1950"),
            ("1950-1", "1950-01"),
            ("１９５０年１月", "1950-01"),
            ("昭和25年", "1950"),
            ("S25", "1950"),
            ("s25.1", "1950-01"),
            ("令和元年5月", "2019-05"),
        ] {
            assert_eq!(parse_partial(writing).as_deref(), Some(partial), "{writing}");
        }
        for text in ["", "25", "昭和", "1950-13", "1950-01-02", "0901", "S100", "田中", "S25.1.2", "r"] {
            assert_eq!(parse_partial(text), None, "{text}");
        }
    }

    #[test]
    fn an_age_is_reached_on_the_birthday() {
        let today = parse("2026-11-22").unwrap();
        for (born, age) in [
            ("1950-11-22", Some(76)),
            ("1950-11-23", Some(75)),
            ("1950", Some(76)),
            ("1950-12", Some(76)),
            ("2026-11-22", Some(0)),
            ("2026-11-23", None),
            ("", None),
        ] {
            assert_eq!(age_on(born, today), age, "{born}");
        }
    }

    #[test]
    fn days_near_by_are_those_of_one_slip() {
        let near: Vec<String> = near(parse("S39.3.4").unwrap()).iter().map(Date::to_string).collect();
        for slip in [
            "1965-03-04", // one digit, in the western year
            "1965-03-04",
            "1960-03-04", // 昭和35年: one digit, in the era's year
            "1974-03-04", // 昭和49年
            "1964-04-03", // month and day
            "1946-03-04", // two digits exchanged
            "2027-03-04", // 平成39年: the era
        ] {
            assert!(near.iter().any(|day| day == slip), "{slip}: {near:?}");
        }
        for other in ["1964-03-04", "1965-04-04", "1953-03-05"] {
            assert!(!near.iter().any(|day| day == other), "{other}");
        }
        assert!(near.len() < 120, "{}", near.len());
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
