//! Nodes that are killed, and what they do when they start again.

use serde_json::Value;

use super::*;

pub(super) fn restarted(version: Version) -> Row {
    let (mut chain, height) = diverged(version, &[], "value", (2, 2));
    check_healthy(&chain, 5);
    check_message(&chain.nodes[DIVERGENT], height);
    let path = chain.nodes[DIVERGENT].only_box();
    let evidence = fs::read(&path).expect("a box");
    let mut ends = Vec::new();
    for _ in 0..3 {
        let node = &mut chain.nodes[DIVERGENT];
        node.stop();
        let before = node.log().matches("Error in validation").count();
        node.start();
        let mut end = None;
        wait_until("the divergent node to fail again", || {
            let blamed = node.log().matches("Error in validation").count() > before;
            end = match (node.runs(), blamed) {
                (false, _) => Some("panics"),
                (true, true) => Some("blames its peers"),
                (true, false) => None,
            };
            end.is_some()
        });
        ends.extend(end);
    }
    let node = &chain.nodes[DIVERGENT];
    assert_eq!(node.boxes().len(), 1, "{:?}", node.boxes());
    assert!(
        fs::read(&path).expect("a box") == evidence,
        "the box is another"
    );
    output(0, &["verify", text(&node.haltbox().join("ring"))]);
    let row = judge(&chain, height, "execution differs");
    Row {
        note: format!("3 restarts: {}; the box is unchanged", ends.join(", ")),
        ..row
    }
}

/// The application's database of another time under the same name: CometBFT
/// panics in the handshake, before anything is executed.
pub(super) fn swapped_database(version: Version) -> Row {
    let mut chain = started(version, &[]);
    chain.wait_height(8);
    let node = &mut chain.nodes[DIVERGENT];
    node.stop();
    let file = node.home.join("data/app.json");
    let sound = fs::read(&file).expect("a state");
    let mut state: Value = serde_json::from_slice(&sound).expect("JSON");
    let height = state["Height"].as_u64().expect("a height");
    state["AppHash"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
    fs::write(&file, state.to_string()).expect("a state");
    node.start();
    let end = node.wait_end();
    assert_eq!(end.code(), Some(2), "{end}");
    let words = "state.AppHash does not match AppHash after replay";
    let path = node.only_box();
    let told = format!("haltbox: black box {}\npanic: {words}", path.display());
    assert!(node.errors().contains(&told), "{}", node.errors());
    let status = crate::status(&node.haltbox());
    assert_eq!(status["head"], height, "{status:#}");
    let log = output(0, &["cat", text(&path), "--stream", "node"]);
    assert!(String::from_utf8_lossy(&log).contains(words));
    // Whoever puts the right one back has a node that goes on.
    fs::write(&file, sound).expect("a state");
    node.start();
    node.wait_height(height + 5);
    check_healthy(&chain, 5);
    let healthy = text(&chain.nodes[HEALTHY].haltbox()).to_owned();
    output(0, &["freeze", &healthy, "--height", &height.to_string()]);
    let ours = chain.nodes[HEALTHY].only_box();
    output(0, &["diff", text(&ours), text(&path)]);
    Row {
        froze: vec![DIVERGENT],
        names: chain.nodes[DIVERGENT].boxes(),
        verdict: "same".to_owned(),
        note: "exit 2; the block was executed as elsewhere, its database is another".to_owned(),
        ..Row::default()
    }
}

/// The block is executed again after the restart: two attempts at one height,
/// and no divergence.
fn killed(version: Version, kind: &str) -> Row {
    let mut chain = started(version, &[]);
    let height = chain.soon();
    let node = &mut chain.nodes[DIVERGENT];
    node.arm(kind, height, 3, 1);
    let end = node.wait_end();
    assert!(!end.success(), "{end}");
    node.start();
    node.wait_height(height + 5);
    let dir = node.haltbox();
    let lines = |attempt: &str| -> String {
        let asked = ["--height", &height.to_string(), "--attempt", attempt];
        let cat = output(0, &[&["cat", text(&dir)], asked.as_slice()].concat());
        let cat = String::from_utf8(cat).expect("UTF-8");
        let entries = cat.lines().filter(|line| line.starts_with("{\"type\":\""));
        entries.map(|line| format!("{line}\n")).collect()
    };
    let (first, second) = (lines("1"), lines("2"));
    assert!(
        !first.is_empty() && !first.contains("commit-block"),
        "{first}"
    );
    assert!(second.contains("commit-block"), "{second}");
    // Behind what a kill cut off stands the start that followed.
    let executed = |lines: &str| -> Vec<String> {
        let ends = ["end-block", "commit-block", "host-start"];
        let counts = |line: &&str| !ends.iter().any(|end| line.contains(end));
        // A node that starts again does not know the chain's parameters.
        let shared = |line: &str| {
            line.split(",\"local\":")
                .next()
                .map(|line| line.trim_end_matches('}').to_owned())
        };
        lines.lines().filter(counts).filter_map(shared).collect()
    };
    let (before, after) = (executed(&first), executed(&second));
    assert!(
        before.len() > 10 && after.starts_with(&before),
        "{before:#?}\n{after:#?}"
    );
    check_healthy(&chain, 5);
    assert_eq!(chain.nodes[DIVERGENT].boxes(), [""; 0]);
    Row {
        note: format!(
            "attempt 1 has {} entries, attempt 2 {}",
            first.lines().count(),
            second.lines().count()
        ),
        ..Row::default()
    }
}

pub(super) fn killed_in_block(version: Version) -> Row {
    killed(version, "kill")
}

pub(super) fn killed_before_commit(version: Version) -> Row {
    killed(version, "kill-commit")
}
