//! What came of all pairs.

use std::collections::BTreeMap;

use haltbox_cli::commands::recording;
use haltbox_reader::verify_reads;

use crate::member::Member;

/// Faults that are printed.
const PRINTED: usize = 40;

/// What came of pairs of one kind.
#[derive(Default)]
pub struct Figures {
    /// Pairs that were asked.
    pub pairs: usize,
    /// Honest ones called identical, differences named with class and place.
    pub right: usize,
    /// Those of which too little is known, as was said.
    pub insufficient: usize,
    /// Those whose difference is not covered by both.
    pub uncovered: usize,
    /// Differences named with another class or place.
    pub elsewhere: usize,
    /// Honest ones that were accused, differences called identical: must be 0.
    pub wrong: usize,
}

impl Figures {
    /// Of all pairs, in per cent.
    pub fn share(&self, count: usize) -> String {
        let share = 100.0 * count as f64 / self.pairs.max(1) as f64;
        format!("{share:.1} %")
    }
}

/// What came of all pairs.
#[derive(Default)]
pub struct Counts {
    /// Honest nodes.
    pub honest: Figures,
    /// Nodes of which one did otherwise.
    pub different: Figures,
    /// Recordings whose reads were checked.
    pub reads: usize,
    kinds: BTreeMap<&'static str, usize>,
    faults: Vec<String>,
}

impl Counts {
    /// A recording by itself: its reads are those of an honest node.
    pub fn alone(&mut self, node: &Member) {
        self.reads += 1;
        for kind in node.recording.made.iter().chain([&node.form]) {
            *self.kinds.entry(kind).or_default() += 1;
        }
        let found = recording(&node.path, None).map(|recording| verify_reads(&recording));
        if let (Ok(Ok(found)), None) = (found, &node.truth)
            && found.differ > 0
        {
            self.honest.wrong += 1;
            let text = format!("ACCUSED reads: {} {:?}", node.words(), found.findings);
            self.keep(&[node], &text);
            self.faults.push(text);
        }
    }

    /// Something wrong was said of a pair.
    pub fn fault(&mut self, a: &Member, b: &Member, faults: &[String]) {
        let text = format!("{} {}: {}", a.words(), b.words(), faults.join("; "));
        self.keep(&[a, b], &text);
        self.faults.push(text);
    }

    /// Copies what something wrong was said of, where that is asked for.
    fn keep(&self, nodes: &[&Member], why: &str) {
        let Some(folder) = std::env::var_os("HALTBOX_KEEP") else {
            return;
        };
        let at = std::path::Path::new(&folder).join(format!("{}", self.faults.len()));
        if self.faults.len() < PRINTED {
            std::fs::create_dir_all(&at).expect("a folder");
            std::fs::write(at.join("why"), why).expect("the reason");
            for (node, name) in nodes.iter().zip(["a", "b"]) {
                std::fs::copy(&node.path, at.join(name)).expect("a copy");
            }
        }
    }

    /// Prints the figures.
    pub fn print(&self) {
        for (kind, count) in &self.kinds {
            println!("{count:>7}  {kind}");
        }
        let (honest, different) = (&self.honest, &self.different);
        println!(
            "{} accusations in {} honest pairs: {} identical, {} evidence insufficient",
            honest.wrong,
            honest.pairs,
            honest.share(honest.right),
            honest.share(honest.insufficient),
        );
        println!(
            "{} called identical of {} different pairs: {} with class and place, {} evidence insufficient, \
             {} not covered by both, {} with another class or place",
            different.wrong,
            different.pairs,
            different.share(different.right),
            different.share(different.insufficient),
            different.share(different.uncovered),
            different.elsewhere,
        );
        println!("reads of {} recordings checked", self.reads);
        for (at, fault) in self.faults.iter().take(PRINTED).enumerate() {
            println!("WRONG {at} {fault}");
        }
    }

    /// Nothing wrong was said.
    pub fn hold(&self) {
        assert_eq!(
            self.faults.len(),
            0,
            "pairs of which something wrong was said"
        );
    }
}
