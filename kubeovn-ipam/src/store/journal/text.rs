//! Checksums, and names as fields of a line.

use std::sync::Arc;

use crate::store::error::LineError;

/// CRC-32 as in zlib: `python3 -c 'import zlib; print("%08x" % zlib.crc32(b"..."))'`.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0) ^ (crc >> 8)
    })
}

const TABLE: [u32; 256] = table();

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "the compiler runs it; i < 256")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < table.len() {
        let (mut crc, mut bit) = (i as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

/// Writes a name as one field: blanks, control characters and `%` as `%20`, nothing as `-`.
pub(super) fn escape(name: &str, out: &mut String) {
    match name {
        "" => out.push('-'),
        "-" => out.push_str("%2D"),
        name => name.chars().for_each(|c| escape_char(c, out)),
    }
}

fn escape_char(c: char, out: &mut String) {
    if c != '%' && !c.is_whitespace() && !c.is_control() {
        out.push(c);
        return;
    }
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        out.push('%');
        for half in [byte >> 4, byte & 15] {
            out.extend(char::from_digit(half.into(), 16).map(|digit| digit.to_ascii_uppercase()));
        }
    }
}

/// The name that a field stands for.
pub(super) fn unescape(field: &'static str, text: &str) -> Result<Arc<str>, LineError> {
    if text == "-" {
        return Ok(Arc::default());
    }
    let mut parts = text.split('%');
    let Some(first) = parts.next().filter(|_| text.contains('%')) else { return Ok(text.into()) };
    let mut name = first.as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()).ok_or_else(|| bad(field, text))?;
        name.push(byte);
        name.extend(part.bytes().skip(2));
    }
    String::from_utf8(name).map(Arc::from).map_err(|_| LineError::NotText)
}

/// The complaint about a field.
pub(super) fn bad(field: &'static str, text: &str) -> LineError {
    LineError::Field { field, text: text.chars().take(60).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn names_become_fields_and_come_back() {
        for (name, field) in [
            ("", "-"),
            ("-", "%2D"),
            ("--", "--"),
            ("shop/web-0", "shop/web-0"),
            ("a b\n%", "a%20b%0A%25"),
            ("größe", "größe"),
            ("\u{85}\u{2028}\0", "%C2%85%E2%80%A8%00"),
        ] {
            let mut out = String::new();
            escape(name, &mut out);
            assert_eq!((out.as_str(), unescape("name", field)), (field, Ok(name.into())));
        }
        for wrong in ["%", "%4", "%zz", "%+4", "a%4é"] {
            assert_eq!(unescape("name", wrong), Err(bad("name", wrong)));
        }
        assert_eq!(unescape("name", "%FF"), Err(LineError::NotText));
    }
}
