//! Points in time as texts (RFC 3339, always UTC), without a time library.

use crate::rows::Millis;

/// `2026-03-01T12:00:00Z` (fractions allowed, always UTC: so the API server writes it) as milliseconds.
pub fn millis(text: &str) -> Option<Millis> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|p| p.parse::<i64>().ok());
    let (y, m, d) = (date.next()??, date.next()??, date.next()??);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut clock = clock.splitn(3, ':').map(|p| p.parse::<i64>().ok());
    let (h, min, s) = (clock.next()??, clock.next()??, clock.next()??);
    let thousandths: i64 = fraction
        .bytes()
        .take(3)
        .chain(std::iter::repeat(b'0'))
        .take(3)
        .try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))?;
    // Days from civil date, counting years from March so that the leap day is the last of the year.
    let (year, month) = if m <= 2 { (y - 1, m + 9) } else { (y, m - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + d - 1 - 719_468;
    u64::try_from(((days * 24 + h) * 60 + min) * 60_000 + s * 1000 + thousandths).ok()
}

/// Milliseconds since the epoch as `2026-03-01T12:00:00Z`.
pub fn rfc3339(millis: Millis) -> String {
    let (days, seconds) = (millis / 86_400_000, millis / 1000 % 86_400);
    // The way back: eras of 400 years, years from March.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let d = of_year - (153 * month + 2) / 5 + 1;
    let (m, y) = if month < 10 { (month + 3, year + era * 400) } else { (month - 9, year + era * 400 + 1) };
    let (h, min, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:{s:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_millisecond_and_written_to_the_second() {
        for (text, at) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59.5Z", 951_868_799_500),
            ("2026-11-23T05:02:00.123456Z", 1_795_410_120_123),
            ("2100-03-01T00:00:00Z", 4_107_542_400_000),
        ] {
            assert_eq!(millis(text), Some(at), "{text}");
            assert_eq!(rfc3339(at)[..19], text[..19]);
        }
        assert_eq!(millis("yesterday"), None);
    }

    #[test]
    fn every_day_of_four_centuries_round_trips() {
        for day in 0..146_097 {
            let at = day * 86_400_000 + 1_000 * (day % 86_400);
            assert_eq!(millis(&rfc3339(at)), Some(at));
        }
    }
}
