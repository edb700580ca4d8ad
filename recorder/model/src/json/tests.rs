use fastrand::Rng;
use serde_json::Value;

use super::*;
use crate::recordings::{damaged, samples, seeded};

fn walked(text: &[u8]) -> Result<Vec<Member<'_>>, Malformed> {
    members(text).collect()
}

fn key(name: &str) -> Result<Key, KeyError> {
    Key::try_from(name.to_owned())
}

/// The walk finds the same members as serde_json in every object.
fn agrees_with_serde(text: &[u8]) -> bool {
    let Ok(Value::Object(object)) = serde_json::from_slice(text) else {
        return false;
    };
    let walked = walked(text).expect("serde_json takes it");
    for member in &walked {
        let quoted = &member.text[..member.key.len() + 2];
        let name: String = serde_json::from_slice(quoted).unwrap();
        let value: Value = serde_json::from_slice(member.value).unwrap();
        // Of several members of one name serde_json keeps the last.
        let once = walked
            .iter()
            .filter(|other| other.key == member.key)
            .count()
            == 1;
        assert!(!once || object.len() < walked.len() || object[&name] == value);
        assert!(member.text.ends_with(member.value));
    }
    walked.len() >= object.len()
}

fn any_value(random: &mut Rng, depth: usize) -> Value {
    let names = [
        "",
        "a",
        "type",
        "\"quoted\"",
        "back\\slash\\",
        "\\",
        "é\n\u{1}",
        "{[,:]}",
    ];
    let name = |random: &mut Rng| names[random.usize(..names.len())].to_owned();
    match random.usize(..if depth == 0 { 4 } else { 6 }) {
        0 => Value::Null,
        1 => Value::Bool(random.bool()),
        2 => Value::from(random.usize(..1 << 40) as f64 / 7.0),
        3 => Value::String(name(random).repeat(1 + random.usize(..6))),
        4 => (0..random.usize(..5))
            .map(|_| any_value(random, depth - 1))
            .collect(),
        _ => (0..random.usize(..5))
            .map(|_| (name(random), any_value(random, depth - 1)))
            .collect(),
    }
}

#[test]
fn members_of_real_entries_are_those_serde_json_finds() {
    let mut count = 0;
    for line in samples() {
        assert!(agrees_with_serde(line));
        count += walked(line).unwrap().len();
    }
    assert!(count > 250, "{count}");
}

#[test]
fn members_of_random_objects_are_those_serde_json_finds() {
    let mut random = seeded(1);
    let mut objects = 0;
    for _ in 0..20_000 {
        let value = any_value(&mut random, 5);
        let compact = serde_json::to_string(&value).unwrap();
        let spaced = serde_json::to_string_pretty(&value).unwrap();
        objects += usize::from(agrees_with_serde(compact.as_bytes()));
        assert_eq!(agrees_with_serde(spaced.as_bytes()), value.is_object());
        if let Value::Array(array) = value {
            let walked: Vec<Value> = elements(spaced.as_bytes())
                .map(|element| serde_json::from_slice(element.unwrap()).unwrap())
                .collect();
            assert_eq!(walked, array);
        }
    }
    assert!(objects > 2_000, "{objects}");
}

#[test]
fn damaged_entries_are_walked_as_far_as_they_go() {
    let mut random = seeded(2);
    let (mut read, mut malformed) = (0, 0);
    for line in samples().flat_map(|line| std::iter::repeat_n(line, 300)) {
        let damaged = damaged(line, &mut random);
        read += usize::from(agrees_with_serde(&damaged));
        let members: Vec<_> = members(&damaged).collect();
        let errors = members.iter().filter(|member| member.is_err()).count();
        assert!(errors <= 1 && members.iter().rev().skip(1).all(Result::is_ok));
        malformed += errors;
    }
    assert!(read > 1_000 && malformed > 1_000, "{read} {malformed}");
}

#[test]
fn an_entry_cut_anywhere_is_malformed() {
    for line in samples() {
        for end in 0..line.len() {
            assert_eq!(walked(&line[..end]), Err(Malformed), "{end}");
        }
    }
}

#[test]
fn nesting_and_escapes_without_end_do_no_harm() {
    let deep = 1_000_000;
    let closed = [
        b"{\"a\":".to_vec(),
        b"[".repeat(deep),
        b"]".repeat(deep),
        b"}".to_vec(),
    ];
    assert_eq!(walked(&closed.concat()).unwrap().len(), 1);
    assert_eq!(
        walked(&[b"{\"a\":".to_vec(), b"[".repeat(deep)].concat()),
        Err(Malformed)
    );
    assert_eq!(walked(&b"{\"a\":".repeat(deep)), Err(Malformed));
    assert_eq!(elements(&b"[".repeat(deep)).next(), Some(Err(Malformed)));

    for inside in [
        b"\\\"".repeat(deep),
        b"\\\\".repeat(deep),
        b"\\\\\\\"".repeat(deep),
    ] {
        let whole = [b"{\"a\":\"".to_vec(), inside.clone(), b"\"}".to_vec()].concat();
        assert_eq!(walked(&whole).unwrap()[0].value.len(), inside.len() + 2);
        assert_eq!(
            walked(&[b"{\"a\":\"".to_vec(), inside].concat()),
            Err(Malformed)
        );
    }
}

#[test]
fn a_quote_is_found_wherever_it_stands() {
    for length in 0..70 {
        for filler in [b'!', b'#', b'a', 0x22 ^ 0x80, 0xff] {
            let mut text = vec![filler; length];
            assert_eq!(find_quote(&text), None);
            text.extend_from_slice(b"\"\"");
            assert_eq!(find_quote(&text), Some(length));
        }
    }
}

#[test]
fn what_is_not_an_object_is_malformed() {
    for text in [
        "",
        " ",
        "7",
        "\"a\"",
        "[]",
        "{",
        "}",
        "{]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1 2}",
        "{\"a\":1}x",
        "{\"a\":1}{}",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":\"b}",
    ] {
        assert_eq!(walked(text.as_bytes()), Err(Malformed), "{text}");
    }
    for text in ["[", "[,]", "[1,]", "[1 2]", "[1]]", "{}"] {
        let walked: Result<Vec<_>, _> = elements(text.as_bytes()).collect();
        assert_eq!(walked, Err(Malformed), "{text}");
    }
    assert_eq!(walked(b" { } "), Ok(vec![]));
    assert_eq!(elements(b"[ ]\n").count(), 0);
}

#[test]
fn of_members_with_one_name_the_first_is_meant() {
    let line = br#"{"b":1,"a":2,"a":3,"nested":{"c":4},"d":5"#;
    assert_eq!(find(line, b"a"), Some(&b"2"[..]));
    assert_eq!(find(line, b"c"), None);
    assert_eq!(
        pick(line, [b"d", b"x", b"b"]),
        [Some(&b"5"[..]), None, Some(b"1")]
    );
    assert_eq!(pick(line, [b"a", b"a"]), [Some(&b"2"[..]), Some(b"2")]);
}

#[test]
fn values_are_read_as_what_they_are() {
    let max = u64::MAX;
    assert_eq!(read_u64(b"0"), Some(0));
    assert_eq!(read_u64(max.to_string().as_bytes()), Some(max));
    assert_eq!(read_u64(format!("\"{max}\"").as_bytes()), Some(max));
    for not in [
        "",
        "\"\"",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "\"1",
        "18446744073709551616",
        "\"0x1\"",
    ] {
        assert_eq!(read_u64(not.as_bytes()), None, "{not}");
    }
    assert_eq!(read_u64(b"\xff"), None);

    assert_eq!(read_str(b"\"plain\""), Some(Cow::Borrowed("plain")));
    assert_eq!(
        read_str(br#""a\"\u00e9""#),
        Some(Cow::Owned("a\"é".to_owned()))
    );
    for not in ["", "\"", "7", "plain", r#""\x""#] {
        assert_eq!(read_str(not.as_bytes()), None, "{not}");
    }
    assert_eq!(read_str(b"\"\xff\""), None);

    assert_eq!(read_bool(b"true"), Some(true));
    assert_eq!(read_bool(b"false"), Some(false));
    assert_eq!(read_bool(b"\"true\""), None);
}

#[test]
fn a_key_needs_no_escape() {
    assert!(key("blockHeight").is_ok() && key("é").is_ok());
    for refused in ["", "a\"b", "a\\b", "a\nb"] {
        assert!(key(refused).is_err(), "{refused:?}");
    }
}
