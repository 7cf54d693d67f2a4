//! Seven letters of 5 × 7 dots, to say on a picture where left and right are.

/// Width of a letter in dots.
pub(super) const WIDTH: usize = 5;
/// Height of a letter in dots.
pub(super) const HEIGHT: usize = 7;

/// One row a byte, the leftmost dot in bit 4; nothing for a letter that no direction has.
fn rows(letter: char) -> [u8; HEIGHT] {
    match letter {
        'R' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001],
        'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        'A' => [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'P' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000],
        'S' => [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110],
        'I' => [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        _ => [0; HEIGHT],
    }
}

/// The dots of a letter, `(column, row)`.
pub(super) fn dots(letter: char) -> impl Iterator<Item = (usize, usize)> {
    let rows = rows(letter);
    (0..HEIGHT).flat_map(move |y| (0..WIDTH).filter(move |x| rows[y] >> (WIDTH - 1 - x) & 1 == 1).map(move |x| (x, y)))
}
