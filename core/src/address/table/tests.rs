use std::time::Duration;

use super::super::{ConnectUrl, ListenOptions, ListenUrl, Terms};
use super::*;
use crate::base::error::{ErrorKind, Result};
use crate::contract::config::Timeouts;
use crate::contract::options::ConnOptions;
use crate::framing::LengthField;

/// A value of each option.
const EXAMPLES: &[(&str, &str)] = &[
    ("reuseport", "false"),
    ("backlog", "7"),
    ("nodelay", "true"),
    ("keepalive", "60,10,3"),
    ("rcvbuf", "5000"),
    ("sndbuf", "6000"),
    ("device", "lo"),
    ("ipv6only", "true"),
    ("mode", "0600"),
    ("shared", "false"),
    ("datagram", "1200"),
    ("broadcast", "true"),
    ("join", "239.1.2.3@lo"),
    ("bind", "127.0.0.1:5"),
    ("idle", "1"),
    ("read", "2"),
    ("write", "3"),
    ("half_open", "true"),
    ("framing", "line"),
];

/// The options of one connection, by whatever URL it comes.
fn listen(url: &str, beside: &ConnOptions) -> Result<ConnOptions> {
    ListenUrl::parse(url, &ListenOptions::default(), beside).map(|parsed| parsed.conns)
}

fn connect(url: &str, beside: &ConnOptions) -> Result<ConnOptions> {
    ConnectUrl::parse(url, &Terms::default(), beside).map(|parsed| parsed.conns)
}

/// Both, of the same query; each stream's scheme has these options.
fn both(query: &str, beside: &ConnOptions) -> [Result<ConnOptions>; 5] {
    [
        listen(&format!("tcp://127.0.0.1:1?{query}"), beside),
        listen(&format!("unix:///x?{query}"), beside),
        listen(&format!("fd://3?{query}"), beside),
        connect(&format!("tcp6://[::1]:1?{query}"), beside),
        connect(&format!("unix://@x?{query}"), beside),
    ]
}

#[test]
fn each_row_sets_its_own_member_and_no_other() {
    assert_eq!(
        OPTIONS.iter().map(|row| row.name).collect::<Vec<_>>(),
        EXAMPLES.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    for (row, (name, text)) in OPTIONS.iter().zip(EXAMPLES) {
        let mut asked = Asked::default();
        assert_eq!((row.set)(&mut asked, text), Some(()), "{name}={text}");
        let given: Vec<_> =
            OPTIONS.iter().filter(|row| row.is_given(&mut asked)).map(|row| row.name).collect();
        assert_eq!(given, [*name]);
        (row.at)(&mut asked).forget();
        assert!(!row.is_given(&mut asked), "{name}");
    }
}

#[test]
fn what_a_connection_begins_with_stands_in_the_query() {
    for conns in both("idle=10&read=20&write=30&half_open=true&framing=fixed:4", &ConnOptions::default()) {
        let ConnOptions { framing, timeouts, half_open } = conns.unwrap();
        let millis = Duration::from_millis;
        assert_eq!(timeouts, Timeouts { idle: millis(10), read: millis(20), write: millis(30) });
        assert!(half_open);
        assert_eq!(format!("{:?}", framing.unwrap()), format!("{:?}", Framing::fixed(4)));
    }
}

#[test]
fn the_query_wins_over_what_connections_are_told_beside_it() {
    let second = Duration::from_secs(1);
    let timeouts = Timeouts { idle: second, read: second, write: second };
    let beside = ConnOptions { framing: Some(Framing::line()), timeouts, half_open: true };
    for conns in both("sndbuf=5000", &beside) {
        let conns = conns.unwrap();
        assert_eq!((conns.timeouts, conns.half_open, conns.framing.is_some()), (timeouts, true, true));
    }
    for conns in both("idle=0&write=2&half_open=false&framing=none", &beside) {
        let conns = conns.unwrap();
        let timeouts = Timeouts { idle: Duration::ZERO, write: Duration::from_millis(2), ..timeouts };
        assert_eq!((conns.timeouts, conns.half_open, conns.framing.is_some()), (timeouts, false, false));
    }
}

#[test]
fn of_an_option_that_is_given_twice_the_last_counts() {
    let conns =
        listen("tcp://:1?idle=1&read=5&idle=2&framing=none&framing=line", &ConnOptions::default()).unwrap();
    assert_eq!(conns.timeouts.idle, Duration::from_millis(2));
    assert!(conns.framing.is_some());
}

#[test]
fn a_framing_of_the_query_has_all_that_the_api_has() {
    let query = "framing=length:2,order=little,offset=1,adjustment=-3,strip=0,max_frame=65535";
    let field = LengthField {
        offset: 1,
        adjustment: -3,
        strip: 0,
        ..LengthField::new(crate::framing::Width::Two, crate::framing::ByteOrder::Little)
    };
    let expected = Framing::length_field(field).max_frame(65_535);
    for conns in both(query, &ConnOptions::default()) {
        assert_eq!(format!("{:?}", conns.unwrap().framing.unwrap()), format!("{expected:?}"));
    }
}

#[test]
fn a_malformed_option_says_its_form() {
    for (option, form) in [
        ("idle=", "idle=MS, a number of milliseconds, 0 for never"),
        ("idle=-1", "idle=MS"),
        ("read=1s", "read=MS"),
        ("write=never", "write=MS"),
        ("half_open=yes", "half_open=BOOL, true or false"),
        ("half_open", "half_open=BOOL"),
        ("framing=", "framing=FRAMING, none, line, fixed:LENGTH, delimiter:BYTES, length:WIDTH (1, 2, 3, 4, 8 or varint) or resp"),
        ("framing=lines", "framing=FRAMING"),
        ("framing=delimiter:%2", "framing=FRAMING"),
        ("framing=line,max=5", "framing=FRAMING"),
    ] {
        for error in both(option, &ConnOptions::default()) {
            let error = error.expect_err(option);
            assert_eq!(error.kind(), ErrorKind::InvalidAddress);
            let expected = format!("malformed option {option:?}: the form is {form}");
            assert!(error.message().contains(&expected), "{}", error.message());
        }
    }
    let error = listen("tcp://:1?backlog=many", &ConnOptions::default()).unwrap_err();
    let expected = "listen address \"tcp://:1?backlog=many\": malformed option \"backlog=many\": the form is backlog=N, a \
                    number of connections above 0";
    assert_eq!(error.message(), expected);
}

#[test]
fn a_framing_that_contradicts_itself_says_why() {
    for (option, why) in [
        ("framing=fixed:0", "a fixed frame needs at least one byte"),
        ("framing=delimiter:", "a delimiter needs at least one byte"),
        ("framing=fixed:9,max_frame=8", "a fixed frame of 9 bytes is above the maximum of 8"),
        ("framing=length:4,strip=5000,max_frame=100", "strip is 5000 bytes"),
    ] {
        for error in both(option, &ConnOptions::default()) {
            let error = error.expect_err(option);
            assert_eq!(error.kind(), ErrorKind::InvalidAddress);
            assert!(error.message().contains(&format!("option {option:?}: {why}")), "{}", error.message());
        }
    }
}

#[test]
fn an_unknown_option_names_those_that_are_known() {
    let unknown = |error: Result<ConnOptions>| error.unwrap_err().message().to_owned();
    let none = ConnOptions::default();
    assert_eq!(
        unknown(listen("tcp4://:1?reuse_port=1", &none)),
        "listen address \"tcp4://:1?reuse_port=1\": unknown option \"reuse_port=1\" for the scheme tcp4 (known: reuseport, \
         backlog, nodelay, keepalive, rcvbuf, sndbuf, device, shared, idle, read, write, half_open, framing)"
    );
    assert_eq!(
        unknown(connect("udp://h:1?colour", &none)),
        "connect address \"udp://h:1?colour\": unknown option \"colour\" for the scheme udp (known: rcvbuf, sndbuf, device, \
         broadcast, bind)"
    );
}

#[test]
fn what_streams_begin_with_is_refused_for_datagrams_by_name() {
    let none = ConnOptions::default();
    for option in ["idle=1", "read=1", "write=1", "half_open=true", "framing=line"] {
        for scheme in ["udp", "udp4", "udp6"] {
            let url = format!("{scheme}://localhost:1?{option}");
            for error in [listen(&url, &none), connect(&url, &none)] {
                let error = error.expect_err(&url);
                assert_eq!(error.kind(), ErrorKind::InvalidAddress);
                let expected = format!("{url:?}: unknown option {option:?} for the scheme {scheme} (known: ");
                assert!(error.message().contains(&expected), "{}", error.message());
            }
        }
    }
}

/// The row of a table that the README shows.
fn shown(row: &OptionRow) -> String {
    let kinds = |has: fn(Scheme) -> bool| {
        let kinds = KINDS.into_iter().filter(|scheme| has(*scheme));
        kinds.map(|scheme| scheme.to_string()).collect::<Vec<_>>().join(", ")
    };
    let OptionRow { name, about, .. } = row;
    let (form, listens, connects) = (row.form.replace('|', "\\|"), kinds(row.listens), kinds(row.connects));
    format!("| `{name}={form}` | {listens} | {connects} | {about} |\n")
}

/// `UPDATE_README=1` writes it.
#[test]
fn the_readme_shows_the_table() {
    const BEGIN: &str = "| in the query | listeners | connects | |\n|---|---|---|---|\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let end: usize = rest.split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
    let table: String = OPTIONS.iter().map(shown).collect();
    if std::env::var_os("UPDATE_README").is_some_and(|value| value == "1") {
        std::fs::write(path, format!("{before}{BEGIN}{table}{}", &rest[end..])).unwrap();
    } else {
        assert_eq!(&rest[..end], table, "README.md is stale: run `make header`");
    }
}

#[test]
fn the_documentation_has_every_option_with_its_form() {
    let listens = [
        include_str!("../options.rs"),
        include_str!("../../contract/options.rs"),
        include_str!("../../contract/config.rs"),
    ]
    .concat();
    let connects = include_str!("../../api/outgoing.rs");
    for row in OPTIONS {
        let documented = format!("`{}={}`", row.name, row.form);
        assert!(!row.is_of_listeners() || listens.contains(&documented), "{documented}");
        assert!(!row.is_of_connects() || connects.contains(&documented), "{documented}");
    }
}
