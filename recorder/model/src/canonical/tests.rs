use serde_json::Value;

use super::*;
use crate::profile::{Profile, ProfileError};
use crate::recordings::{damaged, each_line, samples, seeded};

const AGORIC: &str = include_str!("../../profiles/agoric.json");

fn agoric() -> CanonicalRules {
    Profile::builtin("agoric")
        .unwrap()
        .slog
        .unwrap()
        .canonical()
        .clone()
}

fn cut(rules: &CanonicalRules, line: &str) -> Option<String> {
    let mut out = Vec::new();
    rules
        .cut(line.as_bytes(), &mut out)
        .then(|| String::from_utf8(out).unwrap())
}

/// Rules made from the `canonical` section given.
fn rules(section: &str) -> Result<CanonicalRules, ProfileError> {
    let profile = format!(
        r#"{{"profile":1,"name":"x","slog":{{"type":"type","events":{{}},"canonical":{section}}}}}"#
    );
    let profile = Profile::parse(profile.as_bytes(), "x.json")?;
    Ok(profile.slog.unwrap().canonical().clone())
}

/// The HASH rule's cuts, written a second time over serde_json's tree.
fn removed(line: &[u8]) -> Option<Value> {
    let mut entry: Value = serde_json::from_slice(line).ok()?;
    let name = entry["type"].as_str()?.to_owned();
    let object = entry.as_object_mut()?;
    let unwanted = ["time", "monotime", "seconds"].into_iter().chain(
        match &*name {
            "cosmic-swingset-begin-block" => &[
                "interBlockSeconds",
                "afterCommitHangoverSeconds",
                "blockLagSeconds",
                "inboundQueueStats",
            ][..],
            "cosmic-swingset-end-block-finish" => &["inboundQueueStats"],
            _ => &[],
        }
        .iter()
        .copied(),
    );
    for name in unwanted {
        object.remove(name);
    }
    if let Some(Value::Object(error)) = object.get_mut("error") {
        error.remove("stack");
    }
    if name == "heap-snapshot-save" {
        object.retain(|name, _| ["type", "vatID", "snapshotID", "endPosition"].contains(&&**name));
    }
    if name == "deliver-result"
        && let Some(Value::Array(result)) = object.get_mut("dr")
        && let Some(Value::Object(usage)) = result.get_mut(2)
    {
        usage.retain(|name, _| name == "compute");
    }
    Some(entry)
}

fn has_repeated_members(line: &[u8]) -> bool {
    // Canonical text of an entry with repeated names has more members than a
    // tree can hold; writing the tree anew shows it.
    let tree: Value = serde_json::from_slice(line).unwrap();
    let names = |text: &[u8]| text.iter().filter(|&&b| b == b':').count();
    names(line) != names(tree.to_string().as_bytes())
}

#[test]
fn an_entry_cut_is_the_entry_without_what_is_removed() {
    let rules = agoric();
    let mut out = Vec::new();
    let mut compared = 0;
    for line in samples() {
        out.clear();
        if rules.cut(line, &mut out) {
            let cut: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(Some(cut), removed(line));
            compared += 1;
        }
    }
    assert_eq!(compared, 18);
    each_line("honest-a", |line| {
        out.clear();
        if line.len() < 1_000 && rules.cut(line, &mut out) {
            assert_eq!(serde_json::from_slice::<Value>(&out).ok(), removed(line));
        }
    });
}

#[test]
fn a_damaged_entry_is_cut_alike_or_taken_whole() {
    let rules = agoric();
    let mut random = seeded(3);
    let mut out = Vec::new();
    let (mut alike, mut whole) = (0, 0);
    for line in samples().flat_map(|line| std::iter::repeat_n(line, 300)) {
        let damaged = damaged(line, &mut random);
        out.clear();
        if !rules.cut(&damaged, &mut out) {
            assert!(out.is_empty());
        } else if json::members(&damaged).any(|member| member.is_err()) {
            assert_eq!(out, damaged);
            whole += 1;
        } else if let Some(expected) = removed(&damaged)
            && !has_repeated_members(&damaged)
        {
            assert_eq!(serde_json::from_slice::<Value>(&out).ok(), Some(expected));
            alike += 1;
        }
    }
    assert!(alike > 500 && whole > 500, "{alike} {whole}");
}

#[test]
fn what_stays_is_the_hosts_own_bytes() {
    let rules = agoric();
    let cut = |line| cut(&rules, line).unwrap();
    assert_eq!(
        cut(r#"{"type":"clist","n":1.50e1,"s":"\u0041\/","time":1,"x":  [ 1 ],"monotime":2}"#),
        r#"{"type":"clist","n":1.50e1,"s":"\u0041\/","x":  [ 1 ]}"#
    );
    assert_eq!(
        cut(r#" { "time":1 , "type" : "clist" , "a":2 } "#),
        r#"{"type" : "clist","a":2}"#
    );
    assert_eq!(
        cut(
            r#"{"type":"deliver-result","dr":["ok", null,{"allocate":9,"compute": 7,"t":[1,2]} ,4]}"#
        ),
        r#"{"type":"deliver-result","dr":["ok",null,{"compute": 7},4]}"#
    );
    assert_eq!(
        cut(r#"{"type":"deliver-result","dr":["error","x",null],"seconds":1}"#),
        r#"{"type":"deliver-result","dr":["error","x",null]}"#
    );
    assert_eq!(
        cut(r#"{"type":"deliver-result","dr":["ok",null,{"t":[1,2]}]}"#),
        r#"{"type":"deliver-result","dr":["ok",null,{}]}"#
    );
    assert_eq!(
        cut(r#"{"type":"deliver-result","dr":[]}"#),
        r#"{"type":"deliver-result","dr":[]}"#
    );
    assert_eq!(
        cut(r#"{"type":"cosmic-swingset-install-bundle","error":{"message":"m","stack":"/home"}}"#),
        r#"{"type":"cosmic-swingset-install-bundle","error":{"message":"m"}}"#
    );
    assert_eq!(
        cut(
            r#"{"type":"heap-snapshot-save","vatID":"v1","snapshotID":"s","endPosition":4,"new":1}"#
        ),
        r#"{"type":"heap-snapshot-save","vatID":"v1","snapshotID":"s","endPosition":4}"#
    );
}

#[test]
fn only_the_members_of_the_place_itself_are_removed() {
    let line = r#"{"type":"syscall","ksc":{"time":1,"seconds":2,"error":{"stack":3}}}"#;
    assert_eq!(cut(&agoric(), line).as_deref(), Some(line));
}

#[test]
fn an_entry_that_cannot_be_walked_is_taken_whole() {
    let rules = agoric();
    for line in [
        r#"{"type":"clist","time":1,"vobj":"o+"#,
        r#"{"type":"clist","time":1} and more"#,
        r#"{"type":"clist" "time":1}"#,
        r#"{"type":"deliver-result","time":1,"dr":[1,2,{"compute" 1}]}"#,
    ] {
        let mut out = b"kept".to_vec();
        assert!(rules.cut(line.as_bytes(), &mut out));
        assert_eq!(out, [b"kept", line.as_bytes()].concat());
    }
}

#[test]
fn an_entry_known_to_be_canonical_is_cut_the_same() {
    let rules = agoric();
    let cut_canonical = |line: &str| {
        let mut out = Vec::new();
        rules.cut_canonical(line.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    };
    let line = r#"{"type":"clist","time":1,"a":2}"#;
    assert_eq!(Some(cut_canonical(line)), cut(&rules, line));
    assert_eq!(cut_canonical(r#"{"type":"console","time":1}"#), "");
}

/// Asks the rules about an entry in which `again` stands as given, with `around` in the
/// members before and behind it.
fn repeats(rules: &CanonicalRules, again: &str, around: [&str; 2]) -> bool {
    let [before, behind] = around;
    let line = format!(r#"{{"type":"a","p":"{before}","again":{again},"q":"{behind}"}}"#);
    let repeats = cut(rules, &line).is_none();
    let counts = rules.cut_named(line.as_bytes(), &mut Vec::new());
    let expected = match repeats {
        true => Counts::Not,
        false => Counts::Named,
    };
    assert_eq!(counts, expected, "{line}");
    repeats
}

#[test]
fn an_entry_that_repeats_earlier_work_is_known_wherever_it_says_so() {
    for is in [true, false] {
        let section = format!(
            r#"{{"types":["a"],"replay":{{"member":"again","is":{is}}},"name":{{"cut":[{{"remove":["n"]}}]}}}}"#
        );
        let rules = rules(&section).unwrap();
        let (own, other) = (is.to_string(), (!is).to_string());
        // Text that looks like the other value, wherever the search looks for the first
        // letter.
        let misleading = format!(":{}", &other[..1]);
        for length in 0..40 {
            let before: String = misleading.chars().cycle().take(length).collect();
            for behind in ["", "x"].map(|x| x.to_owned() + &misleading.repeat(300)) {
                let around = [&*before, &*behind];
                assert!(repeats(&rules, &own, around));
                assert!(repeats(&rules, &format!(" {own}"), around));
                assert!(!repeats(&rules, &other, around));
            }
        }
        let inside = format!(r#"{other},"inside":{{"again":{own}}}"#);
        assert!(!repeats(&rules, &inside, ["", ""]));
        assert!(!repeats(&rules, r#""text""#, ["", ""]));
    }
}

#[test]
fn cuts_at_several_places_of_one_type_all_hold() {
    let rules = rules(
        r#"{"types":["a*","b"],"cut":[{"remove":["x"]},{"types":["ab"],"keep":["type","x","y","p"]},
            {"types":["ab"],"at":["p",0,"q"],"remove":["z"]},{"at":["p"],"remove":["r"]}]}"#,
    )
    .unwrap();
    let line = r#"{"type":"ab","x":1,"y":2,"w":3,"p":[{"q":{"z":1,"k":2}},{"q":{"z":3}}]}"#;
    let expected = r#"{"type":"ab","y":2,"p":[{"q":{"k":2}},{"q":{"z":3}}]}"#;
    assert_eq!(cut(&rules, line).as_deref(), Some(expected));
    let line = r#"{"type":"ac","x":1,"p":{"r":1,"s":2}}"#;
    assert_eq!(
        cut(&rules, line).as_deref(),
        Some(r#"{"type":"ac","p":{"s":2}}"#)
    );
    assert_eq!(
        cut(&rules, r#"{"type":"b","x":1}"#).as_deref(),
        Some(r#"{"type":"b"}"#)
    );
    assert_eq!(cut(&rules, r#"{"type":"bb","x":1}"#), None);
}

#[test]
fn the_digest_is_that_of_the_section_with_its_keys_sorted() {
    let file: Value = serde_json::from_str(AGORIC).unwrap();
    let section = &file["slog"]["canonical"];
    // `serde_json::Value` sorts its keys unless a feature is switched on.
    let sorted = section.to_string();
    assert!(
        sorted.starts_with(r#"{"cut":[{"remove":["time""#),
        "{sorted}"
    );
    assert_eq!(
        agoric().digest(),
        Digest(blake3::hash(sorted.as_bytes()).into())
    );
    assert_eq!(rules(&sorted).unwrap().digest(), agoric().digest());
    let other = sorted.replace("timer-poll", "timer-Poll");
    assert_ne!(rules(&other).unwrap().digest(), agoric().digest());
}

/// Every HASH depends on this digest: a change makes boxes of two releases incomparable.
#[test]
fn the_builtin_digest_stays_what_it_was() {
    let known = "507ca40797e7d76f322e18e9a10cfed5dbe814e455094580d6cd700dec38e786";
    assert_eq!(agoric().digest().to_string(), known);
}

#[test]
fn sections_that_make_no_sense_are_refused() {
    let too_deep = r#"{"types":["a"],"cut":[{"at":[1,1,1,1,1,1,1,1,1],"remove":["x"]}]}"#;
    for (section, expected) in [
        (
            r#"{"types":["a"],"cut":[{}]}"#,
            "slog.canonical.cut[0]: expected either `keep`",
        ),
        (
            r#"{"types":["a"],"cut":[{"keep":["x"],"remove":["y"]}]}"#,
            "cut[0]: expected either",
        ),
        (
            r#"{"types":["a"],"cut":[{"types":["b"],"keep":["x"]}]}"#,
            "found `b`",
        ),
        (
            r#"{"types":["a"],"cut":[{"types":["a*"],"keep":["x"]}]}"#,
            "full name of a type",
        ),
        (
            r#"{"types":["a"],"cut":[{"at":[-1],"keep":["x"]}]}"#,
            "index of an element",
        ),
        (r#"{"types":["a"],"note":"x"}"#, "unknown field `note`"),
        (too_deep, "at most 8 steps in `at`, found 9"),
    ] {
        let error = rules(section).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(rules(&too_deep.replacen("1,", "", 1)).is_ok());
}
