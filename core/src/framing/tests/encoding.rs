use super::*;

/// Framings that deliver what was encoded.
fn faithful() -> Vec<Framing> {
    let mut framings = vec![Framing::line(), Framing::delimiter("--"), Framing::delimiter("ab")];
    framings.extend([Framing::delimiters(["\n", "\r\n"]), Framing::delimiters(["--", "b", "\n"])]);
    framings.extend([Framing::line().keep_delimiter(), Framing::delimiters(["ab", "-"]).keep_delimiter()]);
    for order in [ByteOrder::Big, ByteOrder::Little] {
        for width in [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight, Width::Varint] {
            framings.push(Framing::length_field(field(width, order)));
            let adjusted = LengthField { offset: 3, adjustment: -5, ..field(width, order) };
            framings.push(Framing::length_field(adjusted));
        }
    }
    // The header goes on behind the field, and its rest is counted, or is not.
    framings.push(field_with(Width::Two, 1, 0, 7));
    framings.push(field_with(Width::Two, 1, 4, 7));
    framings
}

fn whole(framing: &Framing, payload: &[u8]) -> error::Result<Vec<u8>> {
    let encoded = framing.encode(payload)?;
    Ok([encoded.head(), payload, encoded.tail()].concat())
}

#[test]
fn what_is_encoded_is_what_the_peer_is_delivered() {
    for framing in faithful() {
        let (mut state, mut stream, mut payloads) = (0x9e37_79b9, Vec::new(), Vec::new());
        while payloads.len() < 200 {
            // Few letters, so that delimiters happen; those payloads are refused.
            let size = random(&mut state) % 12;
            let payload: Vec<u8> = (0..size).map(|_| b"abc-\r\n"[random(&mut state) % 6]).collect();
            if let Ok(frame) = whole(&framing, &payload) {
                stream.extend(frame);
                payloads.push(payload);
            }
        }
        assert_eq!(cut(&framing, &stream), (payloads, left(b"")), "{framing:?}");
    }
    let fixed = Framing::fixed(3);
    assert_eq!(whole(&fixed, b"abc").unwrap(), b"abc");
}

#[test]
fn encoding_writes_a_fresh_header_with_zeroes_around_the_field() {
    let table: [(Framing, &[u8]); 5] = [
        (field_with(Width::Two, 0, 0, 0), b"\x00\x02hi"),
        (field_with(Width::Two, 2, -4, 0), b"\x00\x00\x00\x06hi"),
        (field_with(Width::One, 1, 0, 4), b"\x00\x04\x00\x00hi"),
        (field_with(Width::One, 1, 2, 4), b"\x00\x02\x00\x00hi"),
        (field_with(Width::Varint, 1, -200, STRIP_HEADER), b"\x00\xca\x01hi"),
    ];
    for (framing, frame) in table {
        assert_eq!(whole(&framing, b"hi").unwrap(), frame, "{framing:?}");
    }
}

#[test]
fn payloads_that_make_no_frame_are_refused_with_what_is_wrong() {
    let two = || field_with(Width::Two, 0, 0, STRIP_HEADER);
    let long = vec![b'x'; 1 << 16];
    let table: [(Framing, &[u8], &str); 20] = [
        (Framing::fixed(3), b"ab", "it has 2 bytes, and not 3"),
        (Framing::delimiter("--"), b"a--b", "contains the delimiter, at byte 1"),
        (Framing::delimiter("--"), b"a-", "make one earlier"),
        (Framing::delimiter("abcab"), b"xabc", "make one earlier"),
        (Framing::delimiters(["-", "+-"]), b"a-b", "contains a delimiter, which ends at byte 2"),
        (Framing::delimiters(["-", "+-"]), b"a+", "its end and the delimiter make another one"),
        (Framing::delimiters(["ab", "ca"]), b"xc", "its end and the delimiter make another one"),
        (Framing::line().keep_delimiter(), b"ab", "does not end with the delimiter, which is kept"),
        (Framing::line().keep_delimiter(), b"a\nb\n", "goes on behind a delimiter, at byte 2"),
        (Framing::line(), b"ab\nc", "contains LF, at byte 2"),
        (Framing::line(), b"abc\r", "ends with CR"),
        (Framing::line().max_frame(6), b"abcdef", "a frame of 7 bytes: the maximum is 6"),
        (Framing::delimiter("--").max_frame(6), b"abcde", "a frame of 7 bytes"),
        (two().max_frame(6), b"abcde", "a frame of 7 bytes"),
        (two(), &long, "cannot say 65536"),
        (field_with(Width::One, 0, -250, 0), b"abcdef", "cannot say 256"),
        (field_with(Width::One, 0, 3, 1), b"ab", "cannot say -1"),
        (field_with(Width::One, 32, 0, STRIP_HEADER), b"ab", "a header of 33 bytes"),
        (field_with(Width::One, 0, 0, 33), b"ab", "a header of 33 bytes"),
        (counted(), b"1", "only reads"),
    ];
    for (framing, payload, what) in table {
        framing.check().unwrap();
        let error = framing.encode(payload).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(what), "{framing:?}: {}", error.message());
    }
    assert!(Framing::delimiter("abcab").encode(b"xab").is_ok());
    assert!(Framing::line().max_frame(6).encode(b"abcde").is_ok());
    assert_eq!(whole(&Framing::line().keep_delimiter(), b"ab\r\n").unwrap(), b"ab\r\n");
    assert!(two().encode(&long[1..]).is_ok());
    assert_eq!(field_with(Width::One, 31, 0, STRIP_HEADER).encode(b"ab").unwrap().head().len(), 32);
}

/// A framing by length field, of odd numbers.
fn odd(state: &mut u64) -> Framing {
    let widths = [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight, Width::Varint];
    let width = widths[random(state) % widths.len()];
    let order = [ByteOrder::Big, ByteOrder::Little][random(state) % 2];
    let adjustment = [0, 1, -1, -4, 40, -300, i64::MIN, i64::MAX][random(state) % 8];
    let strip = [0, 1, 3, 20, STRIP_HEADER, usize::MAX - 1][random(state) % 6];
    let offset = [0, 1, 5, 30, usize::MAX][random(state) % 5];
    let framing = Framing::length_field(LengthField { offset, width, order, adjustment, strip });
    framing.max_frame([0, 1, 16, 64, isize::MAX as usize][random(state) % 5])
}

#[test]
fn no_stream_and_no_numbers_do_harm() {
    let (mut state, mut usable) = (0x9e37_79b9, 0);
    for _ in 0..20_000 {
        let framing = odd(&mut state);
        let bytes = [0, 1, 2, 0x7f, 0x80, 0xff];
        let stream: Vec<u8> = (0..40).map(|_| bytes[random(&mut state) % 6]).collect();
        let encoded = whole(&framing, &stream[..random(&mut state) % 40]);
        if framing.check().is_ok() {
            usable += 1;
            cut_in(&framing, &stream, || 1);
            // A frame that could be encoded can be read.
            if let Ok(frame) = encoded {
                let (frames, end) = cut(&framing, &frame);
                assert_eq!((frames.len(), end), (1, left(b"")), "{framing:?}: {frame:?}");
            }
        }
    }
    assert!(usable > 5_000, "{usable}");
}
