//! How two lists differ from the place on where they part: one has more, both have the same in
//! another order, or both have something else. If A and B change places, the result names the
//! other side and is otherwise the same.

use super::side::Side;

/// How two lists differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListDifference {
    /// This side alone has that many elements more; behind them both continue equally.
    Only(Side, usize),
    /// The first element of each list follows later in the other one.
    Moved,
    /// Neither of the first elements follows in the other list.
    Other,
}

/// How two lists differ whose first elements are not the same.
pub fn list_difference<T: PartialEq>(a: &[T], b: &[T]) -> ListDifference {
    let (Some(first_a), Some(first_b)) = (a.first(), b.first()) else {
        return match (a.is_empty(), b.is_empty()) {
            (false, true) => ListDifference::Only(Side::A, a.len()),
            (true, false) => ListDifference::Only(Side::B, b.len()),
            _ => ListDifference::Other,
        };
    };
    let more_on_a = count(a, first_a) > count(b, first_a);
    let more_on_b = count(b, first_b) > count(a, first_b);
    let at = |list: &[T], wanted: &T| list.iter().position(|found| found == wanted);
    match (more_on_a, more_on_b) {
        (true, false) => ListDifference::Only(Side::A, at(a, first_b).unwrap_or(1)),
        (false, true) => ListDifference::Only(Side::B, at(b, first_a).unwrap_or(1)),
        (false, false) => ListDifference::Moved,
        (true, true) => ListDifference::Other,
    }
}

fn count<T: PartialEq>(list: &[T], wanted: &T) -> usize {
    list.iter().filter(|found| *found == wanted).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_two_is_said_of_them_turned_round() {
        let table = [
            ("xab", "ab", ListDifference::Only(Side::A, 1)),
            ("xyab", "ab", ListDifference::Only(Side::A, 2)),
            ("aab", "b", ListDifference::Only(Side::A, 2)),
            ("x", "", ListDifference::Only(Side::A, 1)),
            ("ab", "ba", ListDifference::Moved),
            ("abz", "bac", ListDifference::Moved),
            ("xab", "yab", ListDifference::Other),
            // One more of an element that both have.
            ("xyx", "yx", ListDifference::Only(Side::A, 1)),
        ];
        for (a, b, expected) in table {
            assert_eq!(
                list_difference(a.as_bytes(), b.as_bytes()),
                expected,
                "{a} {b}"
            );
            let turned = match expected {
                ListDifference::Only(_, count) => ListDifference::Only(Side::B, count),
                same => same,
            };
            assert_eq!(
                list_difference(b.as_bytes(), a.as_bytes()),
                turned,
                "{b} {a}"
            );
        }
    }
}
