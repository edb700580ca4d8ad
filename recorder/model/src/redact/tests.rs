use super::*;
use crate::profile::Profile;
use crate::recordings::{damaged, samples, seeded};

fn redactor(secret: &[u8]) -> Redactor {
    let slog = Profile::builtin("agoric").unwrap().slog.unwrap();
    let rules = slog.redact().unwrap().clone();
    Redactor::new(rules, RedactKey::derive(secret).unwrap())
}

fn redacted(line: &str) -> String {
    let mut out = Vec::new();
    redactor(b"sixteen bytes ok").line(line.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

fn token(raw: &str) -> String {
    let key = blake3::derive_key("haltbox redact 2026 values", b"sixteen bytes ok");
    format!(
        "\"r:{}\"",
        &blake3::keyed_hash(&key, raw.as_bytes()).to_hex()[..32]
    )
}

#[test]
fn values_become_tokens_and_all_else_stays_byte_for_byte() {
    let [key, value, body] = [
        r#""vc.4.|nextID""#,
        r#""1""#,
        r##""#[\"pay\",{\"a\":\"+7\"}]""##,
    ]
    .map(|raw| (raw, token(raw)));
    let line = |key: &str, value: &str| {
        format!(
            r#"{{"type":"syscall", "crankNum":5,"vatID":"v1","replay":false,"syscall":"vatstoreSet","ksc":["vatstoreSet", "v1",{key} ,{value}],"vsc":["vatstoreSet",{key},{value}],"time":1.5}} "#
        )
    };
    assert_eq!(redacted(&line(key.0, value.0)), line(&key.1, &value.1));
    let line = |body: &str, n: &str, name: &str| {
        format!(
            r#"{{"type":"crank-start","crankNum":1,"message":{{"type":"send","target":"ko23","msg":{{"methargs":{{"body":{body},"slots":["ko58","o+d10/4:1"]}},"result":null,{name}:[{n},true]}}}}}}"#
        )
    };
    let (n, name) = ("-1.5e3", r#""who \" ever""#);
    assert_eq!(
        redacted(&line(body.0, n, name)),
        line(&body.1, &token(n), &token(name))
    );
    let line = |problem: &str| {
        format!(
            r#"{{"type":"deliver-result","dr":["error",{problem},{{"compute":7,"meterType":"xs"}}]}}"#
        )
    };
    assert_eq!(redacted(&line(r#""why""#)), line(&token(r#""why""#)));
}

#[test]
fn what_the_profile_does_not_name_is_replaced() {
    let line = r#"{"type":"new-type","secret":{"a":"b"},"time":1}"#;
    let (secret, a, b) = (token(r#""secret""#), token(r#""a""#), token(r#""b""#));
    assert_eq!(
        redacted(line),
        format!(r#"{{"type":"new-type",{secret}:{{{a}:{b}}},"time":1}}"#)
    );
    // A library's line has no type, so even known names stay hidden.
    let line = redacted(r#"{"level":"secret","time":"secret"}"#);
    assert!(
        !line.contains("secret") && line.starts_with(r#"{"level":"r:"#),
        "{line}"
    );
    for line in [
        r#"["secret",1]"#,
        r#""secret""#,
        "12345",
        r#" {"secret" : 12345 } "#,
    ] {
        let line = redacted(line);
        assert!(
            !line.contains("secret") && !line.contains("12345"),
            "{line}"
        );
    }
}

#[test]
fn only_whole_references_stay() {
    let value = |text: &str| redacted(&format!(r#"{{"type":"console","args":[{text}]}}"#));
    for text in [
        r#""ko12""#,
        r#""kp3""#,
        r#""p-44""#,
        r#""o+0""#,
        r#""o+v5/1:0""#,
        r#""v6""#,
    ] {
        assert!(value(text).contains(text), "{text}");
    }
    for text in [
        r#""ko""#,
        r#""ko12 ""#,
        r#""xko12""#,
        r#""ko1x""#,
        r#""p-4111111111111111""#,
        r#""o+d1/""#,
        r#""o+d/1""#,
        "12",
    ] {
        let (found, token) = (value(text), token(text));
        assert!(found.contains(&token), "{text}: {found}");
    }
}

#[test]
fn a_line_that_is_not_json_becomes_one_token() {
    let r = redactor(b"sixteen bytes ok");
    let lines: [&[u8]; 9] = [
        b"",
        b"panic: secret",
        b"{\"type\":\"x\",\"time\":secret}",
        b"{\"type\":\"x\",\"vatID\":\"secret",
        b"{\"type\":\"x\",\"vatID\":\"secret\xff\"}",
        b"{\"type\":\"x\"} secret",
        b"{\"type\":\"x\",\"vatID\":\"sec\nret\"}",
        b"{\"type\":\"x\",,\"vatID\":1}",
        b"{\"type\":\"x\"]",
    ];
    for line in lines {
        let mut out = b"before".to_vec();
        assert!(!r.line(line, &mut out), "{line:?}");
        assert_eq!(out.len(), 6 + 36, "{line:?}");
        assert!(out.starts_with(b"before\"r:"));
    }
    let deep = format!(
        r#"{{"type":"x","args":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let mut out = Vec::new();
    assert!(r.line(deep.as_bytes(), &mut out) && out == deep.as_bytes());
}

/// Whatever a line is, the result is JSON and has no value of the line.
#[test]
fn damaged_lines_give_json_without_their_values() {
    let r = redactor(b"sixteen bytes ok");
    let mut random = seeded(0x5EED);
    for line in samples() {
        for _ in 0..200 {
            let damaged = damaged(line, &mut random);
            let mut out = Vec::new();
            r.line(&damaged, &mut out);
            serde_json::from_slice::<serde_json::Value>(&out).unwrap();
            for value in [
                &b"setPeers"[..],
                b"idCounters",
                b"kernel terminating",
                b"1000000000",
            ] {
                assert!(memchr::memmem::find(&out, value).is_none(), "{damaged:?}");
            }
        }
    }
}

#[test]
fn keys_give_tokens_of_their_own_and_short_ones_none() {
    assert!(RedactKey::derive(&[7; 15]).is_none());
    let line = br#"{"type":"console","args":["hello"]}"#;
    let of = |secret: &[u8]| {
        let mut out = Vec::new();
        redactor(secret).line(line, &mut out);
        (out, redactor(secret).key.id())
    };
    assert_eq!(of(&[7; 16]), of(&[7; 16]));
    assert_ne!(of(&[7; 16]).0, of(&[7; 17]).0);
    assert_ne!(of(&[7; 16]).1, of(&[7; 17]).1);
    assert_eq!(of(&[7; 16]).1.len(), 8);
}

#[test]
fn mistakes_in_the_section_are_told() {
    let error = |redact: &str| {
        let text = format!(
            r#"{{"profile":1,"name":"x","slog":{{"type":"t","events":{{}},"canonical":{{"types":[]}},"redact":{redact}}}}}"#
        );
        Profile::parse(text.as_bytes(), "x")
            .unwrap_err()
            .to_string()
    };
    for (redact, expected) in [
        (r#"{}"#, "missing field `replace`"),
        (
            r#"{"plain":["a"],"replace":[{"members":["a"]}]}"#,
            "slog.redact.replace[0]: expected each member once, found `a` again",
        ),
        (
            r#"{"replace":[{"members":["a"],"plain":[[]]}]}"#,
            "expected 1 to 8 steps",
        ),
        (
            r##"{"replace":[],"references":["#"]}"##,
            "expected a letter",
        ),
        (r#"{"replace":[],"references":["ko"]}"#, "expected a letter"),
        (
            r###"{"replace":[],"references":["ko##"]}"###,
            "expected a letter",
        ),
        (
            r##"{"replace":[],"references":["ko#1"]}"##,
            "expected a letter",
        ),
    ] {
        let found = error(redact);
        assert!(found.contains(expected), "{found}");
    }
}
