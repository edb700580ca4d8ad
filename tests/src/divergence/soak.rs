//! Nothing goes wrong for a long time.

use std::time::{Duration, Instant};

use super::*;

/// Ten thousand blocks, in which nothing may be frozen.
pub(super) fn soak(version: Version) -> Row {
    let (ring, archive) = (16 << 20, 4 << 20);
    let bounds = ["-ring", &ring.to_string(), "-archive", &archive.to_string()];
    let chain = Chain::start(program(version), &[&["-fast"], bounds.as_slice()].concat());
    let begun = Instant::now();
    let goal = 10_000;
    let mut most = 0;
    let mut reached = 0;
    while reached < goal {
        std::thread::sleep(Duration::from_secs(1));
        let now = chain.nodes[HEALTHY].height().unwrap_or(reached);
        let stuck = begun.elapsed() > Duration::from_secs(60) && now == 0;
        assert!(
            !stuck && begun.elapsed() < Duration::from_secs(3600),
            "height {now}"
        );
        reached = now;
        most = most.max(bytes_of(&chain.nodes[HEALTHY].haltbox()));
    }
    for node in &chain.nodes {
        assert_eq!(node.boxes(), [""; 0]);
        assert_eq!(
            crate::status(&node.haltbox())["attention"],
            serde_json::json!([])
        );
    }
    // A part that is being written stands beside what it replaces.
    assert!(most < ring + 2 * archive, "{most} bytes");
    let seconds = begun.elapsed().as_secs();
    Row {
        note: format!(
            "{reached} blocks in {seconds} s, at most {} MiB of disk",
            most >> 20
        ),
        ..Row::default()
    }
}
