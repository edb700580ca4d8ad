//! The slog of a machine: blocks of a real one, in which every line tells the boot and
//! its number, so that a line that is found says what has to stand before it.

use std::ops::Range;

use crate::excerpt;

/// Cranks of a block.
const CRANKS: usize = 20;
/// The time of a line begins so.
const TIME: &str = "\"time\":";

/// Where a line stands: the boot of the machine, and the number of the line in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which boot.
    pub boot: u32,
    /// Which line, from 0.
    pub line: usize,
}

impl Place {
    /// As it stands in the line.
    pub fn token(self) -> String {
        let Place { boot, line } = self;
        format!("{TIME}17{boot:08}.1{line:09},")
    }

    /// What a line says of itself.
    pub fn of(line: &[u8]) -> Option<Place> {
        let text = std::str::from_utf8(line).ok()?;
        // A value may hold such text too, with its quotes escaped.
        let (_, time) = text.split_once(TIME)?;
        let (time, _) = time.split_once(',')?;
        let (boot, line) = time.split_once('.')?;
        Some(Place {
            boot: boot.strip_prefix("17")?.parse().ok()?,
            line: line.strip_prefix('1')?.parse().ok()?,
        })
    }
}

/// Lines of a block, for any height.
pub struct Template(Vec<String>);

impl Template {
    /// Of a real block: its first cranks, and all that is not a crank.
    pub fn of_excerpt() -> Template {
        let excerpt = String::from_utf8(excerpt("honest-a")).expect("text");
        let own = |line: &&str| !line.contains("\"blockHeight\":11,");
        let lines: Vec<&str> = excerpt.lines().filter(own).collect();
        let at = |words: &str| {
            let is = |line: &&str| line.contains(words);
            lines.iter().position(is).expect("the excerpt")
        };
        let is_end = |(_, line): &(usize, &&str)| line.contains("\"type\":\"crank-finish\"");
        let ends = lines.iter().enumerate().filter(is_end);
        let (last, _) = ends.take(CRANKS).last().expect("a crank");
        let finish = at("run-finish\",\"blockHeight\":12,");
        let after = at("after-commit-stats\",\"blockHeight\":12,");
        let end = at("end-block-finish\",\"blockHeight\":12,");
        let kept = [
            &lines[..=last],
            &lines[finish..=finish],
            &lines[end..=after],
        ];
        Template(
            kept.concat()
                .iter()
                .map(|line| (*line).to_owned())
                .collect(),
        )
    }

    /// As [`Template::text`] gave it.
    pub fn read(text: &str) -> Template {
        Template(text.lines().map(str::to_owned).collect())
    }

    /// Its lines.
    pub fn text(&self) -> String {
        self.0.join("\n") + "\n"
    }

    /// Lines of a block.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A line of a boot that began at this height, without its line end.
    pub fn line(&self, from: u64, place: Place) -> String {
        let height = from + (place.line / self.0.len()) as u64;
        let line = &self.0[place.line % self.0.len()];
        let line = line.replace("\"blockHeight\":12,", &format!("\"blockHeight\":{height},"));
        let (before, time) = line.split_once(TIME).expect("each line has its time");
        let (_, behind) = time.split_once(',').expect("more members follow");
        format!("{before}{}{behind}", place.token())
    }

    /// Lines of a boot, each with its line end.
    pub fn lines(&self, from: u64, boot: u32, lines: Range<usize>) -> String {
        lines
            .map(|line| self.line(from, Place { boot, line }) + "\n")
            .collect()
    }
}
