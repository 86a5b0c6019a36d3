//! Spans of time as people write them: `2d 4h30m`, `90m`, `45s`, `250ms`.

use std::time::Duration;

use super::key::SPAN_S_MAX;

/// How to write a span, for messages.
pub const SPAN_FORM: &str = "a span of time such as \"2d 4h30m\", \"90m\" or \"45s\"";

/// The units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a span: whole numbers with the units d, h, m, s and ms, each at most once, longest first; none when it is
/// something else, or longer than a year.
pub fn read_span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    let mut total = 0u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let (_, milliseconds) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*milliseconds)?)?;
        rest = after.trim_start();
    }
    (total <= SPAN_S_MAX * 1_000).then(|| Duration::from_millis(total))
}

/// Reads a span that may begin with a sign, in milliseconds.
pub fn read_signed_span(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, span) = match text.strip_prefix('-') {
        Some(span) => (-1, span),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    Some(sign * i64::try_from(read_span(span)?.as_millis()).ok()?)
}

/// Writes a span as [`read_span`] reads it.
pub fn write_span(span: Duration) -> String {
    let mut left = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (unit, milliseconds) in UNITS {
        if left >= milliseconds {
            parts.push(format!("{}{unit}", left / milliseconds));
            left %= milliseconds;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, seconds) in [
            ("2d 4h30m", 189_000),
            ("90m", 5_400),
            ("16h", 57_600),
            ("45s", 45),
            ("0s", 0),
            (" 1h 1s ", 3_601),
        ] {
            assert_eq!(read_span(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(read_span("1s250ms"), Some(Duration::from_millis(1_250)));
        assert_eq!(write_span(Duration::from_millis(189_000_250)), "2d 4h 30m 250ms");
        assert_eq!(write_span(Duration::ZERO), "0s");
        assert_eq!((read_signed_span("-3m"), read_signed_span("+1s")), (Some(-180_000), Some(1_000)));
    }

    #[test]
    fn what_is_no_span_is_none() {
        for text in
            ["", "5", "m", "4m 2h", "1h 1h", "-3m", "2 h", "1.5h", "1w", "400d", "99999999999999999999s"]
        {
            assert_eq!(read_span(text), None, "{text}");
        }
    }
}
