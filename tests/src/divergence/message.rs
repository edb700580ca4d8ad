//! What the operator of a node that froze a box reads, held against what the
//! node's own log says.

use super::*;

/// Two hashes of one field, in the words of the log.
pub(super) struct Told {
    field: String,
    own: String,
    network: String,
    /// Consensus failed over them, before the node blamed its peers: they were
    /// proved when the box was made.
    proved: bool,
}

impl Told {
    fn by(node: &Validator) -> Told {
        let log = node.log();
        let of_hashes = |line: &&str| line.contains("wrong Block.Header.");
        let failed = |line: &&str| line.contains("CONSENSUS FAILURE") && of_hashes(line);
        let failure = log.lines().position(|line| failed(&line));
        let line = match failure {
            Some(at) => log.lines().nth(at),
            None => log.lines().find(of_hashes),
        };
        let blamed = log
            .lines()
            .position(|line| line.contains("Error in validation"));
        let wrong = line.and_then(|line| line.split("wrong Block.Header.").nth(1));
        let wrong = wrong.expect("a line of hashes");
        let (field, hashes) = wrong.split_once(".  Expected ").expect("two hashes");
        let (own, network) = hashes.split_once(", got ").expect("two hashes");
        let network = network.split('"').next().expect("a hash");
        Told {
            field: field.to_owned(),
            own: own.to_owned(),
            network: network.to_owned(),
            proved: failure.is_some_and(|at| blamed.is_none_or(|before| at < before)),
        }
    }

    fn words(&self, height: u64) -> String {
        let Told {
            field,
            own,
            network,
            ..
        } = self;
        let hashes = format!("{field} differs, this node has {own}, the network {network}");
        match self.proved {
            true => format!("haltbox: DIVERGED at height {height}: {hashes}"),
            false => format!("haltbox: height {height} was frozen: {hashes}"),
        }
    }

    /// What is quoted of the AppHashes, and of another field that differs.
    fn quoted(&self, node: &Validator, height: u64) -> String {
        let app = logged_hash(node, height);
        let (own, network) = (&self.own[..8], &self.network[..8]);
        let word = match self.field.as_str() {
            "AppHash" => {
                assert_eq!(self.own, app);
                return format!("app={own}/{network}");
            }
            "LastResultsHash" => "results",
            other => other,
        };
        // Nobody said anything of the network's AppHash.
        format!("app={}/unknown {word}={own}/{network}", &app[..8])
    }
}

/// The words the operator reads, all of them, in the alert file; and in the log
/// of a node that has the recorder in it. Gives what the log said.
pub(super) fn check_message(node: &Validator, height: u64) -> Told {
    let told = Told::by(node);
    let path = node.only_box();
    let name = path.file_name().expect("a name").to_string_lossy();
    assert!(name.starts_with(&format!("{height}-")), "{name}");
    let alert = alert_in(&node.haltbox());
    let is_recorded = !node.options.iter().any(|option| option == "-off");
    let (given, lines): (Vec<&str>, Vec<&str>) = alert
        .lines()
        .partition(|line| line.starts_with("  inputs     time="));
    assert_eq!(given.len(), usize::from(is_recorded), "{alert}");
    let [_time, what, file, quote, upload, keep, ..] = lines.as_slice() else {
        panic!("{alert}")
    };
    let words = told.words(height);
    match told.proved {
        true => assert_eq!(*what, words),
        // Behind it stands how long it lasted, or whom the node blames.
        false => assert!(what.starts_with(&format!("{words}: ")), "{what}"),
    }
    let place = format!("  black box  {} (", path.display());
    assert!(file.starts_with(&place), "{file}");
    let differs = told.quoted(node, height);
    assert_eq!(*quote, format!("  quote      {name} {differs}"));
    let asked = "  please upload the black box to the validators' channel";
    assert_eq!(*upload, asked);
    let warned = "  do not roll back, resync or prune before you have copied it";
    assert_eq!(*keep, warned);
    if is_recorded {
        check_own_log(node, &[what, file, quote, given[0], upload, keep]);
    }
    told
}

/// As [`check_message`], where the network went on and its decision is known.
pub(super) fn check_decided(chain: &Chain, height: u64, field: &str) {
    let told = check_message(&chain.nodes[DIVERGENT], height);
    assert_eq!(told.field, field);
    if field == "AppHash" {
        assert_eq!(told.network, chain.nodes[HEALTHY].app_hash(height));
    }
}

/// The alert file, which is written once the box is durable.
pub(super) fn alert_in(dir: &Path) -> String {
    let path = dir.join("boxes/CONSENSUS_FAILURE.txt");
    wait_until("the alert file", || path.exists());
    fs::read_to_string(path).expect("a message")
}

fn check_own_log(node: &Validator, lines: &[&str]) {
    for line in lines {
        wait_until(&format!("{line:?} in the log"), || {
            let log = node.log();
            let mut own = log.lines().filter(|own| own.contains("module=haltbox"));
            own.any(|own| own.contains(line.trim()))
        });
    }
}
