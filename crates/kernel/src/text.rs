//! Checks that every free text from outside passes.

use std::ops::RangeInclusive;

use thiserror::Error;

/// Why a text is refused. The numbers are Unicode scalar values, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    /// Fewer characters than allowed.
    #[error("must have at least {at_least} characters")]
    TooShort {
        /// The smallest allowed length.
        at_least: usize,
    },
    /// More characters than allowed.
    #[error("must have at most {at_most} characters")]
    TooLong {
        /// The greatest allowed length.
        at_most: usize,
    },
    /// NUL or another control character of C0 (U+0000 to U+001F).
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// Whether the text contains a C0 control character: U+0000 to U+001F.
pub fn has_control_character(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20)
}

/// Checks length, in Unicode scalar values, and characters.
///
/// # Errors
/// [`TextError`], the length first.
pub fn check(text: &str, chars: RangeInclusive<usize>) -> Result<(), TextError> {
    // A scalar has one to four bytes, so most texts are judged by their bytes alone.
    let (at_least, at_most) = (*chars.start(), *chars.end());
    let length = if text.is_ascii() { text.len() } else { text.chars().count() };
    if length < at_least {
        return Err(TextError::TooShort { at_least });
    }
    if length > at_most {
        return Err(TextError::TooLong { at_most });
    }
    if has_control_character(text) {
        return Err(TextError::ControlCharacter);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_in_scalars() {
        assert_eq!(check("åøæ", 3..=3), Ok(()));
        assert_eq!(check("ab", 3..=255), Err(TextError::TooShort { at_least: 3 }));
        assert_eq!(check(&"é".repeat(256), 3..=255), Err(TextError::TooLong { at_most: 255 }));
        assert_eq!(check("", 0..=5), Ok(()));
    }

    #[test]
    fn c0_controls_are_refused() {
        for control in (0_u8..0x20).map(char::from) {
            assert_eq!(check(&format!("abc{control}"), 3..=255), Err(TextError::ControlCharacter));
        }
        assert_eq!(check("a\u{7f}b\u{85}", 3..=255), Ok(()));
    }
}
