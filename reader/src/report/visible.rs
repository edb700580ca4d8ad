//! Letters of a recording, which anyone on the chain can have written.

/// Nothing of a recording may steer a terminal, or turn the text of a page
/// round: control letters and those that only direct others are replaced.
pub(super) fn visible(letter: char) -> char {
    let directs = matches!(
        letter,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    if letter.is_control() || directs {
        '\u{fffd}'
    } else {
        letter
    }
}
