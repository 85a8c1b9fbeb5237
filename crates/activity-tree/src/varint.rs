//! Numbers in as few bytes as they need, seven bits each, lowest first: those of protobuf.

/// Appends a number.
pub(crate) fn write(to: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            to.push(low & 0x7f);
            return;
        }
        to.push(low | 0x80);
    }
}

/// The number at the beginning and what follows it; none when there is no end of it, or it has more than 64 bits.
pub(crate) fn read(from: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (n, byte) in from.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if n == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * n);
        if byte & 0x80 == 0 {
            return Some((value, from.get(n + 1..)?));
        }
    }
    None
}

/// Signed numbers so that small ones are short: 0, -1, 1, -2 …
pub(crate) const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// The number that [`zigzag`] made this of.
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_and_what_is_no_number_does_not() {
        for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            write(&mut bytes, value);
            bytes.push(9);
            assert_eq!(read(&bytes), Some((value, [9].as_slice())));
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0x80, 0x80]), None);
        assert_eq!(read(&[0xff; 11]), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]), None);
        for value in [0, 1, -1, 63, -64, i64::MAX, i64::MIN] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!((zigzag(-1), zigzag(1), zigzag(-2)), (1, 2, 3));
    }
}
