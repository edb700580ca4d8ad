//! Protocol Buffers, as far as proofs and digests of inputs need them.

/// A field of a message.
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Most fields of a message that is read. Each step of a proof is a field.
const FIELDS: usize = 256;

/// The fields of a message, in order. `None` if the bytes are no message or
/// have more fields.
pub(super) fn fields(mut rest: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)?),
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                let (bytes, behind) = rest.split_at_checked(length)?;
                rest = behind;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        if found.len() == FIELDS {
            return None;
        }
        found.push((key >> 3, value));
    }
    Some(found)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        let part = u64::from(byte & 0x7F);
        // The tenth byte has room for one bit.
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A message to write. Leaves out zeroes and empty fields, as proto3 does.
#[derive(Default)]
pub(super) struct Message(pub(super) Vec<u8>);

impl Message {
    pub(super) fn number(&mut self, field: u64, value: u64) -> &mut Message {
        if value != 0 {
            push(&mut self.0, field << 3);
            push(&mut self.0, value);
        }
        self
    }

    pub(super) fn bytes(&mut self, field: u64, value: &[u8]) -> &mut Message {
        match value.is_empty() {
            true => self,
            false => self.message(field, value),
        }
    }

    /// Writes a message in a message, also if it is empty.
    pub(super) fn message(&mut self, field: u64, value: &[u8]) -> &mut Message {
        push(&mut self.0, field << 3 | 2);
        push(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }
}

pub(super) fn push(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut message = Message::default();
        message
            .number(1, 300)
            .number(2, 0)
            .bytes(3, b"")
            .bytes(4, b"ab");
        assert_eq!(message.0, [8, 0xAC, 2, 0x22, 2, b'a', b'b']);
        let read = fields(&message.0).unwrap();
        assert!(matches!(
            read[..],
            [(1, Value::Number(300)), (4, Value::Bytes(b"ab"))]
        ));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        for bytes in [
            &[0x80][..],
            &[0x22, 5, 1],
            &[0x0D, 1, 2, 3, 4],
            &[0xFF; 11],
            &[8],
        ] {
            assert!(fields(bytes).is_none(), "{bytes:?}");
        }
    }
}
