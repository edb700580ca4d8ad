use super::*;
use crate::event::Event;
use haltbox_format::AppHash;

fn error(text: &str) -> String {
    Profile::parse(text.as_bytes(), "mine.json")
        .unwrap_err()
        .to_string()
}

/// A small profile with `slog` as its slog section.
fn with_slog(slog: &str) -> String {
    format!("{{\"profile\":1,\"name\":\"mine\",\n\"slog\":{slog}}}")
}

#[test]
fn builtin_profiles_are_sound() {
    for (name, _) in BUILTIN {
        let profile = Profile::builtin(name).unwrap();
        assert_eq!(profile.name, name);
        assert_eq!(profile.node.is_some(), name != "messages");
        let of_logs = name == "cosmos" || name == "proxyd" || name.starts_with("op-");
        assert_eq!(profile.slog.is_some(), !of_logs, "{name}");
    }
    let error = Profile::builtin("agorik").unwrap_err().to_string();
    assert!(
        error.contains("agorik") && error.contains("agoric, cosmos"),
        "{error}"
    );
}

#[test]
fn the_documents_example_can_be_used() {
    let document = include_str!("../../../../docs/profile.md");
    let (_, rest) = document.split_once("```json\n").unwrap();
    let (example, rest) = rest.split_once("```").unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    let (line, _) = rest.split_once("\n```").unwrap();
    let profile = Profile::parse(example.as_bytes(), "example").unwrap();
    let slog = profile.slog.unwrap();
    let app_hash = AppHash::from_hex(b"8F01");
    let commit = Event::Commit {
        height: 7,
        app_hash,
    };
    assert_eq!(
        slog.read(line.as_bytes()).events().collect::<Vec<_>>(),
        [commit]
    );
    assert!(profile.node.is_some());
}

#[test]
fn errors_name_file_place_and_what_was_expected() {
    for (text, expected) in [
        ("", "mine.json: line 1 column 0: EOF while parsing"),
        (
            "{\"profile\":1,\n\"name\":\"x\",\"slug\":{}}",
            "mine.json: line 2 column 17: unknown field `slug`, expected one of `profile`, `name`",
        ),
        (
            "{\"profile\":2,\"steps\":[]}",
            "mine.json: profile: expected version 1, found 2; use",
        ),
        ("{\"name\":\"x\"}", "missing field `profile`"),
        (
            "{\"profile\":1,\"name\":\"x\"}",
            "mine.json: slog: expected a `slog` or a `node` section",
        ),
        (
            "{\"profile\":1,\"name\":\"a b\",\"node\":\"cosmos\"}",
            "mine.json: name: expected 1 to 64 of",
        ),
        (
            "{\"profile\":1,\"name\":\"x\",\"node\":\"cosmic\"}",
            "mine.json: node: expected rules or the name of a builtin profile",
        ),
        (
            "{\"profile\":1,\"name\":\"x\",\n\"node\":{\"x\":1}}",
            "mine.json: line 2",
        ),
        (
            "{\"profile\":1,\"name\":\"x\",\"node\":[]}",
            "expected the rules for a node's log or the name",
        ),
    ] {
        let found = error(text);
        assert!(found.contains(expected), "{found}");
        assert!(found.ends_with("(docs/profile.md describes every key)"));
    }
}

#[test]
fn errors_in_the_slog_section_say_where() {
    for (slog, expected) in [
        (
            r#"{"type":"t","events":{"begin":[{"type":"b"}]},"canonical":{"types":[]}}"#,
            "line 2 column 50: missing field `height`",
        ),
        (
            r#"{"type":"t","events":{"start":[]},"canonical":{"types":[]}}"#,
            "unknown field `start`",
        ),
        (
            r#"{"type":"t","events":{"executed":["a*"]},"canonical":{"types":[]}}"#,
            "expected the full name of a type, found `a*`",
        ),
        (
            r#"{"type":"a\"b","events":{},"canonical":{"types":[]}}"#,
            "expected a name without quotes",
        ),
        (
            r#"{"type":"t","events":{},"canonical":{"types":["a*b"]}}"#,
            "expected the full name of a type",
        ),
        (r#"{"type":"t","events":{}}"#, "missing field `canonical`"),
        (
            r#"{"type":"t","events":{},"local":["ab"],"canonical":{"types":["a*"]}}"#,
            "slog.local: expected a type that is not canonical, found `ab`, but `slog.canonical.types` has `a*`",
        ),
        (
            r#"{"type":"t","events":{},"local":["ab*"],"canonical":{"types":["abc"]}}"#,
            "slog.local: expected a type that is not canonical, found `ab*`",
        ),
    ] {
        let found = error(&with_slog(slog));
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn notes_do_not_change_the_digest() {
    let digest = |text: &str| {
        let profile = Profile::parse(text.as_bytes(), "agoric").unwrap();
        profile.slog.unwrap().canonical().digest()
    };
    let (_, text) = BUILTIN[0];
    let other = text
        .replace("\"note\": \"", "\"note\": \"By the way. ")
        .replace("\"node\": \"cosmos\",", "");
    assert_ne!(text, other);
    assert_eq!(digest(text), digest(&other));
}
