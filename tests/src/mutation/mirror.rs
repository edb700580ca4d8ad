//! What an answer must be: the truth, and the same when the sources are named the
//! other way round.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Expected;

/// Whatever is said of A and B must be said of B and A, turned round.
pub fn mirror_faults(one: &(i32, Value), other: &(i32, Value)) -> Vec<String> {
    let mut faults = Vec::new();
    let mut same = |what: &str, expected: Value, found: &Value| {
        if expected != *found {
            faults.push(format!("turned round, {what}: {expected} became {found}"));
        }
    };
    let (a, b) = (&one.1, &other.1);
    same("exit", one.0.into(), &other.0.into());
    for what in ["verdict", "place", "consequence"] {
        same(what, a[what].clone(), &b[what]);
    }
    same(
        "inserted_on",
        turned_side(&a["inserted_on"]),
        &b["inserted_on"],
    );
    same("summary", turned_words(&a["summary"]), &b["summary"]);
    let line = |json: &Value, side: &str| json["sides"][side]["line_number"].clone();
    same("line", line(a, "a"), &line(b, "b"));
    let changes = |json: &Value, side: &str| -> BTreeSet<String> {
        let list = json["changes"].as_array().cloned().unwrap_or_default();
        let told = list
            .iter()
            .map(|change| format!("{}={}", change["path"], change[side]));
        told.collect()
    };
    same(
        "changes",
        format!("{:?}", changes(a, "a")).into(),
        &format!("{:?}", changes(b, "b")).into(),
    );
    let notes = |json: &Value, turn: &dyn Fn(&Value) -> Value| -> BTreeSet<String> {
        let list = json["notes"].as_array().cloned().unwrap_or_default();
        list.iter().map(|note| turn(note).to_string()).collect()
    };
    same(
        "notes",
        format!("{:?}", notes(a, &turned_words)).into(),
        &format!("{:?}", notes(b, &Value::clone)).into(),
    );
    faults
}

fn turned_side(side: &Value) -> Value {
    match side.as_str() {
        Some("a") => "b".into(),
        Some("b") => "a".into(),
        _ => Value::Null,
    }
}

/// What each side covers is told in the order of the sides.
fn in_order(words: &str) -> String {
    let Some((head, ranges)) = words.split_once("B covers ") else {
        return words.to_owned();
    };
    let (of_b, of_a) = ranges.split_once(", A ").unwrap_or((ranges, ""));
    format!("{head}A covers {of_a}, B {of_b}")
}

/// The sentence with A and B in each other's place.
fn turned_words(text: &Value) -> Value {
    let Some(text) = text.as_str() else {
        return Value::Null;
    };
    let turned = |word: &str| -> String {
        let name = word.trim_matches(|c: char| !c.is_alphanumeric());
        match name {
            "A" => word.replace('A', "B"),
            "B" => word.replace('B', "A"),
            _ => word.to_owned(),
        }
    };
    let words: Vec<String> = text.split(' ').map(turned).collect();
    let words = words.join(" ").replace("B and A", "A and B");
    in_order(&words).into()
}

/// How an answer differs from the truth.
pub fn differences(expected: &Expected, code: i32, json: &Value) -> Vec<String> {
    let place = &json["place"];
    let mut faults = Vec::new();
    let mut expect = |what: &str, expected: Value, found: &Value| {
        if !expected.is_null() && expected != *found {
            faults.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    expect("verdict", expected.verdict.into(), &json["verdict"]);
    expect("exit", expected.exit.into(), &code.into());
    expect("height", expected.height.into(), &place["height"]);
    expect("crank", expected.crank.into(), &place["crank"]);
    expect("delivery", expected.delivery.into(), &place["delivery"]);
    expect("syscall", expected.syscall.into(), &place["syscall"]);
    expect("type", expected.kind.clone().into(), &place["type"]);
    let summary = json["summary"].as_str().unwrap_or_default();
    if let Some(words) = expected.words.filter(|words| !summary.contains(words)) {
        faults.push(format!("the summary does not say {words:?}"));
    }
    if !faults.is_empty() {
        faults.push(json["summary"].to_string());
    }
    faults
}
