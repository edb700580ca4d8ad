//! Compares entries by their values. Two JSON writers may differ in spaces, in the order of
//! members, in escapes and in the form of numbers. The values are equal then, although the
//! bytes are not.

use std::borrow::Cow;
use std::sync::LazyLock;

use haltbox_model::json::{self, Malformed};
use memchr::memmem;

/// Limit of the nesting of objects and arrays. The text comes from outside, and every level
/// takes stack.
const DEEPEST: usize = 96;

/// Limit of the zeros at the end of a whole number that are written out.
const PLAIN: usize = 20;

/// A whole number, in any JSON form.
pub fn read_u64(text: &[u8]) -> Option<u64> {
    json::read_u64(text).or_else(|| json::read_u64(&normal(text)))
}

/// The form in which equal values have equal bytes: no spaces, members sorted by name, one
/// form for strings and numbers. Text that is not JSON is returned unchanged.
pub fn normal(text: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::with_capacity(text.len());
    match value(text.trim_ascii(), DEEPEST, &mut out) {
        Ok(()) => Cow::Owned(out),
        Err(Malformed) => Cow::Borrowed(text),
    }
}

/// As [`normal`], but returns a string without escapes as it is, without copying.
pub fn normal_string(text: &[u8]) -> Cow<'_, [u8]> {
    match text.first() {
        Some(b'"') if memchr::memchr(b'\\', text).is_none() => Cow::Borrowed(text),
        _ => normal(text),
    }
}

fn value(text: &[u8], deeper: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
    match text.first() {
        Some(b'{') if deeper > 0 => object(text, deeper - 1, out),
        Some(b'[') if deeper > 0 => array(text, deeper - 1, out),
        Some(b'{' | b'[') => Err(Malformed),
        Some(b'"') => {
            string(text, out);
            Ok(())
        }
        _ => {
            scalar(text, out);
            Ok(())
        }
    }
}

fn object(text: &[u8], deeper: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut members = Vec::new();
    for member in json::members(text) {
        let member = member?;
        let mut own = Vec::with_capacity(member.text.len());
        let name = member.text.get(..member.key.len() + 2).unwrap_or_default();
        string(name, &mut own);
        let named = own.len();
        own.push(b':');
        value(member.value, deeper, &mut own)?;
        members.push((named, own));
    }
    // The sort is stable, so of several members with one name the first stays first.
    members.sort_by(|(n, one), (m, other)| one[..*n].cmp(&other[..*m]));
    out.push(b'{');
    for (index, (_, member)) in members.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b"," } else { b"" });
        out.extend_from_slice(member);
    }
    out.push(b'}');
    Ok(())
}

fn array(text: &[u8], deeper: usize, out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.push(b'[');
    for (index, element) in json::elements(text).enumerate() {
        out.extend_from_slice(if index > 0 { b"," } else { b"" });
        value(element?, deeper, out)?;
    }
    out.push(b']');
    Ok(())
}

/// Writes a string by its content. A string that cannot be decoded stays as it is: half of a
/// surrogate pair, which JavaScript allows.
fn string(text: &[u8], out: &mut Vec<u8>) {
    let read = memchr::memchr(b'\\', text)
        .and_then(|_| serde_json::from_slice::<String>(text).ok())
        .and_then(|content| serde_json::to_vec(&content).ok());
    out.extend_from_slice(read.as_deref().unwrap_or(text));
}

fn scalar(text: &[u8], out: &mut Vec<u8>) {
    match Decimal::read(text) {
        Some(number) => number.write(out),
        None => out.extend_from_slice(text),
    }
}

/// A number as its digits and a power of ten, exactly. A binary fraction would make different
/// numbers equal.
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    power: i64,
}

impl Decimal {
    fn read(text: &[u8]) -> Option<Decimal> {
        let (negative, rest) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let end = rest.iter().position(|b| matches!(b, b'e' | b'E'));
        let (plain, exponent) = rest.split_at(end.unwrap_or(rest.len()));
        let mut power = match exponent.get(1..) {
            Some(digits) => str::from_utf8(digits).ok()?.parse::<i32>().ok()?.into(),
            None => 0,
        };
        let mut parts = plain.splitn(2, |b| *b == b'.');
        let (whole, fraction) = (parts.next()?, parts.next().unwrap_or_default());
        let mut digits = [whole, fraction].concat();
        if whole.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        power -= i64::try_from(fraction.len()).ok()?;
        while digits.last() == Some(&b'0') {
            digits.pop();
            power += 1;
        }
        let zeros = digits.iter().take_while(|b| **b == b'0').count();
        digits.drain(..zeros);
        Some(Decimal {
            negative: negative && !digits.is_empty(),
            power: if digits.is_empty() { 0 } else { power },
            digits,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.negative { b"-" } else { b"" });
        out.extend_from_slice(if self.digits.is_empty() {
            b"0"
        } else {
            &self.digits
        });
        match usize::try_from(self.power) {
            Ok(zeros) if zeros <= PLAIN => out.extend(std::iter::repeat_n(b'0', zeros)),
            _ => out.extend_from_slice(format!("e{}", self.power).as_bytes()),
        }
    }
}

/// The beginnings of escapes that writers use differently.
static ESCAPES: LazyLock<[memmem::Finder<'static>; 2]> =
    LazyLock::new(|| [b"\\u", b"\\/"].map(memmem::Finder::new));

/// Whether JavaScript's `JSON.stringify` can have written the escapes of a line. It escapes
/// quotes, backslashes, control characters and halves of surrogate pairs, and nothing else.
pub fn has_javascript_escapes(line: &[u8]) -> bool {
    has_escapes_of(is_javascript_escape, line)
}

/// Whether a usual JSON writer can have written the escapes of a line. Beside what JavaScript's
/// writer escapes, Go's escapes `<`, `>`, `&` and two line separators. None escapes a letter.
pub fn has_usual_escapes(line: &[u8]) -> bool {
    has_escapes_of(is_usual_escape, line)
}

/// Whether a writer that has these escapes with `\u`, and none of a slash, can have written a line.
fn has_escapes_of(is_own: fn(&[u8]) -> bool, line: &[u8]) -> bool {
    let escaped = |at: &usize| {
        let before = line.get(..*at).unwrap_or_default();
        before.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0
    };
    let [unicode, slashes] = &*ESCAPES;
    let mut unicode = unicode.find_iter(line).filter(escaped);
    let mut slashes = slashes.find_iter(line).filter(escaped);
    slashes.next().is_none() && unicode.all(|at| is_own(line.get(at..).unwrap_or_default()))
}

fn is_usual_escape(text: &[u8]) -> bool {
    let escape = text
        .first_chunk::<6>()
        .map(|escape| escape.to_ascii_lowercase());
    let of_go = |escape: &[u8]| {
        let separators: [&[u8]; 5] = [b"\\u003c", b"\\u003e", b"\\u0026", b"\\u2028", b"\\u2029"];
        separators.contains(&escape)
    };
    is_javascript_escape(text) || escape.is_some_and(|escape| of_go(&escape))
}

fn is_javascript_escape(text: &[u8]) -> bool {
    let Some([_, _, a, b, c, d]) = text.first_chunk::<6>() else {
        return false;
    };
    let lower = [a, b, c, d]
        .iter()
        .all(|x| matches!(x, b'0'..=b'9' | b'a'..=b'f'));
    let control = (*a, *b) == (b'0', b'0') && matches!(c, b'0' | b'1');
    let high = *a == b'd' && matches!(b, b'8'..=b'9' | b'a'..=b'b');
    let low = *a == b'd' && matches!(b, b'c'..=b'f');
    // JavaScript writes a whole pair as the character itself.
    let pair = high && text.get(6..9) == Some(b"\\ud") && matches!(text.get(9), Some(b'c'..=b'f'));
    lower && (control || low || high && !pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        String::from_utf8_lossy(&normal(text.as_bytes())).into_owned()
    }

    #[test]
    fn equal_values_have_one_form() {
        let same = [
            (
                r#"{"b":1,"a":[1,2]}"#,
                r#"{ "a" : [ 1.0, 2e0 ], "b" : 10e-1 }"#,
            ),
            (r#""\u00e9\/\ud83d\ude00""#, "\"\u{e9}/\u{1f600}\""),
            ("-0", "0"),
            ("1e21", "1000000000000000000000"),
            (
                "123456789012345678901234567890",
                "1.23456789012345678901234567890e29",
            ),
            ("[]", "[ ]"),
        ];
        for (one, other) in same {
            assert_eq!(form(one), form(other), "{one} {other}");
        }
        let others = [
            ("[1,2]", "[2,1]"),
            ("9007199254740993", "9007199254740992"),
            (r#""1""#, "1"),
            ("0.1", "0.10000000000000001"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            ("null", "0"),
        ];
        for (one, other) in others {
            assert_ne!(form(one), form(other), "{one} {other}");
        }
    }

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        for text in ["130", "130.0", "1.3e2", "\"130\""] {
            assert_eq!(read_u64(text.as_bytes()), Some(130), "{text}");
        }
        for text in ["130.5", "-1", "1e30", "null", ""] {
            assert_eq!(read_u64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_stays() {
        for text in ["{\"a\":", "words", "", "{\"a\":1}}", &"[".repeat(100_000)] {
            assert_eq!(form(text), text);
        }
    }

    #[test]
    fn escapes_tell_the_writer() {
        for own in [
            r#"{"a":"\"\\\n\u001f\ud83d"}"#,
            r#"{"a":"\\u00e9"}"#,
            "{\"a\":\"\u{e9}\"}",
        ] {
            assert!(has_javascript_escapes(own.as_bytes()), "{own}");
        }
        for other in [
            r#"{"a":"\u00e9"}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\ud83d\ude00"}"#,
            r#"{"a":"\u001F"}"#,
        ] {
            assert!(!has_javascript_escapes(other.as_bytes()), "{other}");
        }
        let of_go = r#"{"a":"\u003c\u003E\u0026\u2028\u001f"}"#;
        assert!(has_usual_escapes(of_go.as_bytes()) && !has_javascript_escapes(of_go.as_bytes()));
        for other in [r#"{"a":"ban\u006b"}"#, r#"{"a":"\u00e9"}"#, r#"{"a":"\/"}"#] {
            assert!(!has_usual_escapes(other.as_bytes()), "{other}");
        }
    }
}
