//! Reads the beginning of a kernel's entry, its type and numbers, without parsing the other
//! members. If an entry does not begin as hosts write it, nothing is found, and the caller
//! parses all of it.

use crate::vocabulary::entry::{Entry, written_type};

/// The type that a line begins with, and the bytes behind it.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The type. It has no escapes.
    name: &'a [u8],
    rest: Rest<'a>,
}

/// Numbers of an entry of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Number of the crank; `None` in a replayed delivery.
    pub crank: Option<u64>,
    /// Id of the vat.
    pub vat: &'a str,
    /// Number of the delivery to the vat.
    pub delivery: u64,
    /// Number of the syscall in the delivery.
    pub syscall: Option<u64>,
}

impl<'a> Opening<'a> {
    /// Reads an entry whose first member is its type.
    pub fn new(line: &'a [u8]) -> Option<Opening<'a>> {
        let (name, rest) = written_type(line)?;
        let rest = Rest(rest);
        Some(Opening { name, rest })
    }

    /// Reads an entry whose type is already known.
    pub fn of(entry: Entry<'a>) -> Option<Opening<'a>> {
        let (name, rest) = entry.written?;
        let rest = Rest(rest);
        Some(Opening { name, rest })
    }

    /// The crank that it names.
    pub fn crank(self) -> Option<u64> {
        let mut rest = self.rest;
        while rest.skip(b",\"crankType\":\"") || rest.skip(b",\"messageType\":\"") {
            rest.text()?;
        }
        rest.number(b",\"crankNum\":")?
    }

    /// The numbers of an entry of a delivery: a syscall, its result, or the delivery itself.
    pub fn step(self) -> Option<Step<'a>> {
        if !self.name.starts_with(b"syscall") && !self.name.starts_with(b"deliver") {
            return None;
        }
        let mut rest = self.rest;
        let crank = rest.number(b",\"crankNum\":")?;
        let vat = rest.skip(b",\"vatID\":\"").then(|| rest.text())??;
        let delivery = rest.number(b",\"deliveryNum\":")??;
        let syscall = rest.number(b",\"syscallNum\":")?;
        let vat = str::from_utf8(vat).ok()?;
        Some(Step {
            crank,
            vat,
            delivery,
            syscall,
        })
    }
}

/// The numbers of one delivery, and the bytes with which its entries write them. All entries
/// of a delivery have the same bytes up to the number of the syscall.
#[derive(Clone, Debug, Default)]
pub struct DeliveryNumbers {
    written: Vec<u8>,
    crank: Option<u64>,
}

impl DeliveryNumbers {
    /// Crank and syscall of an entry, which may belong to the last delivery or to another one.
    pub fn numbers(&mut self, opening: Opening<'_>) -> Option<[Option<u64>; 2]> {
        let mut rest = opening.rest;
        if self.written.is_empty() || !rest.skip(&self.written) {
            let step = opening.step()?;
            let numbers = [step.crank, step.syscall];
            self.crank = step.crank;
            self.written = opening.rest.until(b"\"syscallNum\":").to_vec();
            return Some(numbers);
        }
        Some([self.crank, rest.number(b"\"syscallNum\":")?])
    }
}

/// The unread part of a line's beginning.
#[derive(Clone, Copy, Debug)]
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Moves behind this text if it comes next.
    fn skip(&mut self, text: &[u8]) -> bool {
        let rest = self.0.strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// The rest of a string without escapes.
    fn text(&mut self) -> Option<&'a [u8]> {
        let end = |byte: &u8| matches!(byte, b'"' | b'\\');
        let (text, rest) = self.0.split_at_checked(self.0.iter().position(end)?)?;
        self.0 = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    /// The number behind this text; `Some(None)` if the text does not come next, `None` if no
    /// number follows it.
    fn number(&mut self, behind: &[u8]) -> Option<Option<u64>> {
        if !self.skip(behind) {
            return Some(None);
        }
        let mut number = 0_u64;
        for (at, byte) in self.0.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    number = number
                        .checked_mul(10)?
                        .checked_add(u64::from(byte - b'0'))?;
                }
                b',' | b'}' if at > 0 => {
                    self.0 = self.0.get(at..)?;
                    return Some(Some(number));
                }
                _ => return None,
            }
        }
        None
    }

    /// The bytes before this text if it is near; else none.
    fn until(self, text: &[u8]) -> &'a [u8] {
        const NEAR: usize = 128;
        let near = self.0.get(..NEAR).unwrap_or(self.0);
        let at = memchr::memmem::find(near, text).unwrap_or(0);
        near.get(..at).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step_of(line: &[u8]) -> Option<Step<'_>> {
        Opening::new(line)?.step()
    }

    #[test]
    fn what_hosts_write_is_read() {
        let step = |crank, syscall| Step {
            crank,
            vat: "v7",
            delivery: 12,
            syscall,
        };
        for (line, expected) in [
            (
                &br#"{"type":"syscall","crankNum":9,"vatID":"v7","deliveryNum":12,"syscallNum":0,"x":1}"#[..],
                step(Some(9), Some(0)),
            ),
            (
                br#"{"type":"deliver","crankNum":9,"vatID":"v7","deliveryNum":12}"#,
                step(Some(9), None),
            ),
            (
                br#"{"type":"syscall-result","vatID":"v7","deliveryNum":12,"syscallNum":3,"replay":true}"#,
                step(None, Some(3)),
            ),
        ] {
            assert_eq!(step_of(line), Some(expected));
        }
        for line in [
            &br#"{"type":"crank-start","crankType":"delivery","crankNum":9,"x":{}}"#[..],
            br#"{"type":"crank-finish","crankType":"routing","messageType":"notify","crankNum":9}"#,
            br#"{"type":"clist","crankNum":9,"mode":"import"}"#,
        ] {
            assert_eq!(Opening::new(line).and_then(Opening::crank), Some(9));
        }
    }

    #[test]
    fn what_is_written_otherwise_is_left_to_the_walk() {
        for line in [
            &br#"{"crankNum":9,"type":"syscall","vatID":"v7","deliveryNum":1}"#[..],
            br#"{"type": "syscall","crankNum":9,"vatID":"v7","deliveryNum":1}"#,
            br#"{"type":"syscall","crankNum":"9","vatID":"v7","deliveryNum":1}"#,
            br#"{"type":"syscall","crankNum":9.5,"vatID":"v7","deliveryNum":1}"#,
            br#"{"type":"syscall","crankNum":,"vatID":"v7","deliveryNum":1}"#,
            br#"{"type":"syscall","crankNum":9,"vatID":"v\u0037","deliveryNum":1}"#,
            br#"{"type":"sys\u0063all","crankNum":9,"vatID":"v7","deliveryNum":1}"#,
            br#"{"type":"syscall","crankNum":99999999999999999999,"vatID":"v7","deliveryNum":1}"#,
            br#"{"type":"syscall","crankNum":9,"deliveryNum":1,"vatID":"v7"}"#,
            br#"{"type":"syscall","crankNum":9"#,
            br#"{"type":"clist","crankNum":9,"vatID":"v7","deliveryNum":1}"#,
        ] {
            assert_eq!(step_of(line), None, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn another_delivery_has_other_numbers() {
        let mut delivery = DeliveryNumbers::default();
        let mut numbers = |crank: u64, number: u64, syscall: u64| {
            let line = format!(
                "{{\"type\":\"syscall\",\"crankNum\":{crank},\"vatID\":\"v7\",\"deliveryNum\":{number},\"syscallNum\":{syscall},\"x\":1}}"
            );
            delivery.numbers(Opening::new(line.as_bytes())?)
        };
        for (crank, number, syscall) in [(9, 1, 0), (9, 1, 1), (9, 12, 2), (91, 12, 3), (9, 1, 23)]
        {
            assert_eq!(
                numbers(crank, number, syscall),
                Some([Some(crank), Some(syscall)])
            );
        }
    }
}
