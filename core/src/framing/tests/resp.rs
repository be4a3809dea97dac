//! Commands, against a reference that reads a whole stream in the words of Redis's source.

use super::super::resp::Place;
use super::super::Command;
use super::*;

/// The arguments of the commands, and how the stream ended: with bytes left, or with what the peer is told.
type Read = (Vec<Vec<Vec<u8>>>, Result<Vec<u8>, String>);

/// Cuts a stream that comes in pieces, each of the size that `piece` answers.
fn read_in(framing: &Framing, stream: &[u8], mut piece: impl FnMut() -> usize) -> Read {
    let mut framer = framer(framing);
    let (mut commands, mut places, mut start, mut come) = (Vec::new(), Vec::new(), 0, 0);
    while come < stream.len() {
        come = stream.len().min(come + piece());
        loop {
            let input = &stream[start..come];
            let found = framer.command(input, &mut places);
            let (data, consumed) = match &found {
                Ok(Command::Whole(len)) => (&input[..*len], *len),
                Ok(Command::Unquoted(text, len)) => (&text[..], *len),
                Ok(Command::Nothing(len)) => (&[][..], *len),
                Ok(Command::Need) => break assert_eq!(places, []),
                Err(error) => {
                    assert_eq!(places, []);
                    return (commands, Err(framing.answer_to(error).unwrap()));
                }
            };
            assert!(0 < consumed && consumed <= input.len());
            assert_eq!(places.is_empty(), matches!(found, Ok(Command::Nothing(_))));
            let arguments = places.drain(..).map(|Place { offset, len }| data[offset..offset + len].to_vec());
            commands.extend(Some(arguments.collect::<Vec<_>>()).filter(|arguments| !arguments.is_empty()));
            start += consumed;
        }
    }
    (commands, Ok(stream[start..].to_vec()))
}

/// Cuts a stream whole, byte by byte and in random pieces, which must come to the same.
fn read(framing: &Framing, stream: &[u8]) -> Read {
    let whole = read_in(framing, stream, || stream.len());
    let shown = stream.escape_ascii();
    assert_eq!(read_in(framing, stream, || 1), whole, "byte by byte: {shown}");
    for seed in 1..6 {
        let mut state = seed * 0x9e37_79b9;
        let pieces = read_in(framing, stream, || 1 + random(&mut state) % 9);
        assert_eq!(pieces, whole, "seed {seed}: {shown}");
    }
    whole
}

fn expect(framing: &Framing, stream: impl AsRef<[u8]>, commands: &[&[&str]], end: Result<&str, &str>) {
    let (read, ended) = read(framing, stream.as_ref());
    let strings = |command: &Vec<Vec<u8>>| {
        command.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect::<Vec<_>>()
    };
    let shown = stream.as_ref().escape_ascii();
    assert_eq!(read.iter().map(strings).collect::<Vec<_>>(), commands, "{shown}");
    let end = end.map(|left| left.as_bytes().to_vec());
    assert_eq!(ended, end.map_err(|what| format!("-ERR Protocol error: {what}\r\n")), "{shown}");
}

#[test]
fn a_command_is_an_array_of_strings() {
    let resp = Framing::resp();
    expect(&resp, "*1\r\n$4\r\nPING\r\n", &[&["PING"]], Ok(""));
    expect(&resp, "*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$1\r\nx\r\n", &[&["GET", ""], &["x"]], Ok(""));
    expect(
        &resp,
        "*2\r\n$4\r\n\r\n*1\r\n$2\r\nab\r\n*1\r\n$1\r\nx\r",
        &[&["\r\n*1", "ab"]],
        Ok("*1\r\n$1\r\nx\r"),
    );
    expect(&resp, "*1\r\n$12\r\nabcdefghijkl\r\n*", &[&["abcdefghijkl"]], Ok("*"));
    // Like Redis, whatever stands in the place of CR LF or LF.
    expect(&resp, "*1\rx$1\r\nx??PING\n", &[&["x"], &["PING"]], Ok(""));
}

#[test]
fn a_command_is_a_line_of_words_with_quotes_as_redis_cli_has_them() {
    let resp = Framing::resp();
    expect(
        &resp,
        "PING\r\nGET  a\n\tSET b\tc \r\nx",
        &[&["PING"], &["GET", "a"], &["SET", "b", "c"]],
        Ok("x"),
    );
    expect(&resp, "a\x0bb \x0bc\x0cd\n", &[&["a\x0bb", "c\x0cd"]], Ok(""));
    expect(&resp, "a\rb\r\r\n", &[&["a", "b"]], Ok(""));
    expect(&resp, "SET \"a b\" 'c \\' d'\r\nPING\n", &[&["SET", "a b", "c ' d"], &["PING"]], Ok(""));
    expect(&resp, r#"a"b "'c"#.to_owned() + "\n", &[], Err("unbalanced quotes in request"));
    expect(
        &resp,
        r#""\n\r\t\b\a\\\"\q\x41\x4g" '\n' """#.to_owned() + "\n",
        &[&["\n\r\t\x08\x07\\\"qAx4g", "\\n", ""]],
        Ok(""),
    );
    expect(&resp, "k\"ey\"\x0b'v'\n", &[&["key", "v"]], Ok(""));
    for line in ["\"", "'", "\"a\"b", "'a'b", "\"a\\\"", "'a\\'", "a\"", "\"\\", "\"a\"'b'"] {
        expect(&resp, format!("ok\n{line}\nPING\n"), &[&["ok"]], Err("unbalanced quotes in request"));
    }
}

#[test]
fn what_asks_for_nothing_is_left_out() {
    let resp = Framing::resp().max_frame(20);
    let nothing = "\r\n*0\r\n\n*-1\r\n \t\r\n*-23\r\n";
    expect(&resp, nothing.repeat(5) + "PING\n" + nothing + "*1\r\n$1\r\nx\r\n", &[&["PING"], &["x"]], Ok(""));
    assert!(nothing.len() > 20, "it does not count");
}

#[test]
fn what_is_malformed_is_told_in_the_words_of_redis() {
    let resp = Framing::resp();
    for count in [
        "*\r\n",
        "*x",
        "*+1",
        "*01",
        "*-0",
        "*-x",
        "*--1",
        "*1 ",
        "*1\n",
        "*1048577\r\n",
        "*1234567890123456789",
    ] {
        expect(&resp, format!("*1\r\n$1\r\nx\r\n{count}"), &[&["x"]], Err("invalid multibulk length"));
    }
    for len in ["\r\n", "x", "-1", "+1", "01", "00", "1\n", "536870913\r\n", "1234567890123456789"] {
        expect(&resp, format!("*2\r\n$1\r\nx\r\n${len}"), &[], Err("invalid bulk length"));
    }
    expect(&resp, "*1\r\n:1\r\n", &[], Err("expected '$', got ':'"));
    for (other, told) in
        [("\r", " "), ("\n", " "), ("'", "'"), ("\"", "\""), ("\\", "\\"), ("\t", "\\t"), ("\x7f", "\\x7f")]
    {
        expect(&resp, format!("*1\r\n{other}\r\n"), &[], Err(&format!("expected '$', got '{told}'")));
    }
    expect(&resp, "*1\r\n$1\r\nab\r\n", &[&["a"]], Ok("")); // "b" and CR stand for CR LF
}

#[test]
fn the_limits_are_those_of_redis_unless_the_frame_or_the_user_says_less() {
    let line = |len: usize| "x".repeat(len) + "\n";
    let resp = Framing::resp();
    expect(&resp, line(64 << 10), &[&[&"x".repeat(64 << 10)]], Ok(""));
    expect(&resp, line((64 << 10) + 1), &[], Err("too big inline request"));
    let small = Framing::resp().max_frame(20);
    expect(&small, line(19), &[&[&"x".repeat(19)]], Ok(""));
    expect(&small, line(20), &[], Err("too big inline request"));
    expect(&small, "*1\r\n$10\r\n0123456789\r\n", &[], Err("too big request"));
    expect(&small, "*1\r\n$9\r\n012345678\r\n", &[&["012345678"]], Ok(""));
    expect(&small, "*1\r\n$21\r\n", &[], Err("invalid bulk length"));
    expect(&small, "*2\r\n$1\r\na\r\n$4\r\nbbbb\r\n", &[], Err("too big request"));
    expect(&small, "*3\r\n", &[], Err("too big request"));
    expect(&small, "*1\r\n$0000", &[], Err("invalid bulk length"));
    let few = Framing::resp().max_arguments(2);
    expect(&few, "a b\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", &[&["a", "b"], &["a", "b"]], Ok(""));
    expect(&few, "*3\r\n", &[], Err("invalid multibulk length"));
    expect(&few, "a b c\n", &[], Err("too many arguments in inline request"));
    let none = Framing::resp().max_frame(1);
    expect(&none, "*1", &[], Err("too big request"));
}

#[test]
fn what_was_read_is_not_read_again_before_the_command_is_whole() {
    // The second input breaks the rule that the first bytes stay the same, and shows that nobody looks.
    let (mut framer, mut places) = (framer(&Framing::resp()), Vec::new());
    assert_eq!(framer.command(b"*2\r\n$3\r\nGET\r\n$1\r", &mut places), Ok(Command::Need));
    assert_eq!(framer.command(b"?????????????$1\r\n", &mut places), Ok(Command::Need));
    let whole = b"*2\r\n$3\r\nGET\r\n$1\r\nx\r\n";
    assert_eq!(framer.command(whole, &mut places), Ok(Command::Whole(whole.len())));
    assert_eq!(places, [Place { offset: 8, len: 3 }, Place { offset: 17, len: 1 }]);
    assert_eq!(framer.command(b"abc", &mut places), Ok(Command::Need));
    assert_eq!(
        framer.command(b"\n\n\nd\n", &mut places),
        Ok(Command::Whole(5)),
        "a line's end is searched on"
    );
    assert_eq!(framer.command(b"PING\n", &mut places), Ok(Command::Whole(5)));
}

#[test]
fn nothing_is_allocated_for_arguments_that_are_only_promised() {
    let (mut framer, mut places) = (framer(&Framing::resp()), Vec::new());
    assert_eq!(framer.command(b"*1000000\r\n$1\r\na\r\n", &mut places), Ok(Command::Need));
    assert!(places.capacity() < 64, "{}", places.capacity());
}

#[test]
fn a_stream_is_read_as_the_reference_reads_it() {
    let mut state = 0x2545_f491;
    for _ in 0..4_000 {
        let stream = random_stream(&mut state);
        let framing = Framing::resp().max_frame(90).max_arguments(4);
        assert_eq!(read(&framing, &stream), reference(&stream), "{}", stream.escape_ascii());
    }
}

/// Commands of all kinds, some of them broken.
fn random_stream(state: &mut u64) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..1 + random(state) % 4 {
        match random(state) % 3 {
            0 => {
                let letters = b"ab \t\"'\\x4\r*$";
                stream.extend((0..random(state) % 12).map(|_| letters[random(state) % letters.len()]));
                stream.push(b'\n');
            }
            _ => {
                let count = random(state) % 6;
                stream.extend(format!("*{count}\r\n").bytes());
                for _ in 0..count {
                    let argument = "y".repeat(random(state) % 20);
                    stream.extend(format!("${}\r\n{argument}\r\n", argument.len()).bytes());
                }
            }
        }
    }
    if random(state) % 3 < 1 {
        let at = random(state) % stream.len();
        stream[at] = b"\r\n*$-019x \""[random(state) % 11];
    }
    stream.truncate(stream.len() - random(state) % 3 * (random(state) % 5).min(stream.len()) / 2);
    stream
}

/// Simple, and reads everything from the beginning: with a maximum frame of 90 bytes and 4 arguments.
fn reference(stream: &[u8]) -> Read {
    let (mut commands, mut rest) = (Vec::new(), stream);
    while !rest.is_empty() {
        let within = &rest[..rest.len().min(90)];
        let read = if rest[0] == b'*' { reference_array(within) } else { reference_line(within) };
        match read {
            Ok(Some((arguments, consumed))) => {
                commands.extend(Some(arguments).filter(|arguments| !arguments.is_empty()));
                rest = &rest[consumed..];
            }
            Ok(None) if rest.len() < 90 => break,
            Ok(None) if rest[0] == b'*' => return (commands, wrong("too big request")),
            Ok(None) => return (commands, wrong("too big inline request")),
            Err(what) => return (commands, wrong(&what)),
        }
    }
    (commands, Ok(rest.to_vec()))
}

fn wrong<T>(what: &str) -> Result<T, String> {
    Err(format!("-ERR Protocol error: {what}\r\n"))
}

type Found = Result<Option<(Vec<Vec<u8>>, usize)>, String>;

fn reference_array(within: &[u8]) -> Found {
    let number = |from: usize, what: &str| -> Result<Option<(i64, usize)>, String> {
        let rest = &within[from..];
        let len = rest.iter().position(|byte| !b"0123456789-".contains(byte)).unwrap_or(rest.len());
        let text = std::str::from_utf8(&rest[..len]).unwrap();
        let value = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
        match (value, rest.get(len)) {
            (Some(_), None) => Ok(None),
            (None, None) if ["", "-"].contains(&text) => Ok(None),
            (Some(value), Some(b'\r')) => Ok((rest.len() > len + 1).then_some((value, from + len + 2))),
            _ => Err(what.to_owned()),
        }
    };
    let Some((count, mut at)) = number(1, "invalid multibulk length")? else { return Ok(None) };
    if count > 4 {
        return Err("invalid multibulk length".to_owned());
    }
    let mut arguments = Vec::new();
    for _ in 0..count.max(0) {
        match within.get(at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(b'\r' | b'\n') => return Err("expected '$', got ' '".to_owned()),
            Some(byte) if (b' '..=b'~').contains(byte) => {
                return Err(format!("expected '$', got '{}'", char::from(*byte)))
            }
            Some(byte) => return Err(format!("expected '$', got '{}'", byte.escape_ascii())),
        }
        if within.get(at + 1) == Some(&b'-') {
            return Err("invalid bulk length".to_owned());
        }
        let Some((len, begin)) = number(at + 1, "invalid bulk length")? else { return Ok(None) };
        if !(0..=90).contains(&len) {
            return Err("invalid bulk length".to_owned());
        }
        let end = begin + len as usize;
        if end + 2 > 90 {
            return Err("too big request".to_owned());
        }
        if end + 2 > within.len() {
            return Ok(None);
        }
        arguments.push(within[begin..end].to_vec());
        at = end + 2;
    }
    Ok(Some((arguments, at)))
}

/// As sdssplitargs, with a byte of no value behind the line.
fn reference_line(within: &[u8]) -> Found {
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let mut line = within[..end].to_vec();
    line.pop_if(|byte| *byte == b'\r');
    line.push(0);
    let unbalanced = || Err("unbalanced quotes in request".to_owned());
    let (mut arguments, mut at) = (Vec::new(), 0);
    let space = |byte: u8| byte == b' ' || (9..=13).contains(&byte);
    loop {
        while space(line[at]) {
            at += 1;
        }
        if line[at] == 0 {
            break;
        }
        let (mut word, mut quote, mut done) = (Vec::new(), 0, false);
        while !done {
            let byte = line[at];
            let next = line.get(at + 1).copied().unwrap_or(0);
            match (quote, byte) {
                (b'"', b'\\')
                    if next == b'x'
                        && at + 3 < line.len()
                        && line[at + 2].is_ascii_hexdigit()
                        && line[at + 3].is_ascii_hexdigit() =>
                {
                    let digits = std::str::from_utf8(&line[at + 2..at + 4]).unwrap();
                    word.push(u8::from_str_radix(digits, 16).unwrap());
                    at += 3;
                }
                (b'"', b'\\') if next != 0 => {
                    at += 1;
                    word.push(
                        *[b'\n', b'\r', b'\t', 8, 7]
                            .get(b"nrtba".iter().position(|one| *one == next).unwrap_or(9))
                            .unwrap_or(&next),
                    );
                }
                (b'\'', b'\\') if next == b'\'' => {
                    at += 1;
                    word.push(b'\'');
                }
                (b'"' | b'\'', _) if byte == quote => {
                    if next != 0 && !space(next) {
                        return unbalanced();
                    }
                    done = true;
                }
                (b'"' | b'\'', 0) => return unbalanced(),
                (0, b' ' | b'\n' | b'\r' | b'\t' | 0) => done = true,
                (0, b'"' | b'\'') => quote = byte,
                _ => word.push(byte),
            }
            at += usize::from(line[at] != 0);
        }
        arguments.push(word);
    }
    match arguments.len() {
        0..=4 => Ok(Some((arguments, end + 1))),
        _ => Err("too many arguments in inline request".to_owned()),
    }
}
