//! Decimal digits of all scripts: what `\d` means in Python and `[:digit:]` in Java.

/// The zeros of Unicode 14's decimal digits. Each is followed by its one to nine.
#[rustfmt::skip]
const ZEROS: [u32; 66] = [
    0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40,
    0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0,
    0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50,
    0x11DA0, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950,
    0x1FBF0,
];

/// Whether a character is a decimal digit of some script.
pub(crate) fn is_digit(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    let code = u32::from(character);
    let after = ZEROS.partition_point(|zero| *zero <= code);
    after > 0 && code - ZEROS[after - 1] < 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_all_scripts_and_nothing_else_that_counts() {
        for digit in ['0', '9', '٣', '९', '９', '𝟗'] {
            assert!(is_digit(digit), "{digit}");
        }
        for other in ['/', ':', 'a', '²', '½', 'Ⅷ', '\u{a}', '\u{66a}'] {
            assert!(!is_digit(other), "{other}");
        }
    }
}
