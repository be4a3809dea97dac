//! Bytes that repeat after a period too long to be hit by chance.

/// One period of bytes with the beginning of the next behind it, so that a run of up to `window` bytes is one slice
/// wherever it begins.
pub(crate) struct Cycle {
    bytes: Vec<u8>,
    period: usize,
    window: usize,
}

impl Cycle {
    /// Repeats `bytes`, which must not be empty. Slices are as long as `window` at most.
    pub(crate) fn new(mut bytes: Vec<u8>, window: usize) -> Self {
        let period = bytes.len();
        bytes.reserve_exact(window);
        while bytes.len() < period + window {
            let more = period.min(period + window - bytes.len());
            bytes.extend_from_within(..more);
        }
        Self { bytes, period, window }
    }

    /// The bytes from `position`, which is below the period, on: `length` of them, or a window full.
    pub(crate) fn slice(&self, position: usize, length: usize) -> &[u8] {
        &self.bytes[position..position + length.min(self.window)]
    }

    /// Where one is `count` bytes further on than `position`.
    pub(crate) fn step(&self, position: usize, count: usize) -> usize {
        let next = position + count;
        if next < self.period {
            next
        } else {
            next % self.period
        }
    }

    /// The position of byte `number` of the endless sequence.
    pub(crate) fn position(&self, number: u64) -> usize {
        (number % self.period as u64) as usize
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): every run sends the same bytes.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }
}
