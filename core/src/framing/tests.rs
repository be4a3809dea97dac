mod arithmetic;
mod encoding;
mod resp;

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// How a stream ended: with bytes left that are no whole frame, or with an error.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Left(Vec<u8>),
    TooLarge,
    Malformed,
}

fn framer(framing: &Framing) -> Framer {
    framing.check().unwrap();
    Framer::new(Arc::new(framing.clone()))
}

/// Cuts a stream that comes in pieces, each of the size that `piece` answers.
fn cut_in(framing: &Framing, stream: &[u8], mut piece: impl FnMut() -> usize) -> (Vec<Vec<u8>>, End) {
    let mut framer = framer(framing);
    let (mut frames, mut start, mut come) = (Vec::new(), 0, 0);
    while come < stream.len() {
        come = stream.len().min(come + piece());
        loop {
            let input = &stream[start..come];
            match framer.next(input) {
                Ok(Cut::Frame { frame, consumed }) => {
                    assert!(0 < consumed && consumed <= input.len() && frame.end <= consumed);
                    frames.push(input[frame].to_vec());
                    start += consumed;
                }
                Ok(Cut::Need(total)) => {
                    assert!(input.len() < total && total <= framing.max_frame, "{framing:?} needs {total}");
                    break;
                }
                Err(FrameError::TooLarge { size, max }) => {
                    assert!(size > max && max == framing.max_frame);
                    return (frames, End::TooLarge);
                }
                Err(FrameError::Malformed(_)) => return (frames, End::Malformed),
            }
        }
    }
    (frames, End::Left(stream[start..].to_vec()))
}

/// Cuts a stream whole, byte by byte and in random pieces, which must come to the same.
fn cut(framing: &Framing, stream: &[u8]) -> (Vec<Vec<u8>>, End) {
    let whole = cut_in(framing, stream, || stream.len());
    assert_eq!(cut_in(framing, stream, || 1), whole, "{framing:?}, byte by byte: {stream:?}");
    for seed in 1..10 {
        let mut state = seed * 0x9e37_79b9;
        let pieces = cut_in(framing, stream, || 1 + random(&mut state) % 7);
        assert_eq!(pieces, whole, "{framing:?}, seed {seed}: {stream:?}");
    }
    whole
}

fn expect(framing: &Framing, stream: &[u8], frames: &[&[u8]], end: End) {
    let (cut, ended) = cut(framing, stream);
    assert_eq!(cut, frames, "{framing:?} on {stream:?}");
    assert_eq!(ended, end, "{framing:?} on {stream:?}");
}

fn left(bytes: &[u8]) -> End {
    End::Left(bytes.to_vec())
}

fn error_of(framing: &Framing, input: &[u8]) -> String {
    framer(framing).next(input).unwrap_err().to_string()
}

/// A small deterministic generator (xorshift, Marsaglia 2003), so that a failure repeats.
fn random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state as usize
}

fn field(width: Width, order: ByteOrder) -> LengthField {
    LengthField::new(width, order)
}

fn field_with(width: Width, offset: usize, adjustment: i64, strip: usize) -> Framing {
    Framing::length_field(LengthField { offset, adjustment, strip, ..field(width, ByteOrder::Big) })
}

/// One byte that says how many follow, but `E` is wrong.
fn counted() -> Framing {
    Framing::custom(|input| match input[0] {
        b'E' => Err("E is no length".into()),
        b'?' if input.len() < 3 => Ok(None),
        b'?' => Ok(Some(3)),
        digit => Ok(Some(usize::from(digit - b'0'))),
    })
}

const STRIP_HEADER: usize = LengthField::STRIP_HEADER;

#[test]
fn a_fixed_frame_has_its_length() {
    expect(&Framing::fixed(3), b"abcdefgh", &[b"abc", b"def"], left(b"gh"));
    expect(&Framing::fixed(1), b"ab", &[b"a", b"b"], left(b""));
}

#[test]
fn a_delimiter_ends_a_frame_and_is_not_delivered() {
    expect(&Framing::delimiter("|"), b"a||bc|d", &[b"a", b"", b"bc"], left(b"d"));
    expect(&Framing::delimiter("\r\n"), b"a\rb\n\r\n\r\r\n\r", &[b"a\rb\n", b"\r"], left(b"\r"));
    expect(&Framing::delimiter("aab"), b"aaabaab", &[b"a", b""], left(b""));
    expect(&Framing::delimiter(vec![0; 3]), &[0, 1, 0, 0, 0, 0, 0], &[&[0, 1]], left(&[0, 0]));
}

#[test]
fn whichever_of_several_delimiters_is_whole_first_ends_a_frame() {
    let lines = Framing::delimiters(["\n", "\r\n"]);
    expect(&lines, b"a\nb\r\n\r\n\r\r\nc\r", &[b"a", b"b", b"", b"\r"], left(b"c\r"));
    let words = Framing::delimiters([",", ";", " ", "--"]);
    expect(&words, b"a,b;c d--e-f", &[b"a", b"b", b"c", b"d"], left(b"e-f"));
    // The one that begins first does not end first.
    let crossed = Framing::delimiters(["abcd", "bc"]).check().unwrap_err();
    assert!(crossed.message().contains("\"abcd\" is never found: \"bc\""), "{}", crossed.message());
    expect(&Framing::delimiters(["abc", "bcd"]), b"xabcdbcd", &[b"x", b"d"], left(b""));
    // Nor does a delimiter reach into the frame before.
    expect(&Framing::delimiters(["aa", "b"]), b"xaaaab", &[b"x", b"", b""], left(b""));
}

#[test]
fn a_delimiter_can_be_kept() {
    let kept: [&[u8]; 4] = [b"a\r\n", b"\n", b"b\n", b"\r\n"];
    expect(&Framing::line().keep_delimiter(), b"a\r\n\nb\n\r\nc", &kept, left(b"c"));
    expect(&Framing::delimiter("--").keep_delimiter(), b"a----b-", &[b"a--", b"--"], left(b"b-"));
    let which = Framing::delimiters([";", "!"]).keep_delimiter().max_frame(3);
    expect(&which, b"ab!c;def!", &[b"ab!", b"c;"], End::TooLarge);
}

#[test]
fn what_the_end_leaves_over_can_be_a_frame() {
    let table: [(Framing, &[u8], &[u8]); 6] = [
        (Framing::line(), b"half\r", b"half"),
        (Framing::line().keep_delimiter(), b"half\r", b"half\r"),
        (Framing::line(), b"\r", b""),
        (Framing::delimiter("--"), b"half-", b"half-"),
        (Framing::delimiters(["\n", "\r\n"]), b"half\r", b"half\r"),
        (Framing::line().max_frame(7), b"six..\r", b"six.."),
    ];
    for (framing, input, rest) in table {
        let mut silent = framer(&framing);
        assert!(!silent.end() && matches!(silent.next(input), Ok(Cut::Need(_))), "{framing:?}");
        let mut framer = framer(&framing.deliver_rest());
        assert!(matches!(framer.next(input), Ok(Cut::Need(_))), "not before the end");
        assert!(framer.end());
        assert_eq!(framer.next(input), Ok(Cut::Frame { frame: 0..rest.len(), consumed: input.len() }));
        assert!(input.starts_with(rest));
        assert_eq!(framer.next(b""), Ok(Cut::Need(1)), "there is no frame of nothing");
    }
    // Whole frames come as they are.
    let mut framer = framer(&Framing::line().deliver_rest());
    assert!(framer.end());
    assert_eq!(framer.next(b"a\nb"), Ok(Cut::Frame { frame: 0..1, consumed: 2 }));
    assert_eq!(framer.next(b"b"), Ok(Cut::Frame { frame: 0..1, consumed: 1 }));
}

#[test]
fn a_line_ends_with_lf_and_perhaps_cr_before_it() {
    let frames: [&[u8]; 5] = [b"a", b"", b"b\r", b"c\rd", b""];
    expect(&Framing::line(), b"a\n\nb\r\r\nc\rd\n\r\ne\r", &frames, left(b"e\r"));
}

#[test]
fn a_function_says_how_long_a_frame_is() {
    expect(&counted(), b"3ab1?xy2cE", &[b"3ab", b"1", b"?xy", b"2c"], End::Malformed);
    expect(&counted(), b"1?x", &[b"1"], left(b"?x"));
    assert_eq!(error_of(&counted(), b"E"), "malformed frame: E is no length");
    assert_eq!(error_of(&counted(), b"0"), "malformed frame: the framing found a frame of no bytes");
}

#[test]
fn every_width_and_order_is_read_and_written() {
    let value = 258;
    let payload: Vec<u8> = (0..value).map(|byte| byte as u8).collect();
    let table: [(Width, ByteOrder, &[u8]); 9] = [
        (Width::Two, ByteOrder::Big, &[1, 2]),
        (Width::Two, ByteOrder::Little, &[2, 1]),
        (Width::Three, ByteOrder::Big, &[0, 1, 2]),
        (Width::Three, ByteOrder::Little, &[2, 1, 0]),
        (Width::Four, ByteOrder::Big, &[0, 0, 1, 2]),
        (Width::Four, ByteOrder::Little, &[2, 1, 0, 0]),
        (Width::Eight, ByteOrder::Big, &[0, 0, 0, 0, 0, 0, 1, 2]),
        (Width::Eight, ByteOrder::Little, &[2, 1, 0, 0, 0, 0, 0, 0]),
        (Width::Varint, ByteOrder::Big, &[0x82, 2]),
    ];
    for (width, order, head) in table {
        let framing = Framing::length_field(field(width, order));
        assert_eq!(framing.encode(&payload).unwrap().head(), head, "{width:?} {order:?}");
        let stream = [head, &payload, b"x"].concat();
        let mut framer = framer(&framing);
        let frame = Cut::Frame { frame: head.len()..head.len() + value, consumed: head.len() + value };
        assert_eq!(framer.next(&stream), Ok(frame), "{width:?} {order:?}");
    }
    let one = Framing::length_field(field(Width::One, ByteOrder::Little));
    assert_eq!(one.encode(&[7; 255]).unwrap().head(), [255]);
    expect(&one, b"\x02ab\x00\x01c", &[b"ab", b"", b"c"], left(b""));
}

#[test]
fn the_length_counts_what_the_adjustment_says() {
    // The examples of Netty's LengthFieldBasedFrameDecoder.
    let hello = b"HELLO, WORLD";
    let with = |head: &[u8]| [head, hello].concat();
    let table = [
        (field_with(Width::Two, 0, 0, 0), with(b"\x00\x0c"), with(b"\x00\x0c")),
        (field_with(Width::Two, 0, 0, 2), with(b"\x00\x0c"), with(b"")),
        (field_with(Width::Two, 0, -2, 0), with(b"\x00\x0e"), with(b"\x00\x0e")),
        (field_with(Width::Three, 2, 0, 0), with(b"\xca\xfe\x00\x00\x0c"), with(b"\xca\xfe\x00\x00\x0c")),
        (field_with(Width::Three, 0, 2, 0), with(b"\x00\x00\x0c\xca\xfe"), with(b"\x00\x00\x0c\xca\xfe")),
        (field_with(Width::Two, 1, 1, 3), with(b"\xca\x00\x0c\xfe"), with(b"\xfe")),
        (field_with(Width::Two, 1, -3, 3), with(b"\xca\x00\x10\xfe"), with(b"\xfe")),
        (field_with(Width::Varint, 1, 0, STRIP_HEADER), with(b"\xca\x8c\x00"), with(b"")),
        (field_with(Width::Varint, 1, 0, 1), with(b"\xca\x0c"), with(b"\x0c")),
    ];
    for (framing, stream, frame) in table {
        expect(&framing, &[&*stream, &*stream].concat(), &[&*frame, &*frame], left(b""));
    }
}

#[test]
fn varints_have_ten_bytes_and_64_bits_at_most() {
    let framing = Framing::length_field(field(Width::Varint, ByteOrder::Big));
    let longest = [&[0x80; 9][..], &[0]].concat();
    expect(&framing, &longest, &[b""], left(b""));
    let greatest = [&[0xff; 9][..], &[1]].concat();
    expect(&framing, &greatest, &[], End::TooLarge);
    for last in [2, 0x80, 0x81, 0xff] {
        expect(&framing, &[&[0x80; 9][..], &[last]].concat(), &[], End::Malformed);
    }
    expect(&framing, &[0x80; 9], &[], left(&[0x80; 9]));
}

#[test]
fn hostile_lengths_are_errors_and_never_wait() {
    let greatest = &[0xff; 8];
    let table = [
        (field_with(Width::Eight, 0, 0, STRIP_HEADER), End::TooLarge),
        (field_with(Width::Eight, 0, i64::MIN, 0), End::TooLarge),
        (field_with(Width::Eight, 0, 1, 0), End::TooLarge),
        (field_with(Width::One, 0, -255, 0), left(b"")),
        (field_with(Width::One, 7, -255, 0), left(b"")),
        (field_with(Width::Two, 0, -60_000, 0).max_frame(5537), left(greatest)),
        (field_with(Width::Two, 0, -60_000, 0).max_frame(5536), End::TooLarge),
    ];
    for (framing, end) in table {
        assert_eq!(cut(&framing, greatest).1, end, "{framing:?}");
    }
    let zeroes = &[0; 8];
    let table = [
        field_with(Width::Eight, 0, -1, 0),
        field_with(Width::Eight, 0, i64::MIN, 0),
        field_with(Width::Four, 2, -6, 0),
        field_with(Width::One, 0, 0, 2),
        field_with(Width::Two, 0, 1, 4),
    ];
    for framing in table {
        expect(&framing, zeroes, &[], End::Malformed);
    }
}

#[test]
fn errors_name_their_numbers() {
    let framing = field_with(Width::Four, 0, 0, STRIP_HEADER).max_frame(100);
    assert_eq!(
        error_of(&framing, b"\x00\x00\x00\x61"),
        "frame too large: at least 101 bytes, the maximum is 100"
    );
    let framing = field_with(Width::One, 0, -10, STRIP_HEADER);
    assert_eq!(
        error_of(&framing, b"\x03"),
        "malformed frame: a length of 3, adjusted by -10, makes a frame of -6 bytes: too short"
    );
}

#[test]
fn a_frame_of_the_maximum_passes_and_one_byte_more_is_refused() {
    // The frame that fits, what is delivered of it, and one that is too large.
    let table: [(Framing, [&[u8]; 3]); 7] = [
        (Framing::fixed(6), [b"abcdef", b"abcdef", b""]),
        (Framing::delimiter("--"), [b"abcd--", b"abcd", b"abcde--"]),
        (Framing::delimiters(["-", "+-"]), [b"abcd+-", b"abcd", b"abcde+-"]),
        (Framing::line(), [b"abcde\n", b"abcde", b"abcdef\n"]),
        (Framing::line(), [b"abcd\r\n", b"abcd", b"abcde\r\n"]),
        (field_with(Width::Two, 0, 0, STRIP_HEADER), [b"\0\x04abcd", b"abcd", b"\0\x05abcde"]),
        (counted(), [b"6abcde", b"6abcde", b"7abcdef"]),
    ];
    for (framing, [fits, frame, above]) in table {
        let framing = framing.max_frame(6);
        expect(&framing, &[fits, fits].concat(), &[frame, frame], left(b""));
        if !above.is_empty() {
            expect(&framing, &[fits, above].concat(), &[frame], End::TooLarge);
        }
    }
}

#[test]
fn a_frame_above_the_maximum_is_refused_as_soon_as_that_is_known() {
    let unmeasured = Framing::custom(|_| Ok(None));
    let table: [(Framing, &[u8]); 7] = [
        (Framing::delimiters(["-", "+-"]), b"abcde+"),
        (Framing::delimiter("-"), b"abcdef"),
        (Framing::delimiter("--"), b"abcde-"),
        (Framing::line(), b"abcde\r"),
        (field_with(Width::Varint, 2, 0, STRIP_HEADER), b"ab\x04"),
        (field_with(Width::Varint, 2, 0, STRIP_HEADER), b"ab\x80\x80\x80\x80"),
        (unmeasured, b"abcdef"),
    ];
    for (framing, input) in table {
        let framing = framing.max_frame(6);
        let mut framer = framer(&framing);
        assert!(framer.next(&input[..input.len() - 1]).is_ok(), "{framing:?}");
        assert_eq!(framer.next(input), Err(FrameError::TooLarge { size: 7, max: 6 }), "{framing:?}");
    }
    // Nor is a delimiter looked for beyond the maximum.
    let mut framer = framer(&Framing::line().max_frame(6));
    assert_eq!(framer.next(b"abcdefgh\n"), Err(FrameError::TooLarge { size: 7, max: 6 }));
}

#[test]
fn zero_means_the_default_maximum() {
    let framing = Framing::line().max_frame(5).max_frame(0);
    assert_eq!((framing.max_frame, Framing::line().max_frame), (16 << 20, 16 << 20));
}

#[test]
fn what_was_searched_is_not_searched_again() {
    // The second input breaks the rule that the first bytes stay the same, and shows that nobody looks.
    for (framing, first, second, after) in [
        (Framing::line(), "abc", "\n\n\nd\n", 4),
        (Framing::delimiter("--"), "abc", "--cd--", 4),
        (Framing::delimiter("--"), "abc-", "--c--", 3),
        (Framing::delimiters([";", ":"]), "abc", ";:;d:", 4),
    ] {
        let mut framer = framer(&framing);
        assert_eq!(framer.next(first.as_bytes()), Ok(Cut::Need(first.len() + 1)));
        let cut = framer.next(second.as_bytes()).unwrap();
        assert_eq!(cut, Cut::Frame { frame: 0..after, consumed: second.len() }, "{framing:?}");
        assert_eq!(framer.next(b""), Ok(Cut::Need(1)));
    }
}

#[test]
fn a_function_that_has_answered_is_asked_no_more_about_the_frame() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let framing = Framing::custom(move |input| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(input.get(1).map(|size| usize::from(*size)))
    });
    let (frames, end) = cut_in(&framing, b"a\x05bcdb\x03c", || 1);
    assert_eq!((frames, end), (vec![b"a\x05bcd".to_vec(), b"b\x03c".to_vec()], left(b"")));
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}

#[test]
fn the_state_of_a_connection_is_small() {
    assert!(size_of::<Framer>() <= 24);
}

#[test]
fn need_says_how_much_a_frame_needs() {
    let table: [(Framing, &[u8], usize); 8] = [
        (Framing::fixed(9), b"abc", 9),
        (Framing::delimiter("--"), b"abc-", 5),
        (Framing::line(), b"", 1),
        (field_with(Width::Four, 2, 0, 0), b"abc", 6),
        (field_with(Width::Two, 1, 1, 0), b"a\x00\x05", 9),
        (field_with(Width::Varint, 2, 0, STRIP_HEADER), b"a", 3),
        (field_with(Width::Varint, 2, 0, STRIP_HEADER), b"ab\x80", 4),
        (counted(), b"7ab", 7),
    ];
    for (framing, input, total) in table {
        assert_eq!(framer(&framing).next(input), Ok(Cut::Need(total)), "{framing:?}");
    }
}

#[test]
fn a_framing_that_contradicts_itself_is_refused_with_what_is_wrong() {
    let table = [
        (Framing::fixed(0), "at least one byte"),
        (Framing::fixed(7).max_frame(6), "7 bytes is above the maximum of 6"),
        (Framing::delimiter(""), "a delimiter needs at least one byte"),
        (Framing::delimiter("abcdefg").max_frame(6), "a delimiter of 7 bytes"),
        (Framing::delimiters::<&str>([]), "there is no delimiter"),
        (Framing::delimiters(["a", ""]), "a delimiter needs at least one byte"),
        (Framing::delimiters(["a", "abcdefg"]).max_frame(6), "a delimiter of 7 bytes"),
        (
            Framing::delimiters(["\r\n", "\r"]),
            r#"the delimiter "\r\n" is never found: "\r" ends before it does"#,
        ),
        (Framing::fixed(3).keep_delimiter(), "only lines and frames with a delimiter can keep a delimiter"),
        (counted().deliver_rest(), "can deliver an unterminated rest"),
        (field_with(Width::One, 0, 0, 0).deliver_rest(), "can deliver an unterminated rest"),
        (Framing::resp().keep_delimiter(), "only lines and frames with a delimiter can keep a delimiter"),
        (Framing::line().max_arguments(5), "only commands can have a maximum of arguments"),
        (Framing::resp().max_arguments(1 << 31), "cannot have 2147483648 arguments, the limit is 2147483647"),
        (Framing::line().max_frame(usize::MAX), "cannot be 18446744073709551615 bytes"),
        (field_with(Width::Eight, 0, 0, 0).max_frame(7), "ends at byte 8"),
        (field_with(Width::Varint, usize::MAX, 0, 0), "ends at byte 18446744073709551615"),
        (field_with(Width::One, 0, 0, 7).max_frame(6), "strip is 7 bytes, beyond the maximum frame of 6"),
        (field_with(Width::Varint, 2, 0, 3), "beyond the offset of 2"),
        (field_with(Width::One, 0, -256, 0), "an adjustment of -256"),
        (field_with(Width::One, 0, 6, 0).max_frame(6), "an adjustment of 6"),
        (field_with(Width::Eight, 0, i64::MAX, 0), "an adjustment of 9223372036854775807"),
    ];
    for (framing, what) in table {
        let error = framing.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(what), "{framing:?}: {}", error.message());
    }
    field_with(Width::One, 0, -255, 0).check().unwrap();
    field_with(Width::One, 0, 5, 0).max_frame(6).check().unwrap();
}

#[test]
fn debugging_shows_the_parameters() {
    let framing = Framing::delimiter("\r\n").max_frame(9);
    assert_eq!(format!("{framing:?}"), r#"Framing { kind: Delimiter("\r\n"), max_frame: 9 }"#);
    assert!(format!("{:?}", counted()).contains("Custom"));
    let several = Framing::delimiters([";", "\r\n"]).deliver_rest();
    let shown = r#"kind: Delimiters("\r\n", ";"), max_frame: 16777216, delivers_rest: true }"#;
    assert!(format!("{several:?}").contains(shown), "{several:?}");
}
