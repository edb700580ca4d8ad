//! The policy as a table: what happens, and what is frozen when.

use super::*;
use haltbox_format::Stream;
use haltbox_format::mark::Position;
use haltbox_model::Break;

/// A node that is watched, with its own clock.
struct Scene {
    life: Lifecycle,
    triggers: Triggers,
    now: Instant,
    at: u64,
    told: Vec<String>,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            life: Lifecycle::default(),
            triggers: Triggers::new(Policy::default()),
            now: Instant::now(),
            at: 0,
            told: Vec::new(),
        }
    }

    fn event(&mut self, event: &Event) {
        self.at += 1;
        let (before, after) = (self.at, self.at + 1);
        let place = |main| Position { main, local: 0 };
        self.life
            .on(event, Stream::Node, place(before), place(after));
        let of = self.life.accused(event);
        if of.is_some() || self.life.blocks().is_empty() {
            self.triggers.hear(event, of, self.now);
        }
        self.look();
    }

    fn look(&mut self) {
        for due in self.triggers.due(&self.life, self.now) {
            let (height, reason) = match due {
                Due::Box { of, reason, .. } => (of.height.to_string(), reason),
                Due::Held { of, name, reason } => (format!("{} in {name}:", of.height), reason),
                Due::Unrecorded { reason } => ("0".to_owned(), reason),
            };
            let reason: Vec<&str> = reason.split_whitespace().collect();
            self.told.push(format!("{height} {}", reason.join(" ")));
        }
    }

    fn run(&mut self, height: u64) {
        let app_hash = Some(AppHash::new(&[height as u8; 32]).expect("a hash"));
        self.event(&Event::Begin {
            height,
            early: false,
        });
        self.event(&Event::End { height });
        self.event(&Event::Commit { height, app_hash });
    }

    /// Proof at an unknown height: no block has this hash.
    fn lost(&mut self, height: u64) {
        let hash = |byte| AppHash::new(&[byte; 32]).expect("a hash");
        self.event(&Event::Mismatch(Mismatch {
            carried: None,
            round: None,
            height: None,
            field: "AppHash".to_owned(),
            local: hash(height as u8),
            network: hash(200),
            weight: Weight::Proved,
        }));
    }

    fn mismatch(&mut self, height: u64, weight: Weight, other: u8) {
        self.event(&Event::Mismatch(Mismatch {
            carried: None,
            round: None,
            height: Some(height),
            field: "AppHash".to_owned(),
            local: AppHash::new(&[height as u8; 32]).expect("a hash"),
            network: AppHash::new(&[other; 32]).expect("a hash"),
            weight,
        }));
    }

    fn broke(&mut self, height: u64, why: &str) {
        self.event(&Event::Break(Break {
            height: Some(height).filter(|height| *height > 0),
            local: None,
            why: why.to_owned(),
            text: "block 7".to_owned(),
        }));
    }

    fn step(&mut self, step: &str) {
        let mut words = step.split(' ');
        let verb = words.next().unwrap_or_default();
        let number = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let other = words.next().and_then(|n| n.parse().ok()).unwrap_or(200);
        match verb {
            "run" => self.run(number),
            "quoted" => self.mismatch(number, Weight::Quoted, other),
            "seen" => self.mismatch(number, Weight::Seen, other),
            "blamed" => self.mismatch(number, Weight::Blamed, other),
            "last" => self.mismatch(number, Weight::LastWords, other),
            "proved" => self.mismatch(number, Weight::Proved, other),
            "lost" => self.lost(number),
            "alarm" => self.event(&Event::Alarm {
                why: "trouble".to_owned(),
                quoted: false,
            }),
            "memo" => self.event(&Event::Alarm {
                why: "trouble".to_owned(),
                quoted: true,
            }),
            "failure" => self.event(&Event::Failure {
                text: "out of range".to_owned(),
                over: FailedOver::Other,
            }),
            "break" => self.broke(number, "it does not stand"),
            "unpaid" => self.broke(number, "its payload is missing"),
            "unread" => self.event(&Event::Failure {
                text: "wrong hash".to_owned(),
                over: FailedOver::Hashes,
            }),
            "cut" => self.event(&Event::Failure {
                text: String::new(),
                over: FailedOver::Other,
            }),
            "farewell" => self.event(&Event::Farewell {
                why: "an upgrade".to_owned(),
            }),
            "wait" => self.now += Duration::from_secs(number),
            "ended" => self.triggers.node_ended(),
            "frozen" => {
                let of = self.life.latest(number).expect("a block").of;
                let mark = haltbox_format::mark::Mark::Frozen(haltbox_format::mark::Frozen {
                    of,
                    name: "a box".to_owned(),
                });
                self.life.apply(&mark, Position::default());
            }
            other => panic!("no such step: {other}"),
        }
        self.look();
    }
}

/// A name, what happens, and the beginnings of the reasons that are frozen.
type Row = (&'static str, String, &'static [&'static str]);

/// Refused proposals, and texts of others.
fn sightings() -> Vec<Row> {
    let eight = "seen 7; wait 3; ".repeat(7) + "seen 7";
    vec![
        (
            "a divergent node proposes",
            "run 7; seen 7; wait 90; run 8; wait 90; seen 7".into(),
            &[],
        ),
        (
            "seven rounds are not enough",
            "run 7; ".to_owned() + &"seen 7; wait 3; ".repeat(7) + "run 8",
            &[],
        ),
        (
            "the same for eight rounds",
            format!("run 7; {eight}"),
            &["7 AppHash differs"],
        ),
        (
            "and only once",
            format!("run 7; {eight}; {eight}; frozen 7; {eight}"),
            &["7 AppHash differs", "7 AppHash differs"],
        ),
        (
            "a box ends it",
            format!("run 7; {eight}; frozen 7; {eight}; wait 300; {eight}"),
            &["7 AppHash differs"],
        ),
        (
            "for a minute",
            "run 7; seen 7; wait 59; seen 7; wait 1; seen 7".into(),
            &["7 AppHash differs"],
        ),
        (
            "a minute in which nothing more was seen",
            "run 7; seen 7; wait 600".into(),
            &[],
        ),
        (
            "two proposers with two hashes",
            "run 7; ".to_owned() + &"seen 7 200; seen 7 201; wait 3; ".repeat(7),
            &[],
        ),
        (
            "the next height begins anew",
            "run 7; seen 7; seen 7; run 8; ".to_owned() + &"seen 8; ".repeat(7),
            &[],
        ),
        (
            "others' words",
            "run 7; ".to_owned() + &"quoted 7; wait 30; ".repeat(20) + "ended",
            &[],
        ),
        (
            "proof is frozen by the block's life",
            "run 7; proved 7; wait 90; seen 7".into(),
            &[],
        ),
    ]
}

/// A node in trouble.
fn trouble() -> Vec<Row> {
    vec![
        (
            "peers are blamed",
            "run 7; blamed 7; blamed 7; blamed 7".into(),
            &["7 AppHash differs"],
        ),
        (
            "twice may be their fault",
            "run 7; blamed 7; blamed 7; wait 5; run 8".into(),
            &[],
        ),
        (
            "last words and the end",
            "run 7; last 7; ended".into(),
            &["7 AppHash differs"],
        ),
        (
            "last words and silence",
            "run 7; last 7; wait 60".into(),
            &["7 AppHash differs"],
        ),
        (
            "last words of nobody",
            "run 7; last 7; wait 5; run 8; ended; wait 90".into(),
            &[],
        ),
        (
            "an alarm and the end",
            "run 7; alarm; ended".into(),
            &["7 trouble, then the node ended"],
        ),
        (
            "an alarm that was none",
            "run 7; alarm; run 8; run 9; ended; wait 90".into(),
            &[],
        ),
        (
            "an alarm and silence",
            "run 7; alarm; wait 61".into(),
            &["7 trouble, and no block was agreed for 61 s"],
        ),
        (
            "a deterministic panic",
            "run 7; failure".into(),
            &["7 consensus failed, but not over a hash, so this is no divergence: out of range"],
        ),
        (
            "a block that does not stand, at once",
            "run 7; run 8; run 9; break 7; run 10; run 11; frozen 7; break 7".into(),
            &["7 it does not stand: block 7"],
        ),
        (
            "it says so again before the box is there",
            "run 7; break 7; break 7; wait 1; break 7; frozen 7; break 7".into(),
            &["7 it does not stand: block 7"],
        ),
        (
            "a box that was asked for does not stand for what is told later",
            "run 7; frozen 7; break 7; frozen 7; break 7".into(),
            &["7 it does not stand: block 7"],
        ),
        (
            "something else of the same block is told once",
            "run 7; break 7; frozen 7; unpaid 7; break 7; unpaid 7".into(),
            &[
                "7 it does not stand: block 7",
                "7 in a box: its payload is missing: block 7",
            ],
        ),
        (
            "a failure at a block that was frozen by request",
            "run 7; frozen 7; failure; failure; wait 90".into(),
            &["7 in a box: consensus failed, but not over a hash"],
        ),
        (
            "a block that does not stand, far above what is recorded",
            "run 7; break 50".into(),
            &["7 it does not stand: block 7 (nothing of height 50 is recorded"],
        ),
        (
            "the newest is kept for others, and then is meant itself",
            "run 7; break 50; frozen 7; break 50; break 60; break 7; break 7; break 0".into(),
            &[
                "7 it does not stand: block 7 (nothing of height 50 is recorded",
                "7 in a box: it does not stand: block 7 (nothing of height 60 is recorded",
                "7 in a box: it does not stand: block 7",
                "7 in a box: it does not stand: block 7 (the log does not say",
            ],
        ),
        (
            "a block that does not stand and is not recorded",
            "run 7; break 8; frozen 8; run 8; run 9; wait 90".into(),
            &["8 it does not stand: block 7"],
        ),
        (
            "a block that does not stand, of some height",
            "run 7; break 0".into(),
            &["7 it does not stand: block 7 (the log does not say"],
        ),
        (
            "a block that does not stand, and nothing is recorded",
            "break 0".into(),
            &["0 it does not stand: block 7 (the log does not say"],
        ),
        (
            "hashes that cannot be read",
            "run 7; unread".into(),
            &["7 consensus failed over hashes"],
        ),
        (
            "a line that was cut",
            "run 7; cut".into(),
            &["7 consensus failed; the log line with the reason was cut"],
        ),
        (
            "an announced end",
            "run 7; farewell; ended; wait 90".into(),
            &[],
        ),
        (
            "an alarm in somebody's words",
            "run 7; memo; wait 61; memo; ended; wait 90".into(),
            &[],
        ),
        (
            "proof of a height that is not told: the newest is kept",
            "run 7; lost 90".into(),
            &["7 consensus failed: AppHash differs"],
        ),
        (
            "another one is told, though a box holds the newest; and once",
            "run 7; lost 90; frozen 7; lost 91; lost 91; wait 90; lost 91".into(),
            &["7 consensus failed", "0 consensus failed: AppHash differs"],
        ),
        (
            "of an old height that nobody recorded the newest is not to blame",
            "run 7; run 8; ".to_owned() + &"seen 3; blamed 3; wait 9; ".repeat(9) + "ended",
            &[],
        ),
        (
            "trouble before any block is told",
            "alarm; failure; ended; wait 90".into(),
            &["0 consensus failed", "0 trouble, then the node ended"],
        ),
    ]
}

#[test]
fn the_policy_is_this_table() {
    for (name, steps, expected) in sightings().into_iter().chain(trouble()) {
        let mut scene = Scene::new();
        for step in steps.split(';').map(str::trim).filter(|s| !s.is_empty()) {
            scene.step(step);
        }
        let told: Vec<&str> = scene.told.iter().map(String::as_str).collect();
        let as_expected = told.len() == expected.len()
            && told
                .iter()
                .zip(expected)
                .all(|(told, expected)| told.starts_with(expected));
        assert!(
            as_expected,
            "{name}: {steps}\n  expected {expected:?}\n  found    {told:?}"
        );
    }
}

#[test]
fn a_hostile_log_is_watched_in_bounded_memory() {
    let mut scene = Scene::new();
    scene.run(7);
    for n in 0..10_000_u32 {
        let network = AppHash::new(&n.to_le_bytes()).expect("a hash");
        scene.event(&Event::Mismatch(Mismatch {
            carried: None,
            round: None,
            height: Some(7),
            field: "AppHash".to_owned(),
            local: network,
            network,
            weight: Weight::Seen,
        }));
    }
    assert!(
        scene.triggers.watches.len() <= MOST,
        "{}",
        scene.triggers.watches.len()
    );
}

/// The guide's table says the same as the code.
#[test]
fn the_guide_has_the_words_of_the_policy() {
    let guide = include_str!("../../../validator-guide.md");
    let mismatch = |weight| {
        Event::Mismatch(Mismatch {
            height: Some(7),
            carried: None,
            round: None,
            field: "AppHash".to_owned(),
            local: AppHash::new(&[1; 32]).expect("a hash"),
            network: AppHash::new(&[2; 32]).expect("a hash"),
            weight,
        })
    };
    let refused = |blamed| {
        Event::Refused(Refusal {
            height: Some(7),
            round: None,
            text: "a reason".to_owned(),
            why: None,
            blamed,
        })
    };
    let alarm = |quoted| Event::Alarm {
        why: "trouble".to_owned(),
        quoted,
    };
    let events = [
        mismatch(Weight::Proved),
        mismatch(Weight::Seen),
        mismatch(Weight::Blamed),
        mismatch(Weight::LastWords),
        mismatch(Weight::Quoted),
        refused(false),
        refused(true),
        alarm(false),
        alarm(true),
        Event::Failure {
            text: "a reason".to_owned(),
            over: FailedOver::Other,
        },
        Event::Break(Break {
            height: None,
            local: None,
            why: "it does not stand".to_owned(),
            text: "block 7".to_owned(),
        }),
        Event::Farewell {
            why: "an upgrade".to_owned(),
        },
    ];
    for event in events {
        let words = then(&event, None, &Policy::default()).expect("trouble");
        let mut parts = words.match_indices(": ").map(|(at, _)| &words[at + 2..]);
        let known = parts.any(|then| guide.contains(&format!("| {then}")));
        assert!(known, "the guide has no row that says: {words}");
    }
}

/// Two recorders know broken blocks from the ring only: one that was killed
/// before it wrote the box, and one whose watch list was full.
#[test]
fn a_broken_block_without_a_box_is_wanted_by_who_did_not_hear_of_it() {
    let mut scene = Scene::new();
    (4..7).for_each(|height| scene.run(height));
    let broken = Event::Break(Break {
        height: Some(5),
        local: AppHash::new(&[5; 32]),
        why: "it does not stand".to_owned(),
        text: String::new(),
    });
    let place = |main| Position { main, local: 0 };
    scene.life.on(&broken, Stream::Node, place(90), place(91));
    for (due, what) in [(1, "it was not heard of"), (0, "it is given once")] {
        let given = scene.triggers.due(&scene.life, scene.now);
        assert_eq!(given.len(), due, "{what}: {given:?}");
    }
    // A new ring numbers its attempts like the last one did.
    scene.triggers.another_ring();
    assert_eq!(scene.triggers.due(&scene.life, scene.now).len(), 1);
    // The next session.
    scene.triggers = Triggers::new(Policy::default());
    scene.look();
    assert_eq!(scene.told, ["5 it does not stand"]);
}

/// One box for several troubles has the weight of the worst one.
#[test]
fn a_box_is_wanted_by_the_most_that_is_known_against_its_block() {
    let failure = Event::Failure {
        text: "a reason".to_owned(),
        over: FailedOver::Other,
    };
    let broken = Event::Break(Break {
        height: None,
        local: None,
        why: "it does not stand".to_owned(),
        text: String::new(),
    });
    let found = |events: &[&Event]| {
        let mut scene = Scene::new();
        scene.run(5);
        for event in events {
            let of = scene.life.accused(event);
            scene.triggers.hear(event, of, scene.now);
        }
        let due = scene.triggers.due(&scene.life, scene.now);
        match &due[..] {
            [Due::Box { finding, .. }] => *finding,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(found(&[&failure]), Finding::Doubt);
    assert_eq!(found(&[&broken]), Finding::Broken);
    assert_eq!(found(&[&failure, &broken]), Finding::Broken);
    assert_eq!(found(&[&broken, &failure]), Finding::Broken);
}

/// A node replaces every block. The first boxes are written at once and the
/// others later, a few at a time. A ring full of blocks without a box still
/// releases what the network agreed with.
#[test]
fn a_storm_of_broken_blocks_brings_few_boxes_at_once() {
    let mut scene = Scene::new();
    let mut frozen = 0;
    let freeze_all = |scene: &mut Scene, frozen: &mut usize| {
        let told: Vec<String> = scene.told[*frozen..].to_vec();
        *frozen = scene.told.len();
        for line in told {
            let height = line.split(' ').next().expect("a height");
            scene.step(&format!("frozen {height}"));
        }
    };
    for height in 1..=40 {
        scene.step(&format!("run {height}"));
        scene.step(&format!("break {height}"));
        scene.step("wait 1");
        freeze_all(&mut scene, &mut frozen);
    }
    assert_eq!(scene.told.len(), STORM_BOXES, "{:?}", scene.told);
    assert!(scene.told[STORM_BOXES - 1].ends_with("as far as the ring still has them)"));
    scene.step("run 41");
    let kept = |scene: &Scene| {
        let blocks = scene.life.blocks().iter();
        blocks.filter(|block| block.is_pinned()).count()
    };
    assert_eq!(kept(&scene), 16, "the others were agreed with");
    for boxes in [16, 24, 24] {
        scene.step("wait 600");
        freeze_all(&mut scene, &mut frozen);
        assert_eq!(scene.told.len(), boxes, "{:?}", scene.told);
    }
    assert_eq!(kept(&scene), 0);
}

/// One box, with everything that is due at the same time.
#[test]
fn two_troubles_at_once_are_the_reason_of_one_box() {
    let mut scene = Scene::new();
    scene.run(7);
    let place = |main| Position { main, local: 0 };
    for (at, event) in [
        Event::Failure {
            text: "out of range".to_owned(),
            over: FailedOver::Other,
        },
        Event::Break(Break {
            height: Some(7),
            local: None,
            why: "it does not stand".to_owned(),
            text: String::new(),
        }),
    ]
    .into_iter()
    .enumerate()
    {
        let at = 90 + 2 * at as u64;
        scene
            .life
            .on(&event, Stream::Node, place(at), place(at + 1));
        let of = scene.life.accused(&event);
        scene.triggers.hear(&event, of, scene.now);
    }
    scene.look();
    assert_eq!(
        scene.told,
        [
            "7 consensus failed, but not over a hash, so this is no divergence: out of range; it does not stand"
        ]
    );
}
