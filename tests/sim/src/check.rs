//! Holds what a reader finds against the model.

use haltbox_format::Lane;
use haltbox_format::mark::State;
use haltbox_model::lifecycle;

use crate::look::{Look, Run, Seen};
use crate::model::{Block, Entry, Fate, Model};

/// How much of a lane there is room for.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes of a segment.
    pub segment: u64,
    /// Segments of the main lane.
    pub main: u64,
    /// Segments of the local lane.
    pub local: u64,
}

/// What may be found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leave {
    /// A power cut may have taken anything; a hole has to tell of it.
    pub power_cut: bool,
    /// The ring was just opened: boxes may have been found for its blocks.
    pub opened: bool,
    /// Nobody opened it since the process died.
    pub dead: bool,
}

/// Compares; what is not there any more is noted in the model.
pub fn compare(model: &mut Model, look: &Look, room: Room, leave: Leave) -> Result<(), String> {
    let main = lines(model, look, Lane::Main, false)?;
    let local = lines(model, look, Lane::Local, false)?;
    in_order(model, look, &main, &local)?;
    for (lane, seen) in [(Lane::Main, &main), (Lane::Local, &local)] {
        let missing = missing(model, lane, seen);
        if !leave.power_cut {
            is_legal(model, look, lane, seen, &missing, room)?;
        }
        if leave.power_cut && leave.dead {
            lose_tail(model, lane, seen);
        }
        for index in missing {
            model.log[index].gone = true;
        }
        seen.iter().for_each(|index| model.log[*index].gone = false);
    }
    if leave.power_cut || leave.dead {
        return Ok(());
    }
    blocks(model, look, leave)?;
    hashes(model, look)
}

/// What stood behind the newest entry that a power cut left.
fn lose_tail(model: &mut Model, lane: Lane, seen: &[usize]) {
    let behind = seen.last().map_or(0, |last| last + 1);
    let entries = model.log.iter_mut().skip(behind);
    let of_lane = entries.filter(|entry| entry.lane == lane);
    of_lane.for_each(|entry| entry.fate = Fate::Lost);
}

/// Entries of a lane that took a place in it.
fn taken(model: &Model, lane: Lane) -> Vec<usize> {
    let entries = model.log.iter().enumerate();
    let of_lane = entries.filter(|(_, entry)| entry.lane == lane && entry.was_there());
    of_lane.map(|(index, _)| index).collect()
}

/// Finds every line of a lane among the entries. `live`: some may have gone meanwhile.
pub fn lines(model: &Model, look: &Look, lane: Lane, live: bool) -> Result<Vec<usize>, String> {
    let taken = taken(model, lane);
    let (mut found, mut next) = (Vec::new(), 0);
    for run in look.of(lane).iter().filter(|run| !run.is_empty()) {
        let explained = next == 0 || explained(model, lane, &taken, next);
        let begin = find_run(model, &taken, next, run, explained)
            .ok_or_else(|| format!("{} lane: {}", lane.name(), unfound(run, next)))?;
        if !live && begin == next && !explained {
            let text = shown(&run[0].bytes);
            let (counter, holes) = (run[0].counter, look.holes.join("; "));
            return Err(format!(
                "a hole before {text}, counter {counter}, where nothing is missing: {holes}"
            ));
        }
        for (at, seen) in run.iter().enumerate() {
            let index = *taken.get(begin + at).ok_or("more lines than were given")?;
            is_as_given(model, index, seen)?;
            if at > 0 && lost_between(model, lane, taken[begin + at - 1], index) {
                let text = shown(&seen.bytes);
                return Err(format!(
                    "entries before {text} were dropped, and no hole tells"
                ));
            }
            found.push(index);
        }
        next = begin + run.len();
    }
    Ok(found)
}

fn unfound(run: &Run, next: usize) -> String {
    let first = &run[0];
    let (text, count, counter) = (shown(&first.bytes), run.len(), first.counter);
    format!(
        "{count} lines from counter {counter} were not given so behind place {next}: the first is {text}"
    )
}

/// The beginning of a line.
pub fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(90)]).into_owned()
}

/// Entries that may stand there more than once.
pub fn may_repeat(bytes: &[u8]) -> bool {
    bytes.starts_with(br#"{"type":"host-start"#)
        || bytes.starts_with(br#"{"type":"abort-block"#)
        || bytes.starts_with(br#"{"type":"commit-block"#)
        || bytes.starts_with(br#"{"type":"end-block"#)
}

/// Where a run begins among the entries of its lane. `explained`: it may follow the run
/// before without an entry between.
fn find_run(
    model: &Model,
    taken: &[usize],
    next: usize,
    run: &Run,
    explained: bool,
) -> Option<usize> {
    let is = |at: usize, seen: &Seen| {
        taken
            .get(at)
            .is_some_and(|index| starts(&model.log[*index].line, &seen.bytes))
    };
    let unique = run.iter().position(|seen| !may_repeat(&seen.bytes));
    if let Some(offset) = unique {
        let from = (next + offset..taken.len()).find(|at| is(*at, &run[offset]))?;
        return Some(from - offset);
    }
    let fits = |begin: &usize| {
        run.iter()
            .enumerate()
            .all(|(at, seen)| is(begin + at, seen))
    };
    let mut from = next + usize::from(!explained)..taken.len();
    from.find(fits).or(Some(next).filter(fits))
}

/// A line, or what is kept of a cut one.
pub fn starts(line: &[u8], bytes: &[u8]) -> bool {
    line == bytes || bytes.len() == 64 << 10 && line.starts_with(bytes)
}

fn is_as_given(model: &Model, index: usize, seen: &Seen) -> Result<(), String> {
    let entry = &model.log[index];
    let whole = entry.fate == Fate::Kept;
    if !starts(&entry.line, &seen.bytes) {
        let (given, found) = (shown(&entry.line), shown(&seen.bytes));
        return Err(format!("{given} was given, {found} is found in its place"));
    }
    if whole != seen.whole || whole && entry.line.len() != seen.bytes.len() {
        let (text, was) = (shown(&seen.bytes), if whole { "whole" } else { "cut" });
        return Err(format!("{text} was kept {was} and is not shown so"));
    }
    Ok(())
}

fn lost_between(model: &Model, lane: Lane, from: usize, to: usize) -> bool {
    let between = &model.log[from + 1..to];
    let dropped = |entry: &Entry| matches!(entry.fate, Fate::Dropped | Fate::NeverCame);
    between
        .iter()
        .any(|entry| entry.lane == lane && dropped(entry))
}

/// Something may be missing between two entries that stand beside each other.
fn explained(model: &Model, lane: Lane, taken: &[usize], next: usize) -> bool {
    let (before, behind) = (
        taken[next - 1],
        taken.get(next).copied().unwrap_or(model.log.len()),
    );
    lost_between(model, lane, before, behind)
        || model.deaths.range(before..=behind).next().is_some()
}

/// The lanes merge into the order in which entries were given.
fn in_order(model: &Model, look: &Look, main: &[usize], local: &[usize]) -> Result<(), String> {
    let places = |lane: Lane| {
        let lines = look.of(lane).iter().flatten();
        lines.map(|seen| seen.place).collect::<Vec<_>>()
    };
    let mut all: Vec<(usize, usize)> = places(Lane::Main)
        .into_iter()
        .zip(main.iter().copied())
        .collect();
    all.extend(places(Lane::Local).into_iter().zip(local.iter().copied()));
    all.sort_unstable();
    // Which of several equal lines a power cut left cannot be told.
    all.retain(|(_, index)| model.cuts.is_empty() || !may_repeat(&model.log[*index].line));
    let same_run = |a: usize, b: usize| model.cuts.range(a.min(b)..=a.max(b)).next().is_none();
    let wrong = |pair: &&[(usize, usize)]| pair[0].1 >= pair[1].1 && same_run(pair[0].1, pair[1].1);
    if std::env::var_os("HALTBOX_TRACE").is_some()
        && let Some(at) = all.windows(2).position(|pair| wrong(&pair))
    {
        for (place, index) in &all[at.saturating_sub(3)..(at + 4).min(all.len())] {
            let entry = &model.log[*index];
            let text = shown(&entry.line);
            eprintln!(
                "place {place}: {index} {:?} {:?} {text}",
                entry.lane, entry.fate
            );
        }
        eprintln!("{:?} {:?} {:?}", look.holes, model.cuts, model.deaths);
    }
    match all.windows(2).find(wrong) {
        Some(pair) => Err(format!(
            "entries {} and {} are shown in another order than they were given",
            pair[0].1, pair[1].1
        )),
        None => Ok(()),
    }
}

fn missing(model: &Model, lane: Lane, seen: &[usize]) -> Vec<usize> {
    let mut seen = seen.iter().peekable();
    let mut missing = Vec::new();
    for index in taken(model, lane) {
        if seen.next_if(|next| **next == index).is_none() && !model.log[index].gone {
            missing.push(index);
        }
    }
    missing
}

/// Whether what is missing may be.
fn is_legal(
    model: &Model,
    look: &Look,
    lane: Lane,
    seen: &[usize],
    missing: &[usize],
    room: Room,
) -> Result<(), String> {
    let there = |index: &usize| !model.log[*index].gone;
    let last = taken(model, lane).into_iter().rfind(there);
    if let Some(last) = last.filter(|_| seen.last().copied() != last) {
        let text = shown(&model.log[last].line);
        return Err(format!("the newest entry is not found: {text}"));
    }
    let Some(newest) = missing.last().copied() else {
        return Ok(());
    };
    for index in missing {
        if let Some(block) = pinned_of(model, lane, *index) {
            if std::env::var_os("HALTBOX_TRACE").is_some() {
                dump_all(model, look);
            }
            let (of, text) = (block.of, shown(&model.log[*index].line));
            return Err(format!(
                "pinned block {of:?} ({:?}) lacks {text}",
                block.state
            ));
        }
    }
    // What a power cut took had room, too, and nobody knows how much.
    if model.cuts.range(newest..).next().is_some() {
        return Ok(());
    }
    // A long record goes fragment by fragment.
    let kept = taken(model, lane).into_iter().filter(|at| *at >= newest);
    let torn = model.torn.iter().filter(|(at, _)| *at > newest);
    let behind = kept.map(|at| model.log[at].size()).sum::<u64>()
        + torn.map(|(_, bytes)| bytes).sum::<u64>();
    let room = room_of(model, lane, newest, room);
    if behind < room {
        let (text, name) = (shown(&model.log[newest].line), lane.name());
        return Err(format!(
            "{name} lane: {text} went by age, only {behind} bytes stand behind it, {room} have room"
        ));
    }
    unreleased(model, lane, missing, room, behind)
}

fn pinned_of(model: &Model, lane: Lane, index: usize) -> Option<&Block> {
    if model.log[index].loose {
        return None;
    }
    let pins = |b: &&Block| lane == Lane::Main && b.is_pinned() && b.reaches(index);
    model.blocks.iter().find(pins)
}

/// Unreleased entries go only where nothing else is left.
fn unreleased(
    model: &Model,
    lane: Lane,
    missing: &[usize],
    room: u64,
    behind: u64,
) -> Result<(), String> {
    let protects = |b: &&Block, index: usize| b.is_protected() && b.reaches(index);
    let of = |index: &usize| model.blocks.iter().find(|b| protects(b, *index));
    let Some(block) = missing.iter().find_map(of).filter(|_| lane == Lane::Main) else {
        return Ok(());
    };
    let own: u64 = model.log[block.from..]
        .iter()
        .filter(|e| e.lane == lane && e.was_there())
        .map(|e| e.size())
        .sum();
    match own >= room {
        true => Ok(()),
        false => Err(format!(
            "unreleased block {:?} was overwritten: {own} bytes from its beginning, {behind} behind what is missing, {room} have room",
            block.of
        )),
    }
}

/// Bytes that stay in a lane at least, behind an entry: what is pinned before it takes
/// segments, and each segment may end early.
fn room_of(model: &Model, lane: Lane, index: usize, room: Room) -> u64 {
    let segments = if lane == Lane::Local {
        room.local
    } else {
        room.main
    };
    let mut pinned = 0;
    if lane == Lane::Main {
        let before = model
            .blocks
            .iter()
            .filter(|b| b.is_protected() && b.from < index);
        for block in before {
            let until = block.until.unwrap_or(index).min(index).max(block.from);
            let entries = model.log[block.from..until].iter();
            let bytes: u64 = entries
                .filter(|e| e.lane == lane && e.was_there())
                .map(|e| e.size())
                .sum();
            pinned += bytes / room.segment + 2;
        }
    }
    let usable = segments.saturating_sub(2 + pinned);
    // A record that does not fit ends a segment early, and a long one has more headers.
    usable * (room.segment - 1024) * 15 / 16
}

fn blocks(model: &mut Model, look: &Look, leave: Leave) -> Result<(), String> {
    for found in &look.blocks {
        let of = (found.of.height, found.of.attempt);
        let known = model
            .block(of)
            .ok_or_else(|| format!("block {of:?} was never begun"))?;
        if known.frozen != found.frozen && leave.opened && found.frozen.is_some() {
            let frozen = found.frozen.clone();
            model.block_mut(of).expect("it is there").frozen = frozen;
        }
        let known = model.block(of).expect("it is there");
        same(known, found).inspect_err(|_| {
            if std::env::var_os("HALTBOX_TRACE").is_some() {
                dump(model, look, of);
            }
        })?;
    }
    let is_found = |block: &Block| {
        look.blocks
            .iter()
            .any(|b| (b.of.height, b.of.attempt) == block.of)
    };
    match model
        .blocks
        .iter()
        .find(|block| block.is_protected() && !is_found(block))
    {
        Some(block) => Err(format!(
            "no mark tells of block {:?}, which is {:?}",
            block.of, block.state
        )),
        None => Ok(()),
    }
}

fn same(known: &Block, found: &lifecycle::Block) -> Result<(), String> {
    let of = known.of;
    let hash =
        |hash: Option<haltbox_format::AppHash>| hash.map(|hash| hash.to_string().to_lowercase());
    let hex = |hash: &Option<Vec<u8>>| hash.as_ref().map(|hash| crate::lines::hex(hash));
    let facts = [
        (
            "state",
            format!("{:?}", known.state),
            format!("{:?}", found.state),
        ),
        (
            "box",
            format!("{:?}", known.frozen),
            format!("{:?}", found.frozen),
        ),
        (
            "AppHash",
            format!("{:?}", hex(&known.app_hash)),
            format!("{:?}", hash(found.app_hash)),
        ),
        (
            "network's AppHash",
            format!("{:?}", hex(&known.network)),
            format!("{:?}", hash(found.network)),
        ),
        (
            "commit",
            known.committed.to_string(),
            found.committed.any().to_string(),
        ),
        (
            "end",
            known.end.is_some().to_string(),
            found.end.is_some().to_string(),
        ),
    ];
    match facts.into_iter().find(|(_, known, found)| known != found) {
        Some((what, known, found)) => Err(format!(
            "block {of:?}: {what} is {known}, a reader finds {found}"
        )),
        None => Ok(()),
    }
}

fn hashes(model: &mut Model, look: &Look) -> Result<(), String> {
    for (of, found) in &look.hashes {
        let known = model.hash(*of);
        let may_lack = model.block(*of).is_some_and(|block| block.may_lack_name);
        let may_lack = may_lack || is_overwritten(look, *of);
        if known.is_some() && found.is_none() && may_lack {
            model.block_mut(*of).expect("it has a HASH").whole = false;
            continue;
        }
        if known.as_deref() != found.as_deref() {
            if std::env::var_os("HALTBOX_TRACE").is_some() {
                dump(model, look, *of);
            }
            return Err(format!(
                "block {of:?}: HASH is {known:?}, a reader gives {found:?}"
            ));
        }
    }
    Ok(())
}

/// A mark says that the block's segment was taken for another: its records may still stand
/// there, and are not counted on.
fn is_overwritten(look: &Look, of: crate::model::Of) -> bool {
    let mut blocks = look.blocks.iter();
    let found = blocks.find(|b| (b.of.height, b.of.attempt) == of);
    let Some(block) = found.filter(|block| !block.whole) else {
        return false;
    };
    let until = block.end.map_or(u64::MAX, |end| end.main);
    let mut ranges = look.overwritten.iter();
    let own = ranges.any(|(from, behind)| *from < until && block.from.main < *behind);
    // Nor is a block that begins in the middle of one of which that is said.
    let mut others = look.blocks.iter();
    let before = |b: &lifecycle::Block| b.from.main < block.from.main;
    let broken_off = others.find(|b| b.end.is_none() && b.until == Some(block.from) && before(b));
    own || broken_off.is_some_and(|b| is_overwritten(look, (b.of.height, b.of.attempt)))
}

/// What model and reader know of a block, for whoever looks for a fault.
pub fn dump(model: &Model, look: &Look, of: crate::model::Of) {
    let Some(block) = model.block(of) else { return };
    eprintln!("{block:?}");
    let found = look
        .blocks
        .iter()
        .find(|b| (b.of.height, b.of.attempt) == of);
    eprintln!("{found:?}");
    let until = block.end.or(block.until).unwrap_or(model.log.len());
    for index in block.from.saturating_sub(3)..(until + 2).min(model.log.len()) {
        let entry = &model.log[index];
        let (fate, gone, text) = (entry.fate, entry.gone, shown(&entry.line));
        eprintln!("{index} {:?} {fate:?} {gone} {text}", entry.lane);
    }
    for seen in look.main.iter().flatten() {
        if let Some(found) = found.filter(|b| seen.counter + 3 >= b.from.main)
            && found.end.is_none_or(|end| seen.counter < end.main + 2)
        {
            eprintln!("  {} {}", seen.counter, shown(&seen.bytes));
        }
    }
}

/// Prints all that is known and all that is found.
fn dump_all(model: &Model, look: &Look) {
    for (index, entry) in model.log.iter().enumerate() {
        let (fate, gone, bytes) = (entry.fate, entry.gone, entry.line.len());
        let text = shown(&entry.line);
        eprintln!("{index} {:?} {fate:?} {gone} {bytes} {text}", entry.lane);
    }
    model.blocks.iter().for_each(|block| eprintln!("{block:?}"));
    let found = look.blocks.iter();
    found.for_each(|block| eprintln!("{block:?}"));
    for seen in look.main.iter().chain(&look.local).flatten() {
        let (counter, place, bytes) = (seen.counter, seen.place, seen.bytes.len());
        eprintln!("  {counter} {place} {bytes} {}", shown(&seen.bytes));
    }
    let (cuts, deaths) = (&model.cuts, &model.deaths);
    eprintln!("{:?} {cuts:?} {deaths:?}", look.holes);
}

/// Takes over what a power cut left of the marks: states that the blocks had, and no others.
pub fn adopt(model: &mut Model, look: &Look) -> Result<(), String> {
    let main = lines(model, look, Lane::Main, true)?;
    let counters = look.main.iter().flatten().map(|seen| seen.counter);
    let places: Vec<(u64, usize)> = counters.zip(main).collect();
    let mut blocks = Vec::new();
    for found in &look.blocks {
        let of = (found.of.height, found.of.attempt);
        let known = model
            .block(of)
            .ok_or_else(|| format!("block {of:?} was never begun"))?;
        // What was being executed is pinned by the start.
        let released = matches!(known.state, State::Confirmed | State::Superseded);
        let possible = match found.state {
            State::Pinned => true,
            // Of a block that was kept for something the power took, too.
            State::Confirmed => {
                released
                    || known.states.contains(&State::Confirmed)
                    || model.blocks.iter().any(|b| b.of.0 > of.0 && b.committed)
            }
            // Of a block that was released before the next attempt, too.
            State::Superseded => {
                let later = |b: &Block| b.of.0 == of.0 && b.of.1 > of.1;
                of.1 > 1 && model.blocks.iter().any(later)
            }
            State::Committed => known.committed || known.states.len() > 1,
            state => known.states.contains(&state),
        };
        if !possible {
            return Err(format!(
                "block {of:?} was never {:?}, only {:?}",
                found.state, known.states
            ));
        }
        let hash = look.hashes.iter().find(|(other, _)| *other == of);
        let hash = hash.and_then(|(_, hash)| hash.clone());
        let mut block = known.clone();
        block.state = found.state;
        // A power cut may have taken all of it, and the mark of its beginning.
        let behind_all = places.last().map_or(known.from, |(_, index)| index + 1);
        let from = index_at(&places, found.from.main).unwrap_or(behind_all);
        // The marks of another attempt may be gone, and this one counted anew.
        let alike = |b: &&Block| b.of.0 == of.0 && model.hash_before(b) == hash;
        // What was doubtful before may have been read again without the doubt.
        block.whole = hash.is_some() && (known.whole || model.blocks.iter().any(|b| alike(&b)));
        let is_as_before = known.end.is_none() || model.blocks.iter().any(|b| alike(&b));
        let wrong = hash.is_some() && known.whole && !is_as_before;
        if wrong {
            if std::env::var_os("HALTBOX_TRACE").is_some() {
                dump(model, look, of);
            }
            return Err(format!(
                "block {of:?} was executed otherwise than {hash:?} tells"
            ));
        }
        block.from = from;
        let behind = |at: haltbox_format::mark::Position| {
            let last = places.iter().rfind(|(counter, _)| *counter < at.main);
            last.map_or(block.from, |(_, index)| index + 1)
        };
        block.end = found.end.map(behind);
        block.until = found.until.map(behind).or(block.until);
        block.ended = found.ended.any();
        block.executed = found.executed;
        block.committed = found.committed.any();
        block.frozen.clone_from(&found.frozen);
        block.app_hash = found.app_hash.and_then(|hash| from_hex(&hash.to_string()));
        block.network = found.network.and_then(|hash| from_hex(&hash.to_string()));
        blocks.push(block);
    }
    model.blocks = blocks;
    hashes(model, look)
}

/// The first entry at a counter or behind it.
fn index_at(places: &[(u64, usize)], counter: u64) -> Option<usize> {
    let found = places.iter().find(|(at, _)| *at >= counter);
    found.map(|(_, index)| *index)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = (0..text.len()).step_by(2);
    digits
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
