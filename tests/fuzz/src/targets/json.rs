//! The JSON cutter against serde_json.

use haltbox_model::json::{elements, find, members, read_str, read_u64};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::{SLOG, TRANSACTIONS};
use crate::Target;

/// Of every text that serde_json takes for an object or a list, the cutter finds the same
/// members and elements, as the same bytes.
pub const CUTTER: Target = Target {
    name: "json",
    run: |input| {
        // The walks end on any text.
        let counted = members(input).count().max(elements(input).count());
        assert!(counted <= input.len() + 1);
        let _ = (find(input, b"type"), read_str(input), read_u64(input));
        if let Ok(list) = serde_json::from_slice::<Vec<&RawValue>>(input) {
            let found: Vec<_> = elements(input)
                .map(|one| one.expect("an element"))
                .collect();
            let expected: Vec<_> = list.iter().map(|one| one.get().as_bytes()).collect();
            assert_eq!(found, expected);
        }
        if let Ok(object) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(input) {
            members_are(input, &object);
        }
    },
    seeds: || {
        let lines = SLOG.lines().chain(TRANSACTIONS.lines()).step_by(7);
        let own = [
            "[1,\"a\\\"]\",{\"b\":[]}]",
            "{}",
            " { \"a\" : { } , \"\\u0061\" : 1 } ",
        ];
        own.into_iter()
            .chain(lines)
            .map(|line| line.as_bytes().to_vec())
            .collect()
    },
};

fn members_are(input: &[u8], object: &BTreeMap<String, &RawValue>) {
    // serde_json keeps the last of several members of one name, the cutter the first: what is
    // compared are objects whose names are all different.
    let found: Vec<_> = members(input).map(|one| one.expect("a member")).collect();
    if found.len() != object.len() {
        return;
    }
    for member in found {
        let name = [b"\"", member.key, b"\""].concat();
        let name: String = serde_json::from_slice(&name).expect("a name that serde_json took");
        let expected = object.get(&name).expect("a name that serde_json found");
        assert_eq!(member.value, expected.get().as_bytes(), "{name}");
        same_text(member.value);
    }
}

fn same_text(value: &[u8]) {
    match serde_json::from_slice(value) {
        Ok(Value::String(text)) => assert_eq!(read_str(value).as_deref(), Some(text.as_str())),
        Ok(Value::Number(number)) => {
            // Numbers with an exponent or a fraction are no counters.
            if let (Some(own), Some(number)) = (read_u64(value), number.as_u64()) {
                assert_eq!(own, number);
            }
        }
        _ => {}
    }
}
