//! Holds what commands print as JSON to docs/json.md.

use std::collections::BTreeSet;

use haltbox_tests::*;
use serde_json::Value;

/// Names of builds and versions, which hosts choose, are keys too.
const OPEN: [&str; 1] = ["versions"];

fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                found.insert(key.clone());
                if !OPEN.contains(&key.as_str()) {
                    keys(value, found);
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| keys(element, found)),
        _ => {}
    }
}

#[test]
fn every_field_is_described() {
    let document = std::fs::read_to_string(root().join("docs/json.md")).expect("docs/json.md");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    for name in ["honest-a", "divergent-kv"] {
        record_all(&path(name), &excerpt(name), Some(&failure(13)), "16MiB").wait();
        std::fs::write(path(&format!("{name}.slog")), excerpt(name)).expect("a slog");
        let print = path(&format!("{name}.print"));
        output(0, &["fingerprint", text(&path(name)), "-o", text(&print)]);
    }
    let (a, b) = (path("honest-a"), path("divergent-kv"));
    let (box_a, box_b) = (boxes(&a).remove(0), boxes(&b).remove(0));
    let (slog, print) = (path("honest-a.slog"), path("divergent-kv.print"));
    // No signature at all, so that this test needs no ssh-keygen.
    std::fs::write(path("signers"), "").expect("a file of signers");
    std::fs::write(format!("{}.sig", box_a.display()), "none").expect("a signature");
    let signers = path("signers");
    let commands: [(&[i32], Vec<&str>); 10] = [
        (&[0, 1], vec!["status", "--json", text(&a)]),
        (&[0], vec!["info", "--json", text(&box_a)]),
        (&[0], vec!["info", "--json", text(&slog)]),
        (&[0], vec!["ls", "--json", text(&a)]),
        (&[0], vec!["verify", "--reads", "--json", text(&slog)]),
        (
            &[1],
            vec![
                "verify",
                "--json",
                "--signers",
                text(&signers),
                text(&box_a),
            ],
        ),
        (&[1], vec!["diff", "--json", text(&box_a), text(&box_b)]),
        (&[1], vec!["diff", "--json", text(&slog), text(&print)]),
        (
            &[1],
            vec!["compare", "--json", text(&slog), text(&box_b), text(&print)],
        ),
        (&[2], vec!["compare", "--json", text(&slog), "/nonexistent"]),
    ];
    for (codes, arguments) in commands {
        let done = run(&arguments);
        let code = done.status.code().expect("a code");
        assert!(
            codes.contains(&code),
            "haltbox {arguments:?} ended with {code}"
        );
        let json: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        assert_eq!(json["version"], 1, "haltbox {arguments:?}");
        let mut found = BTreeSet::new();
        keys(&json, &mut found);
        for key in found {
            assert!(
                document.contains(&format!("`{key}`")),
                "docs/json.md does not describe `{key}`, which haltbox {arguments:?} prints"
            );
        }
    }
}
