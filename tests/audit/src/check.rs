//! What is said of a pair, held to what is true of it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use haltbox_cli::commands::compare;
use haltbox_model::Profile;
use haltbox_reader::SourceSummary;
use haltbox_reader::compare::diff;
use haltbox_reader::compare::finding::{Conclusion, Finding, Outcome};
use haltbox_reader::compare::pair::Agreement;
use haltbox_reader::compare::recording::Recording;
use haltbox_reader::report::summary;

use crate::case::{Case, Truth};
use crate::fault::Kind;
use crate::node::{Chain, needs_a_start};
use crate::random::Random;
use crate::tape::{Digest, Tape};

/// Of so many pairs one is asked of `compare` with a third node.
const OF_THREE: u64 = 16;
/// Of so many, in turned order too.
const TURNED: u64 = 4;
/// Of so many, the names of blocks.
const NAMES: u64 = 3;

/// What came of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Called the same.
    Identical,
    /// Not decided.
    Insufficient,
    /// Not decided, although both have the place whole.
    Undecided,
    /// The difference was named with its class and its height.
    Right,
    /// By digests alone, which know no class.
    Located,
    /// With its height, and another class.
    Otherwise,
    /// At a later height: the place is not there.
    Later,
    /// Called the same where the difference is cut away.
    CutAway,
    /// It could not be made.
    None,
}

/// What is wrong with what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// An honest node is accused.
    Accused,
    /// A difference is called identical.
    CalledIdentical,
    /// A height is called equal at which they differ.
    HeightCalledEqual,
    /// The place is another one.
    AnotherPlace,
    /// Two sound recordings with a difference, and nothing is decided.
    NothingDecided,
    /// Turned round, something else is said.
    Turned,
    /// Of three, honest nodes stand apart.
    Apart,
    /// Names of blocks are not those of executions.
    Name,
    /// It panicked.
    Panicked,
}

/// What was said of a pair.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What it amounts to.
    pub class: Class,
    /// What is wrong with it, and in words.
    pub wrong: Vec<(Wrong, String)>,
    /// The class of the difference that was named.
    pub named: &'static str,
}

/// Names that were given, and to what.
#[derive(Default)]
pub struct Names {
    of: HashMap<String, Digest>,
    to: HashMap<Digest, String>,
}

/// Checks pairs, in a folder of its own.
pub struct Checker {
    folder: PathBuf,
    profiles: [Profile; 2],
    names: Names,
}

struct Said {
    exit: u8,
    verdict: &'static str,
    height: Option<u64>,
    words: String,
    same: Vec<u64>,
    /// The AppHashes differ, and one side alone has entries of a store there.
    one_sided: bool,
}

impl Checker {
    /// With its files in a folder.
    ///
    /// # Errors
    /// Where a profile cannot be read.
    pub fn new(folder: &Path) -> Result<Checker, Box<dyn std::error::Error>> {
        Ok(Checker {
            folder: folder.to_owned(),
            profiles: [Profile::builtin("agoric")?, Profile::builtin("host")?],
            names: Names::default(),
        })
    }

    /// Asks a pair.
    pub fn check(&mut self, case: &Case) -> Verdict {
        let asked = catch_unwind(AssertUnwindSafe(|| self.asked(case)));
        asked.unwrap_or_else(|_| Verdict {
            class: Class::None,
            wrong: vec![(Wrong::Panicked, "a panic".to_owned())],
            named: "",
        })
    }

    fn profile(&self, case: &Case) -> &Profile {
        &self.profiles[usize::from(!case.kernel)]
    }

    fn path(&self, at: usize) -> PathBuf {
        self.folder.join(["a", "b", "c"][at])
    }

    fn asked(&mut self, case: &Case) -> Verdict {
        let none = Verdict {
            class: Class::None,
            wrong: Vec::new(),
            named: "",
        };
        let [a, b] = [case.chain(None), case.chain(case.fault)];
        let truth = case.truth(&a, &b);
        if case.fault.is_some() != truth.parting.is_some() {
            return none;
        }
        let mut tapes = Vec::new();
        for (at, chain) in [&a, &b].into_iter().enumerate() {
            let mut tape = case.plans[at].tape(chain);
            let form = case.plans[at].form;
            if tape.lines.is_empty() || !form.keep(&mut tape, self.profile(case), &self.path(at)) {
                return none;
            }
            tapes.push(tape);
        }
        let said = self.diff(case, [0, 1]);
        let mut verdict = judge(case, &truth, [&tapes[0], &tapes[1]], &said);
        let mut random = Random::at(case.seed, &[77]);
        if random.below(TURNED) == 0 {
            let turned = self.diff(case, [1, 0]);
            if (turned.exit, turned.verdict, turned.height)
                != (said.exit, said.verdict, said.height)
            {
                let words = format!("{} became {}", said.words, turned.words);
                verdict.wrong.push((Wrong::Turned, words));
            }
        }
        if random.below(OF_THREE) == 0 {
            verdict
                .wrong
                .extend(self.three(case, &a, (&tapes[0], truth.parting), &said));
        }
        if random.below(NAMES) == 0 {
            let profile = self.profile(case).clone();
            for (at, tape) in tapes.iter().enumerate() {
                let path = self.path(at);
                verdict
                    .wrong
                    .extend(self.names.held(case, at, &path, tape, &profile));
            }
        }
        verdict
    }

    fn diff(&self, case: &Case, order: [usize; 2]) -> Said {
        let opened = |at: usize| -> Result<Recording, Box<dyn std::error::Error>> {
            let path = self.path(at);
            let source = haltbox_reader::open(&path)?;
            Ok(Recording::new(path, source, self.profile(case).clone()))
        };
        let found = opened(order[0]).and_then(|a| Ok(diff::diff(&a, &opened(order[1])?)?));
        match found {
            Ok(finding) => Said {
                exit: finding.exit(),
                verdict: finding.verdict().name(),
                height: finding.location().map(|place| place.height),
                words: format!("{}: {}", finding.verdict().name(), summary::words(&finding)),
                one_sided: is_one_sided(&finding),
                same: finding
                    .heights
                    .iter()
                    .filter(|row| row.agreement == Agreement::Same)
                    .map(|row| row.height)
                    .collect(),
            },
            Err(error) => Said {
                exit: 2,
                verdict: "error",
                height: None,
                words: format!("error: {error}"),
                one_sided: false,
                same: Vec::new(),
            },
        }
    }

    /// A third node that did as A did never stands apart from A, and B neither if it is
    /// honest.
    fn three(
        &self,
        case: &Case,
        chain: &Chain,
        (own, parting): (&Tape, Option<u64>),
        said: &Said,
    ) -> Option<(Wrong, String)> {
        let mut tape = case.plans[2].tape(chain);
        let profile = self.profile(case);
        if tape.lines.is_empty() || !case.plans[2].form.keep(&mut tape, profile, &self.path(2)) {
            return None;
        }
        let paths = [0, 1, 2].map(|at| self.path(at));
        let answer = match compare::compare(&paths, Some(chain.profile())) {
            Ok(answer) => answer,
            Err(_) => return None,
        };
        let group_of = |node: usize| {
            let mut groups = answer.groups.iter();
            groups.position(|group| group.members.contains(&node))
        };
        let [a, b, c] = [0, 1, 2].map(group_of);
        // Who has neither the replay nor its original does not know which of the two is right, and
        // may belong to either group.
        let is_silent = |node: usize| {
            let mut groups = answer.groups.iter();
            let is_replay = case.fault.is_some_and(|fault| needs_a_start(fault.kind));
            is_replay && groups.any(|group| group.silent.contains(&node))
        };
        let apart = |one: Option<usize>, other: Option<usize>| {
            let known = !is_silent(0) && !is_silent(2);
            known && one.zip(other).is_some_and(|(one, other)| one != other)
        };
        let knows = |tape: &Tape| parting.is_none_or(|height| tape.is_whole(height));
        let honest = case.fault.is_none();
        let wrong = if honest {
            answer.exit == 1
        } else {
            apart(a, c) && knows(own) && knows(&tape) || said.exit == 1 && answer.exit == 0
        };
        wrong.then(|| {
            let words = format!(
                "of three: exit {}, groups {a:?} {b:?} {c:?}: {}",
                answer.exit, answer.summary
            );
            (Wrong::Apart, words)
        })
    }
}

fn is_one_sided(finding: &Finding) -> bool {
    let Conclusion::Outcome { outcome, .. } = &finding.conclusion else {
        return false;
    };
    matches!(outcome, Outcome::AppHash { only: Some(_), .. })
}

fn judge(case: &Case, truth: &Truth, tapes: [&Tape; 2], said: &Said) -> Verdict {
    let mut wrong = Vec::new();
    let mut find = |what, more: &str| wrong.push((what, format!("{}{more}", said.words)));
    let Some(parting) = truth.parting else {
        if said.exit == 1 {
            find(Wrong::Accused, "");
        }
        let class = match said.exit {
            0 => Class::Identical,
            _ => Class::Insufficient,
        };
        return Verdict {
            class,
            wrong,
            named: said.verdict,
        };
    };
    // A replay shows what was executed before the recording begins.
    let is_replay = said.verdict == "replay differs"
        || case.fault.is_some_and(|fault| needs_a_start(fault.kind));
    // A row is about entries, which hidden work has none of.
    let is_hidden = case.fault.is_some_and(|fault| fault.kind == Kind::Hidden);
    let is_named = said.exit == 1 && said.height == Some(parting) || is_hidden && said.exit > 0;
    let differ = |height: u64| height == parting && !is_replay && !is_named;
    if let Some(height) = said.same.iter().find(|height| differ(**height)) {
        find(Wrong::HeightCalledEqual, &format!(" (height {height})"));
    }
    let whole = tapes.iter().all(|tape| tape.is_whole(parting)) && !is_replay;
    let detailed = tapes.iter().all(|tape| tape.is_detailed(parting));
    let sound = case.plans[..2].iter().all(crate::case::Plan::is_sound);
    let verdicts = case
        .fault
        .map_or(&[][..], |fault| fault.kind.verdicts(case.kernel));
    let class = match (said.exit, said.height) {
        (0, _) if whole => {
            find(Wrong::CalledIdentical, "");
            Class::Identical
        }
        (0, _) => Class::CutAway,
        (1, Some(height)) if !is_replay && height < truth.courses.unwrap_or(parting) => {
            find(
                Wrong::AnotherPlace,
                &format!(" (height {height}, not {parting})"),
            );
            Class::Otherwise
        }
        (1, Some(height)) if height > parting && said.words.contains("the cause lies before") => {
            Class::Later
        }
        // Where they first did something else, the outcome may still have been the same.
        (1, Some(height))
            if !(truth.courses == Some(height) || height == parting) && whole && !is_replay =>
        {
            find(
                Wrong::AnotherPlace,
                &format!(" (height {height}, not {parting})"),
            );
            Class::Otherwise
        }
        (1, Some(height)) if height > parting && !is_replay => Class::Later,
        (1, _) if said.verdict == "evidence insufficient" => Class::Located,
        (1, _) if verdicts.contains(&said.verdict) => Class::Right,
        (1, _) => Class::Otherwise,
        // Entries of a store that one side alone has at a height may not have been recorded on the
        // other: the height is told, and that its AppHashes differ.
        (_, Some(height)) if height == parting && said.one_sided => Class::Undecided,
        _ if whole && detailed && sound && !is_replay => {
            find(Wrong::NothingDecided, "");
            Class::Undecided
        }
        _ if whole => Class::Undecided,
        _ => Class::Insufficient,
    };
    Verdict {
        class,
        wrong,
        named: said.verdict,
    }
}

impl Names {
    /// Equal executions that were recorded alike have one name, others have others, and
    /// a part has none.
    fn held(
        &mut self,
        case: &Case,
        at: usize,
        path: &Path,
        tape: &Tape,
        profile: &Profile,
    ) -> Vec<(Wrong, String)> {
        let Ok(source) = haltbox_reader::open(path) else {
            return Vec::new();
        };
        if source.is_fingerprint() {
            return Vec::new();
        }
        let Ok(survey) = SourceSummary::of(&source, profile) else {
            return Vec::new();
        };
        if self.of.len() > 400_000 {
            *self = Names::default();
        }
        // Of a host whose writer is not known nobody sees that another one wrote it anew.
        if tape.altered && !case.kernel {
            return Vec::new();
        }
        let mut wrong = Vec::new();
        let form = case.plans[at].form;
        for row in survey
            .blocks
            .iter()
            .filter(|row| row.complete && !row.altered)
        {
            let named = tape.named(row.height);
            if named.is_empty() {
                if !tape.altered {
                    let words = format!("{form:?}: {} is named, and not whole", row.name);
                    wrong.push((Wrong::Name, words));
                }
                continue;
            }
            let Some(digest) = named.first().filter(|_| named.len() == 1) else {
                continue;
            };
            let of = self.of.entry(row.name.clone()).or_insert(*digest);
            if of != digest {
                wrong.push((
                    Wrong::Name,
                    format!("{form:?}: {} names two executions", row.name),
                ));
            }
            let to = self.to.entry(*digest).or_insert_with(|| row.name.clone());
            if *to != row.name {
                wrong.push((
                    Wrong::Name,
                    format!("{form:?}: one execution is named {to} and {}", row.name),
                ));
            }
        }
        wrong
    }
}
