//! Converts a block in memory to its record in a checkpoint, and back.
//!
//! Both directions name every member. A member that is added to a block does not compile
//! until someone decides whether it goes to disk.

use haltbox_format::mark::BlockRecord;

use super::block::Block;

impl From<Block> for BlockRecord {
    fn from(block: Block) -> BlockRecord {
        let Block {
            of,
            state,
            from,
            end,
            until,
            whole,
            executed,
            early,
            begun,
            ended,
            committed,
            app_hash,
            network,
            why,
            broken,
            frozen,
            cranks,
            first_crank,
            last_crank,
            activityhash,
        } = block;
        BlockRecord {
            of,
            state,
            from,
            end,
            until,
            whole,
            executed,
            early,
            begun,
            ended,
            committed,
            app_hash,
            network,
            why,
            broken,
            frozen,
            cranks,
            first_crank,
            last_crank,
            activityhash,
        }
    }
}

impl From<BlockRecord> for Block {
    fn from(record: BlockRecord) -> Block {
        let BlockRecord {
            of,
            state,
            from,
            end,
            until,
            whole,
            executed,
            early,
            begun,
            ended,
            committed,
            app_hash,
            network,
            why,
            broken,
            frozen,
            cranks,
            first_crank,
            last_crank,
            activityhash,
        } = record;
        Block {
            of,
            state,
            from,
            end,
            until,
            whole,
            executed,
            early,
            begun,
            ended,
            committed,
            app_hash,
            network,
            why,
            broken,
            frozen,
            cranks,
            first_crank,
            last_crank,
            activityhash,
        }
    }
}
