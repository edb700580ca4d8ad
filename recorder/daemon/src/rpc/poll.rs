//! Asks each node in its own thread. A slow node slows neither the recorder nor
//! the other nodes.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use haltbox_format::AppHash;

use super::Options;
use super::answers::{AbciInfo, Commit, ConsensusState, Status};
use super::client::{CONSENSUS_STATE, Client, Endpoint, Trouble, shown};

/// Polls in a row without an answer before a node counts as silent. A node that
/// is busy for a moment is not worth a report.
const SILENT_AFTER: u32 = 3;
/// Longest pause between two questions to a silent node.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Polls with the same height after which it makes no progress.
const STANDS_STILL: u64 = 5;
/// Time between two questions for a peer's chain id.
const GREET_EVERY: Duration = Duration::from_secs(30);
/// Most answers that wait for the recorder. If there are more, the asking
/// threads wait.
const BACKLOG: usize = 64;

/// Which node answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    /// The recorder's own node.
    Own,
    /// A trusted peer, by its index in the options.
    Peer(usize),
}

/// An answer, and the node it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) by: By,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The node answers, for the first time or again.
    Answers,
    /// The node does not answer any more. The text says why.
    Silent(String),
    /// Id of the node's chain.
    Chain(String),
    /// The newest block in the node's store.
    Head {
        height: u64,
        block: AppHash,
        /// AppHash in its header: the one of the height before.
        app_hash: AppHash,
    },
    /// State of the node's application.
    Application { height: u64, app_hash: AppHash },
    /// The decided header that follows an executed height.
    Decided {
        /// Height that was executed.
        height: u64,
        chain: String,
        /// Hash of the block of that height.
        block: AppHash,
        app_hash: AppHash,
    },
    /// A proposal that follows an executed height without progress.
    Proposed {
        /// Height that was executed.
        height: u64,
        round: u64,
        app_hash: AppHash,
    },
}

/// The asking threads.
pub(super) struct Pollers {
    heard: Receiver<Said>,
    wanted: Arc<Mutex<Vec<u64>>>,
}

impl Pollers {
    pub(super) fn start(options: &Options) -> std::io::Result<Pollers> {
        let (sender, heard) = sync_channel(BACKLOG);
        let wanted = Arc::new(Mutex::new(Vec::new()));
        if let Some(endpoint) = &options.own {
            let mut own = OwnNode::default();
            let poll = move |client: &Client| own.poll(client);
            start(By::Own, endpoint, options.every, sender.clone(), poll)?;
        }
        for (index, endpoint) in options.peers.iter().enumerate() {
            let mut peer = Peer::new(Arc::clone(&wanted));
            let poll = move |client: &Client| peer.poll(client);
            start(
                By::Peer(index),
                endpoint,
                options.every,
                sender.clone(),
                poll,
            )?;
        }
        Ok(Pollers { heard, wanted })
    }

    pub(super) fn heard(&self) -> Vec<Said> {
        self.heard.try_iter().take(BACKLOG).collect()
    }

    /// Sets the executed heights that peers are asked about.
    pub(super) fn want(&self, heights: Vec<u64>) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = heights;
    }
}

/// The result of one poll.
#[derive(Default)]
pub(super) struct Polled {
    pub(super) told: Vec<What>,
    trouble: Option<String>,
}

impl Polled {
    /// Keeps an answer. A refusal is neither an answer nor trouble.
    fn take<T>(&mut self, answer: Result<T, Trouble>) -> Option<T> {
        match answer {
            Ok(told) => Some(told),
            Err(Trouble::Refused) => None,
            Err(Trouble::NoAnswer(why)) => {
                self.trouble = Some(why);
                None
            }
        }
    }
}

fn start(
    by: By,
    endpoint: &Endpoint,
    every: Duration,
    sender: SyncSender<Said>,
    mut poll: impl FnMut(&Client) -> Polled + Send + 'static,
) -> std::io::Result<()> {
    let client = Client::new(endpoint.clone());
    let asking = move || {
        let mut reach = Reach::default();
        // The receiver is dropped when the recorder ends.
        while say_all(by, &mut reach, poll(&client), &sender) {
            std::thread::sleep(reach.pause(every));
        }
    };
    let thread = std::thread::Builder::new().name("haltbox-rpc".to_owned());
    thread.spawn(asking).map(drop)
}

fn say_all(by: By, reach: &mut Reach, polled: Polled, sender: &SyncSender<Said>) -> bool {
    let change = reach.change(polled.trouble);
    let mut all = change.into_iter().chain(polled.told);
    all.all(|what| sender.send(Said { by, what }).is_ok())
}

/// Whether a node answers. Reports each change once.
#[derive(Default)]
struct Reach {
    failures: u32,
    answers: bool,
}

impl Reach {
    fn change(&mut self, trouble: Option<String>) -> Option<What> {
        match trouble {
            Some(why) => {
                self.failures = self.failures.saturating_add(1);
                let silent = self.failures == SILENT_AFTER;
                self.answers &= self.failures < SILENT_AFTER;
                silent.then_some(What::Silent(why))
            }
            None => {
                self.failures = 0;
                (!std::mem::replace(&mut self.answers, true)).then_some(What::Answers)
            }
        }
    }

    fn pause(&self, every: Duration) -> Duration {
        let doublings = self.failures.saturating_sub(SILENT_AFTER - 1).min(16);
        every
            .saturating_mul(1 << doublings)
            .min(LONGEST_PAUSE.max(every))
    }
}

/// The questions to the recorder's own node.
#[derive(Default)]
pub(super) struct OwnNode {
    /// The last height of the application.
    application: u64,
    height: u64,
    /// Polls for which the height has not changed, and the count at which the
    /// consensus state is asked for next.
    stood: u64,
    ask_at: u64,
}

impl OwnNode {
    pub(super) fn poll(&mut self, client: &Client) -> Polled {
        let mut polled = Polled::default();
        let Some(status) = polled.take(client.get::<Status>("status")) else {
            return polled;
        };
        let sync = &status.sync_info;
        polled
            .told
            .push(What::Chain(shown(&status.node_info.network)));
        polled.told.push(What::Head {
            height: sync.latest_block_height,
            block: sync.latest_block_hash,
            app_hash: sync.latest_app_hash,
        });
        if self.application != sync.latest_block_height {
            self.ask_application(client, &mut polled);
        }
        let in_step = self.application == sync.latest_block_height;
        if self.stands_still(sync.latest_block_height) && in_step && !sync.catching_up {
            self.rest();
            self.ask_proposal(client, &mut polled);
        }
        polled
    }

    fn ask_application(&mut self, client: &Client, polled: &mut Polled) {
        let info = polled.take(client.get::<AbciInfo>("abci_info"));
        let Some(application) = info.map(|info| info.response) else {
            return;
        };
        let height = application.last_block_height;
        self.application = height;
        let told = application.last_block_app_hash;
        polled
            .told
            .extend(told.map(|app_hash| What::Application { height, app_hash }));
    }

    fn stands_still(&mut self, height: u64) -> bool {
        if height != self.height {
            (self.height, self.stood, self.ask_at) = (height, 0, STANDS_STILL);
            return false;
        }
        self.stood += 1;
        self.stood >= self.ask_at
    }

    /// Sets the next question. The longer the height stands, the later it is.
    fn rest(&mut self) {
        self.ask_at = self.stood + 1 + self.stood / 10;
    }

    fn ask_proposal(&mut self, client: &Client, polled: &mut Polled) {
        let state = polled.take(client.get::<ConsensusState>(CONSENSUS_STATE));
        let Some(round) = state.map(|state| state.round_state) else {
            return;
        };
        let proposed = round
            .proposal_block
            .filter(|block| block.header.height == round.height && round.height == self.height + 1);
        polled.told.extend(proposed.map(|block| What::Proposed {
            height: self.height,
            round: round.round,
            app_hash: block.header.app_hash,
        }));
    }
}

/// The questions to a trusted peer.
pub(super) struct Peer {
    wanted: Arc<Mutex<Vec<u64>>>,
    greeted: Option<Instant>,
}

impl Peer {
    pub(super) fn new(wanted: Arc<Mutex<Vec<u64>>>) -> Peer {
        Peer {
            wanted,
            greeted: None,
        }
    }

    pub(super) fn poll(&mut self, client: &Client) -> Polled {
        let mut polled = Polled::default();
        self.greet(client, &mut polled);
        if self.greeted.is_none() {
            return polled;
        }
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = wanted.clone();
        for height in wanted {
            if polled.trouble.is_some() {
                break;
            }
            Peer::ask(client, height, &mut polled);
        }
        polled
    }

    /// Asks for the peer's chain. A peer without a known chain is not compared.
    fn greet(&mut self, client: &Client, polled: &mut Polled) {
        if self.greeted.is_some_and(|at| at.elapsed() < GREET_EVERY) {
            return;
        }
        let status = polled.take(client.get::<Status>("status"));
        self.greeted = status.is_some().then(Instant::now);
        polled
            .told
            .extend(status.map(|status| What::Chain(shown(&status.node_info.network))));
    }

    /// Asks for the header that follows an executed height. The peer refuses if
    /// it does not have that height yet, or no longer.
    fn ask(client: &Client, height: u64, polled: &mut Polled) {
        let next = height.saturating_add(1);
        let commit = polled.take(client.get::<Commit>(&format!("commit?height={next}")));
        let Some(header) = commit.map(|commit| commit.signed_header.header) else {
            return;
        };
        if header.height != next {
            let why = format!("asked for header {next}, got header {}", header.height);
            polled.trouble = Some(why);
            return;
        }
        polled.told.push(What::Decided {
            height,
            chain: shown(&header.chain_id),
            block: header.last_block_id.hash,
            app_hash: header.app_hash,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_and_so_is_its_end() {
        let mut reach = Reach::default();
        let trouble = || Some("no".to_owned());
        let mut told = |trouble| reach.change(trouble);
        assert_eq!(told(None), Some(What::Answers));
        assert_eq!(told(None), None);
        assert_eq!(told(trouble()), None);
        assert_eq!(told(None), None, "one failure is no news");
        let many: Vec<_> = (0..10).filter_map(|_| told(trouble())).collect();
        assert_eq!(many, [What::Silent("no".to_owned())]);
        assert_eq!(told(None), Some(What::Answers));
    }

    #[test]
    fn a_silent_node_is_asked_more_and_more_seldom() {
        let every = Duration::from_secs(2);
        let pause = |failures| {
            Reach {
                failures,
                answers: false,
            }
            .pause(every)
            .as_secs()
        };
        let pauses: Vec<u64> = [0, 1, 2, 3, 4, 5, 6, 7, u32::MAX].map(pause).into();
        assert_eq!(pauses, [2, 2, 2, 4, 8, 16, 30, 30, 30]);
        let slow = Reach {
            failures: 9,
            answers: false,
        };
        assert_eq!(slow.pause(Duration::from_secs(60)).as_secs(), 60);
    }

    #[test]
    fn the_consensus_state_is_asked_for_where_the_height_stands_and_ever_more_seldom() {
        let mut own = OwnNode::default();
        own.stands_still(7);
        let mut asked = Vec::new();
        for poll in 1..200 {
            if own.stands_still(7) {
                own.rest();
                asked.push(poll);
            }
        }
        assert_eq!(asked[..5], [5, 6, 7, 8, 9]);
        assert!(asked.len() < 60, "{asked:?}");
        assert!(!own.stands_still(8) && !own.stands_still(8));
    }
}
