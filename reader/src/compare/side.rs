//! The two sides of a comparison.

use serde::Serialize;

/// Side A or B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The first source named.
    A,
    /// The second.
    B,
}

impl Side {
    /// The side at this place.
    pub fn at(index: usize) -> Side {
        if index == 0 { Side::A } else { Side::B }
    }

    /// Its place.
    pub fn index(self) -> usize {
        usize::from(self == Side::B)
    }

    /// The other one.
    pub fn other(self) -> Side {
        Side::at(1 - self.index())
    }

    /// As people are told.
    pub fn name(self) -> &'static str {
        match self {
            Side::A => "A",
            Side::B => "B",
        }
    }
}

/// One side, or both alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// This side alone.
    One(Side),
    /// Both.
    Both,
}

impl Who {
    /// The sides of which this holds; both, where it holds of none.
    pub fn of(holds: [bool; 2]) -> Who {
        match holds {
            [true, false] => Who::One(Side::A),
            [false, true] => Who::One(Side::B),
            _ => Who::Both,
        }
    }
}
