//! The short ways of length fields come to what the general arithmetic comes to.

use super::*;

const WIDTHS: [Width; 6] = [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight, Width::Varint];
const ADJUSTMENTS: [i64; 13] = [0, 1, -1, 2, -2, -4, -9, 40, -255, -256, -70_000, i64::MIN, i64::MIN + 300];
const STRIPS: [usize; 8] = [0, 1, 2, 4, 8, 9, 20, STRIP_HEADER];
const OFFSETS: [usize; 7] = [0, 1, 3, 4, 7, 8, 31];
const MAXIMA: [usize; 4] = [48, 300, 1 << 17, isize::MAX as usize];

/// Every usable field of these numbers, with each maximum.
fn each_field(mut test: impl FnMut(LengthField, &Framing)) {
    let mut usable = 0;
    for (width, order) in
        WIDTHS.iter().flat_map(|width| [(*width, ByteOrder::Big), (*width, ByteOrder::Little)])
    {
        for (adjustment, strip) in ADJUSTMENTS.iter().flat_map(|first| STRIPS.map(|second| (*first, second)))
        {
            for (offset, max) in OFFSETS.iter().flat_map(|first| MAXIMA.map(|second| (*first, second))) {
                let field = LengthField { offset, width, order, adjustment, strip };
                let framing = Framing::length_field(field).max_frame(max);
                if framing.check().is_ok() {
                    usable += 1;
                    test(field, &framing);
                }
            }
        }
    }
    assert!(usable > 15_000, "{usable}");
}

/// A value that makes a small frame, or one near a limit, or any.
fn value(field: &LengthField, state: &mut u64) -> u64 {
    let near = [0, 0x7f, 0x80, 0xff, 0xffff, 0xff_ffff, i64::MAX as u64, 1 << 63, u64::MAX];
    match random(state) % 4 {
        0 => near[random(state) % near.len()],
        1 => random(state) as u64,
        _ => (random(state) as u64 % 90).wrapping_sub(field.adjustment as u64).wrapping_sub(30),
    }
}

/// Some bytes, with a field in them that may be cut short.
fn input(field: &LengthField, state: &mut u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..400).map(|_| random(state) as u8).collect();
    let value = value(field, state);
    let number = match field.order {
        ByteOrder::Big => value.rotate_right(8 * field.width.least() as u32).to_be_bytes(),
        ByteOrder::Little => value.to_le_bytes(),
    };
    bytes[field.offset..][..8].copy_from_slice(&number);
    bytes.truncate([400, 400, 60, 1 + random(state) % 60][random(state) % 4]);
    bytes
}

#[test]
fn a_whole_frame_is_cut_as_the_general_arithmetic_cuts_it() {
    let (mut state, mut whole, mut other) = (0x9e37_79b9, 0, 0);
    each_field(|field, framing| {
        for _ in 0..8 {
            let input = input(&field, &mut state);
            let general = field.cut(&input).and_then(|cut| framing.bounded(cut));
            assert_eq!(framer(framing).next(&input), general, "{framing:?}: {input:?}");
            match framing.quick.and_then(|quick| quick.cut(&input)) {
                Some(frame) => {
                    whole += 1;
                    let consumed = frame.end;
                    assert_eq!(general, Ok(Cut::Frame { frame, consumed }), "{framing:?}: {input:?}");
                }
                None => other += 1,
            }
        }
    });
    assert!(whole > 20_000 && other > 20_000, "{whole} and {other}");
}

#[test]
fn a_number_of_64_bits_leaves_the_short_way_and_is_cut_all_the_same() {
    for (order, number) in [
        (ByteOrder::Big, (1_u64 << 63 | 5).to_be_bytes()),
        (ByteOrder::Little, (1_u64 << 63 | 5).to_le_bytes()),
    ] {
        let field = LengthField { adjustment: i64::MIN, ..field(Width::Eight, order) };
        let input = [&number[..], b"hello!"].concat();
        assert!(Framing::length_field(field).quick.is_none());
        let frame = Cut::Frame { frame: 8..13, consumed: 13 };
        assert_eq!(framer(&Framing::length_field(field)).next(&input), Ok(frame));
    }
}

#[test]
fn the_short_way_is_taken_by_what_is_usual() {
    for width in [Width::One, Width::Two, Width::Three, Width::Four] {
        for order in [ByteOrder::Big, ByteOrder::Little] {
            let field = field(width, order);
            let framing = Framing::length_field(field);
            let framer = framer(&framing);
            let head = framer.short_head(b"hello").expect("a short head");
            let input = [head.as_slice(), b"hello", b"more"].concat();
            let header = width.least();
            assert_eq!(framing.quick.unwrap().cut(&input), Some(header..header + 5), "{framing:?}");
        }
    }
}

#[test]
fn a_short_head_is_what_the_general_arithmetic_writes() {
    let (mut state, mut short, mut other) = (0x9e37_79b9, 0, 0);
    let zeroes = vec![0; 1 << 17];
    each_field(|_, framing| {
        for most in [40, 300, 1 << 17] {
            let payload = &zeroes[..random(&mut state) % most];
            match (framer(framing).short_head(payload), framing.encode(payload)) {
                (Some(head), Ok(encoded)) => {
                    short += 1;
                    let parts = (head.as_slice(), &b""[..]);
                    assert_eq!((encoded.head(), encoded.tail()), parts, "{framing:?}: {}", payload.len());
                }
                (Some(_), Err(error)) => panic!("{framing:?}: {} bytes: {error}", payload.len()),
                (None, _) => other += 1,
            }
        }
    });
    assert!(short > 4_000 && other > 4_000, "{short} and {other}");
}
