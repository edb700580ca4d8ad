//! ETH that messages move from chain to chain, from the logs of the bridge.

use alloy_primitives::{Address, U256, address};
use alloy_sol_types::{SolEvent, sol};

use crate::message::{ChainId, Log};

/// The contract that sends and relays ETH, on every chain.
pub const BRIDGE: Address = address!("4200000000000000000000000000000000000024");

/// Amounts are counted in gwei: a 64-bit counter of wei would overflow after 18 ETH.
const GWEI: u64 = 1_000_000_000;

sol! {
    event SendETH(address indexed from, address indexed to, uint256 amount, uint256 destination);
    event RelayETH(address indexed from, address indexed to, uint256 amount, uint256 source);
}

/// A transfer in a log of the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// ETH leaves the chain.
    Sent {
        /// Destination.
        to: ChainId,
        /// Whole gwei.
        gwei: u64,
    },
    /// ETH arrives on the chain.
    Relayed {
        /// Source.
        from: ChainId,
        /// Whole gwei.
        gwei: u64,
    },
}

impl Moved {
    /// The transfer in a log. `None` for a log of another contract, or another log of the
    /// bridge.
    pub fn by(log: &Log) -> Option<Moved> {
        if log.address != BRIDGE {
            return None;
        }
        let sent = || {
            let sent = SendETH::decode_log_data(&log.data).ok()?;
            Some(Moved::Sent {
                to: ChainId(sent.destination),
                gwei: gwei(sent.amount),
            })
        };
        let relayed = || {
            let relayed = RelayETH::decode_log_data(&log.data).ok()?;
            Some(Moved::Relayed {
                from: ChainId(relayed.source),
                gwei: gwei(relayed.amount),
            })
        };
        sent().or_else(relayed)
    }
}

fn gwei(wei: U256) -> u64 {
    (wei / U256::from(GWEI)).saturating_to()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(address: Address, data: alloy_primitives::LogData) -> Log {
        Log { address, data }
    }

    #[test]
    fn the_bridge_alone_moves_eth() {
        let (from, to) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let amount = U256::from(1_500_000_000_000_000_000_u64);
        let sent = SendETH {
            from,
            to,
            amount,
            destination: U256::from(902),
        };
        let relayed = RelayETH {
            from,
            to,
            amount: U256::MAX,
            source: U256::from(901),
        };
        let [sent, relayed] = [sent.encode_log_data(), relayed.encode_log_data()];
        let expected = Moved::Sent {
            to: 902.into(),
            gwei: 1_500_000_000,
        };
        assert_eq!(Moved::by(&log(BRIDGE, sent.clone())), Some(expected));
        let expected = Moved::Relayed {
            from: 901.into(),
            gwei: u64::MAX,
        };
        assert_eq!(Moved::by(&log(BRIDGE, relayed)), Some(expected));
        assert_eq!(Moved::by(&log(from, sent.clone())), None);
        let cut =
            alloy_primitives::LogData::new_unchecked(sent.topics().to_vec(), sent.data.slice(..32));
        assert_eq!(Moved::by(&log(BRIDGE, cut)), None);
    }
}
