//! Names of archive files. They sort by time and show the heights to people. Programs
//! look into the file before they believe its name.

use std::fmt;
use std::str::FromStr;

use crate::name_error::{NameError, start_of};

/// `2026-11-21T10Z-12345-12890` for an hour, `2026-11-21T100530Z-12345-12352`
/// for a part of one, UTC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveName {
    /// `2026-11-21T10`.
    pub hour: String,
    /// Minutes and seconds, `0530`; `None` for an hour.
    pub part: Option<String>,
    /// 1, or higher for a later file with the same name.
    pub edition: u32,
    /// Lowest height.
    pub first: u64,
    /// Highest height.
    pub last: u64,
}

impl ArchiveName {
    /// Name of a part that is written at `time` (RFC 3339, UTC).
    pub fn part(time: &str, heights: (u64, u64)) -> Option<ArchiveName> {
        let part = [time.get(14..16)?, time.get(17..19)?].concat();
        let name = ArchiveName {
            hour: hour_of(time)?.to_owned(),
            part: Some(part),
            edition: 1,
            first: heights.0,
            last: heights.1,
        };
        name.is_sound().then_some(name)
    }

    /// Name of the hour file that parts are joined into.
    pub fn hour(hour: &str, heights: (u64, u64)) -> ArchiveName {
        ArchiveName {
            hour: hour.to_owned(),
            part: None,
            edition: 1,
            first: heights.0,
            last: heights.1,
        }
    }

    /// The name of a part, moved behind `newest` if it does not sort behind it: a clock that
    /// went back must not change which file is the oldest.
    pub fn behind(self, newest: &ArchiveName) -> ArchiveName {
        let sorts_behind = (&self.hour, &self.part) > (&newest.hour, &newest.part);
        if sorts_behind {
            return self;
        }
        ArchiveName {
            hour: newest.hour.clone(),
            part: Some(next_second(newest.part.as_deref())),
            ..self
        }
    }

    fn is_sound(&self) -> bool {
        let shape = |text: &str, shape: &str| {
            let same = |(found, wanted): (char, char)| match wanted {
                '0' => found.is_ascii_digit(),
                other => found == other,
            };
            text.len() == shape.len() && text.chars().zip(shape.chars()).all(same)
        };
        let part = self.part.as_ref().is_none_or(|part| shape(part, "0000"));
        shape(&self.hour, "0000-00-00T00") && part && self.first <= self.last
    }
}

/// The hour of a time in RFC 3339, as in names of archive files.
pub fn hour_of(time: &str) -> Option<&str> {
    time.get(..13)
}

/// Leaves out the edition, which the code that creates the file adds.
impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part.as_deref().unwrap_or_default();
        write!(f, "{}{part}Z-{}-{}", self.hour, self.first, self.last)
    }
}

impl FromStr for ArchiveName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<ArchiveName, NameError> {
        parse(text).ok_or_else(|| NameError::Archive(start_of(text)))
    }
}

/// The second behind `part`, the first of its hour, or the last one again.
fn next_second(part: Option<&str>) -> String {
    let number = |range: std::ops::Range<usize>| part?.get(range)?.parse::<u32>().ok();
    let next = number(0..2)
        .zip(number(2..4))
        .map_or(0, |(minutes, seconds)| {
            (minutes * 60 + seconds + 1).min(3599)
        });
    format!("{:02}{:02}", next / 60, next % 60)
}

fn parse(text: &str) -> Option<ArchiveName> {
    let (time, rest) = text.split_once("Z-")?;
    let (heights, edition) = rest.split_once('.').unwrap_or((rest, "1"));
    let (first, last) = heights.split_once('-')?;
    let part = time.get(13..).filter(|part| !part.is_empty());
    let name = ArchiveName {
        hour: time.get(..13)?.to_owned(),
        part: part.map(str::to_owned),
        edition: edition.parse().ok()?,
        first: first.parse().ok()?,
        last: last.parse().ok()?,
    };
    let written = match name.edition {
        1 => name.to_string(),
        edition => format!("{name}.{edition}"),
    };
    (name.is_sound() && written == text).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_sort_by_time() {
        let part = ArchiveName::part("2026-11-21T10:05:30Z", (12, 19)).unwrap();
        assert_eq!(part.to_string(), "2026-11-21T100530Z-12-19");
        let hour = ArchiveName::hour(hour_of("2026-11-21T10:05:30Z").unwrap(), (9, 120));
        assert_eq!(hour.to_string(), "2026-11-21T10Z-9-120");
        let order = [
            "2026-11-21T10Z-9-120",
            "2026-11-21T100530Z-12-19",
            "2026-11-21T100530Z-12-19.2",
            "2026-11-21T100700Z-5-8",
            "2026-11-21T11Z-121-121",
        ];
        let names: Vec<ArchiveName> = order.iter().map(|name| name.parse().unwrap()).collect();
        assert!(names.is_sorted());
        assert_eq!(names[2].edition, 2);
    }

    #[test]
    fn a_part_is_named_behind_the_newest_file() {
        let named = |time, newest: &str| {
            let part = ArchiveName::part(time, (7, 9)).unwrap();
            part.behind(&newest.parse().unwrap()).to_string()
        };
        let cases = [
            (
                "2026-11-21T10:05:30Z",
                "2026-11-21T100529Z-1-6",
                "2026-11-21T100530Z-7-9",
            ),
            (
                "2026-11-21T10:05:30Z",
                "2026-11-21T100530Z-1-6",
                "2026-11-21T100531Z-7-9",
            ),
            (
                "2026-11-21T10:05:30Z",
                "2026-11-21T105959Z-1-6",
                "2026-11-21T105959Z-7-9",
            ),
            (
                "2026-11-21T10:05:30Z",
                "2026-11-21T10Z-1-6",
                "2026-11-21T100530Z-7-9",
            ),
            (
                "2026-11-21T10:05:30Z",
                "2026-11-22T03Z-1-6",
                "2026-11-22T030000Z-7-9",
            ),
            (
                "2026-11-21T10:05:30Z",
                "2026-11-21T110959Z-1-6.2",
                "2026-11-21T111000Z-7-9",
            ),
        ];
        for (time, newest, name) in cases {
            assert_eq!(named(time, newest), name, "{time} {newest}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "12-abc",
            "2026-11-21T10Z-9",
            "2026-11-21T10Z-9-8",
            "2026-11-21T10Z-09-10",
            "2026-11-21T10Z-9-10.1",
            "2026-11-21T105Z-9-10",
            "2026_11_21T10Z-9-10",
            "2026-11-21T10Z-9-10-11",
            "2026-11-21T10Z-9-99999999999999999999",
            "é026-11-21T10Z-9-10",
        ] {
            assert!(text.parse::<ArchiveName>().is_err(), "{text}");
        }
    }
}
