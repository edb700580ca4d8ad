//! The two sides of a comparison.

use serde::Serialize;

/// Side A or B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The source that was named first.
    A,
    /// The source that was named second.
    B,
}

impl Side {
    /// The side with this index: 0 is A, any other is B.
    pub fn at(index: usize) -> Side {
        if index == 0 { Side::A } else { Side::B }
    }

    /// Its index: 0 or 1.
    pub fn index(self) -> usize {
        usize::from(self == Side::B)
    }

    /// The other side.
    pub fn other(self) -> Side {
        Side::at(1 - self.index())
    }

    /// Its name as users see it.
    pub fn name(self) -> &'static str {
        match self {
            Side::A => "A",
            Side::B => "B",
        }
    }
}

/// One side, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Only this side.
    One(Side),
    /// Both.
    Both,
}

impl Who {
    /// The side for which this holds. `Both` if it holds for both or for neither.
    pub fn of(holds: [bool; 2]) -> Who {
        match holds {
            [true, false] => Who::One(Side::A),
            [false, true] => Who::One(Side::B),
            _ => Who::Both,
        }
    }
}
