//! A pair of nodes, drawn from a seed: what each executed, and how it recorded it.

use crate::damage::Damage;
use crate::fault::{Fault, Kind, OF_KERNEL, OF_LEDGER};
use crate::form::Form;
use crate::kernel::Kernel;
use crate::ledger::Ledger;
use crate::node::{Chain, Event, Life, needs_a_start, record};
use crate::random::Random;
use crate::tape::Tape;

/// How one node recorded, and what is left of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it went through.
    pub life: Life,
    /// What befell its recording.
    pub damages: Vec<Damage>,
    /// What it is kept in.
    pub form: Form,
}

/// Two nodes of one chain, and a third one beside them.
#[derive(Clone, Debug)]
pub struct Case {
    /// Of all that is drawn.
    pub seed: u64,
    /// A kernel of vats, not transactions.
    pub kernel: bool,
    /// Blocks of the chain.
    pub blocks: u64,
    /// How much is in a block.
    pub size: u64,
    /// What B did otherwise, if it did.
    pub fault: Option<Fault>,
    /// A, B, and another one that did as A.
    pub plans: [Plan; 3],
}

/// What is known of a pair.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The lowest height at which they came to something else.
    pub parting: Option<u64>,
    /// The lowest at which they did not do the same, whatever came of it.
    pub courses: Option<u64>,
}

impl Plan {
    fn drawn(kernel: bool, blocks: u64, random: &mut Random) -> Plan {
        let first = if random.percent(70) {
            1
        } else {
            1 + random.below(blocks)
        };
        let last = if random.percent(80) {
            blocks
        } else {
            first + random.below(1 + blocks - first)
        };
        let events = if random.percent(45) {
            0
        } else {
            1 + random.below(3)
        };
        let events = (0..events)
            .map(|_| Event::drawn(kernel, blocks, random))
            .collect();
        let damages = if random.percent(55) {
            0
        } else {
            1 + random.below(2)
        };
        let mut damages: Vec<Damage> = (0..damages)
            .map(|_| Damage::drawn(kernel, random))
            .collect();
        damages.sort_by_key(Damage::rank);
        damages.dedup_by_key(|damage| damage.rank());
        let mut form = Form::drawn(kernel, random);
        let is_gap = |damage: &Damage| matches!(damage, Damage::Gap(_));
        if damages.iter().any(is_gap) && !form.tells_gaps() {
            form = Form::Box;
        }
        damages.retain(|damage| !(damage.is_of_text() && form.is_recorded()));
        Plan {
            life: Life {
                seed: random.draw(),
                heights: (first, last),
                events,
                plain: random.percent(50),
                replays_otherwise: false,
                is_text: kernel && !form.is_recorded(),
            },
            damages,
            form,
        }
    }

    /// All of it is there, as it was recorded.
    pub fn is_sound(&self) -> bool {
        let sound = self.damages.is_empty() && self.life.events.is_empty() && self.life.plain;
        sound && self.form != Form::Fingerprint
    }

    /// What is left.
    pub fn tape(&self, chain: &Chain) -> Tape {
        let mut tape = record(chain, &self.life);
        self.damages
            .iter()
            .for_each(|damage| damage.befalls(&mut tape));
        tape
    }
}

impl Case {
    /// Of a seed; `guilty`: B did something otherwise.
    pub fn drawn(seed: u64, guilty: bool) -> Case {
        let mut random = Random::new(seed);
        let kernel = random.percent(50);
        let blocks = 2 + random.below(4);
        let size = 1 + random.below(2);
        let plans = [(); 3].map(|()| Plan::drawn(kernel, blocks, &mut random));
        let mut case = Case {
            seed,
            kernel,
            blocks,
            size,
            fault: None,
            plans,
        };
        if guilty {
            case.becomes_guilty(&mut random);
        }
        case
    }

    fn becomes_guilty(&mut self, random: &mut Random) {
        let kinds: &[Kind] = if self.kernel { &OF_KERNEL } else { &OF_LEDGER };
        let own = self.chain(None);
        for _ in 0..40 {
            let mut fault = Fault::drawn(kinds, self.blocks, random);
            loop {
                let parting = match needs_a_start(fault.kind) {
                    true => Some(fault.height).filter(|height| *height > 1),
                    false => own.parting(&self.chain(Some(fault))),
                };
                if let Some(parting) = parting {
                    return self.is_guilty(fault, parting, random);
                }
                if fault.at == 0 {
                    break;
                }
                fault.at /= 2;
            }
        }
    }

    fn is_guilty(&mut self, fault: Fault, parting: u64, random: &mut Random) {
        self.fault = Some(fault);
        let life = &mut self.plans[1].life;
        life.heights.0 = life.heights.0.min(parting);
        // A node that parts from the others comes no further.
        life.heights.1 = match random.percent(60) {
            true => parting,
            false => life.heights.1.max(parting),
        };
        if needs_a_start(fault.kind) {
            life.heights.0 = 1;
            life.replays_otherwise = true;
            let how = random.draw();
            life.events.push(Event::Restart {
                height: fault.height,
                how,
            });
        }
    }

    /// What a node executes that has this fault.
    pub fn chain(&self, fault: Option<Fault>) -> Chain {
        let fault = fault.filter(|fault| !needs_a_start(fault.kind));
        match self.kernel {
            true => Chain::Kernel(Kernel::execute(self.seed, self.blocks, self.size, fault)),
            false => Chain::Ledger(Ledger::execute(self.seed, self.blocks, self.size, fault)),
        }
    }

    /// What is known of A and B.
    pub fn truth(&self, a: &Chain, b: &Chain) -> Truth {
        match self.fault {
            Some(fault) if needs_a_start(fault.kind) => Truth {
                parting: Some(fault.height),
                courses: Some(1),
            },
            _ => Truth {
                parting: a.parting(b),
                courses: a.courses_part(b),
            },
        }
    }

    /// Cases that are a little smaller.
    pub fn smaller(&self) -> Vec<Case> {
        let mut found = Vec::new();
        for (at, plan) in self.plans.iter().enumerate() {
            for out in 0..plan.damages.len() {
                found.push(self.with(at, |plan| _ = plan.damages.remove(out)));
            }
            for out in 0..plan.life.events.len() {
                found.push(self.with(at, |plan| _ = plan.life.events.remove(out)));
            }
            let gap = plan
                .damages
                .iter()
                .any(|damage| matches!(damage, Damage::Gap(_)));
            if plan.form != Form::Slog && !gap {
                found.push(self.with(at, |plan| {
                    plan.form = Form::Slog;
                }));
            }
            if !plan.life.plain {
                found.push(self.with(at, |plan| plan.life.plain = true));
            }
            if plan.life.heights != (1, self.blocks) {
                let blocks = self.blocks;
                found.push(self.with(at, |plan| plan.life.heights = (1, blocks)));
            }
        }
        if self.blocks > 1 {
            found.push(Case {
                blocks: self.blocks - 1,
                ..self.clone()
            });
        }
        if self.size > 0 {
            found.push(Case {
                size: self.size - 1,
                ..self.clone()
            });
        }
        found
    }

    fn with(&self, at: usize, change: impl FnOnce(&mut Plan)) -> Case {
        let mut case = self.clone();
        change(&mut case.plans[at]);
        case
    }
}
