use std::time::Duration;

use super::*;

fn parse(url: &str) -> Result<ListenUrl> {
    ListenUrl::parse(url, &ListenOptions::default(), &ConnOptions::default())
}

fn target(url: &str) -> Target {
    parse(url).unwrap().target
}

fn inet(addr: &str, dual_stack: bool) -> Target {
    Target::Inet { addr: addr.parse().unwrap(), dual_stack }
}

#[test]
fn every_form_names_what_to_bind() {
    assert_eq!(target("tcp://127.0.0.1:5000"), inet("127.0.0.1:5000", false));
    assert_eq!(target("127.0.0.1:0"), inet("127.0.0.1:0", false));
    assert_eq!(target("tcp://:5000"), inet("[::]:5000", true));
    assert_eq!(target(":5000"), inet("[::]:5000", true));
    assert_eq!(target("tcp4://:5000"), inet("0.0.0.0:5000", false));
    assert_eq!(target("tcp6://:5000"), inet("[::]:5000", false));
    assert_eq!(target("[::1]:5000"), inet("[::1]:5000", false));
    assert_eq!(target("localhost:5000"), Target::Name { host: "localhost".into(), port: 5000 });
    assert_eq!(target("unix:///run/x.sock"), Target::Path("/run/x.sock".into()));
    assert_eq!(target("unix://x.sock"), Target::Path("x.sock".into()));
    assert_eq!(target("unix://@name"), Target::Abstract("name".into()));
    assert_eq!(target("udp://:5000"), inet("[::]:5000", true));
    assert_eq!(target("udp4://:5000"), inet("0.0.0.0:5000", false));
    assert_eq!(target("udp6://:5000"), inet("[::]:5000", false));
    assert_eq!(target("udp://127.0.0.1:0"), inet("127.0.0.1:0", false));
    assert_eq!(target("udp6://x:5000"), Target::Name { host: "x".into(), port: 5000 });
    assert_eq!(target("fd://3"), Target::Descriptor(3));
}

#[test]
fn the_query_sets_options_and_is_no_part_of_the_path() {
    let url = "tcp://[::]:1?backlog=7&nodelay=false&reuseport=true&rcvbuf=1000&sndbuf=2000\
               &device=lo&ipv6only=false";
    let expected = ListenOptions {
        reuseport: Some(true),
        backlog: 7,
        nodelay: Some(false),
        recv_buffer: 1000,
        send_buffer: 2000,
        device: Some("lo".into()),
        ipv6_only: Some(false),
        ..ListenOptions::default()
    };
    assert_eq!(parse(url).unwrap().options, expected);
    let url = parse("unix:///x?backlog=9&mode=0660&sndbuf=5").unwrap();
    let expected =
        ListenOptions { backlog: 9, unix_mode: Some(0o660), send_buffer: 5, ..ListenOptions::default() };
    assert_eq!((url.target, url.options), (Target::Path("/x".into()), expected));
}

#[test]
fn keepalive_is_a_choice_or_times() {
    let keepalive = |value: &str| parse(&format!("tcp://:1?keepalive={value}")).unwrap().options.keepalive;
    let times = |idle, interval, count| {
        let (idle, interval) = (Duration::from_secs(idle), Duration::from_secs(interval));
        Some(KeepAlive { idle, interval, count })
    };
    assert_eq!(keepalive("true"), Some(KeepAlive::ON));
    assert_eq!(keepalive("false"), Some(KeepAlive::OFF));
    assert_eq!(keepalive("60"), times(60, 0, 0));
    assert_eq!(keepalive("60,10"), times(60, 10, 0));
    assert_eq!(keepalive("60,10,3"), times(60, 10, 3));
}

#[test]
fn groups_are_joined_on_an_interface_if_one_is_given() {
    let url = parse("udp://:1?join=224.0.0.9&join=ff02::9@lo&join=239.1.1.1@127.0.0.1").unwrap();
    let group = |group: &str, interface: Option<&str>| Multicast {
        group: group.parse().unwrap(),
        interface: interface.map(str::to_owned),
    };
    let expected =
        [group("224.0.0.9", None), group("ff02::9", Some("lo")), group("239.1.1.1", Some("127.0.0.1"))];
    assert_eq!(url.options.multicast, expected);
}

#[test]
fn the_query_wins_over_the_options_beside_it() {
    let group = |group: &str| vec![Multicast { group: group.parse().unwrap(), interface: None }];
    let beside = ListenOptions {
        reuseport: Some(true),
        recv_buffer: 10,
        send_buffer: 20,
        device: Some("lo".into()),
        ipv6_only: Some(true),
        multicast: group("ff02::1"),
        ..ListenOptions::default()
    };
    let none = ListenUrl::parse("udp://[::]:1", &beside, &ConnOptions::default()).unwrap();
    assert_eq!(none.options, beside);
    let url = "udp://[::]:1?reuseport=false&rcvbuf=11&sndbuf=21&device=eth0&ipv6only=false&join=ff02::2";
    let all = ListenUrl::parse(url, &beside, &ConnOptions::default()).unwrap().options;
    let expected = ListenOptions {
        reuseport: Some(false),
        recv_buffer: 11,
        send_buffer: 21,
        device: Some("eth0".into()),
        ipv6_only: Some(false),
        multicast: group("ff02::2"),
        ..ListenOptions::default()
    };
    assert_eq!(all, expected);
    let beside = ListenOptions {
        backlog: 5,
        nodelay: Some(true),
        keepalive: Some(KeepAlive::ON),
        ..ListenOptions::default()
    };
    let url = ListenUrl::parse(
        "tcp://:1?backlog=6&nodelay=false&keepalive=false",
        &beside,
        &ConnOptions::default(),
    )
    .unwrap();
    let expected = ListenOptions {
        backlog: 6,
        nodelay: Some(false),
        keepalive: Some(KeepAlive::OFF),
        ..ListenOptions::default()
    };
    assert_eq!(url.options, expected);
    let beside = ListenOptions { unix_mode: Some(0o600), ..ListenOptions::default() };
    assert_eq!(
        ListenUrl::parse("unix:///x?mode=0", &beside, &ConnOptions::default()).unwrap().options.unix_mode,
        Some(0)
    );
}

#[test]
fn options_beside_the_url_are_checked_and_named() {
    let default = ListenOptions::default;
    let multicast = |group: &str| vec![Multicast { group: group.parse().unwrap(), interface: None }];
    let hour = Duration::from_secs(3600);
    let keepalive = |idle, interval, count| Some(KeepAlive { idle, interval, count });
    for (url, options, what) in [
        (
            "unix:///x",
            ListenOptions { nodelay: Some(true), ..default() },
            "the option nodelay does not apply",
        ),
        ("unix:///x", ListenOptions { recv_buffer: 1, ..default() }, "recv_buffer does not apply"),
        (
            "udp://:1",
            ListenOptions { backlog: 1, ..default() },
            "the option backlog does not apply to the scheme udp",
        ),
        (
            "udp://:1",
            ListenOptions { keepalive: Some(KeepAlive::OFF), ..default() },
            "keepalive does not apply",
        ),
        ("tcp://:1", ListenOptions { unix_mode: Some(0o600), ..default() }, "unix_mode does not apply"),
        (
            "tcp://:1",
            ListenOptions { multicast: multicast("224.0.0.1"), ..default() },
            "multicast does not apply",
        ),
        ("tcp4://:1", ListenOptions { ipv6_only: Some(true), ..default() }, "ipv6_only does not apply"),
        ("fd://3", ListenOptions { reuseport: Some(true), ..default() }, "reuseport does not apply"),
        ("fd://3", ListenOptions { device: Some("lo".into()), ..default() }, "device does not apply"),
        (
            "tcp://:1",
            ListenOptions { recv_buffer: 1 << 31, ..default() },
            "the option recv_buffer: 2147483648 bytes",
        ),
        (
            "tcp://:1",
            ListenOptions { send_buffer: 1 << 31, ..default() },
            "the option send_buffer: 2147483648 bytes",
        ),
        ("tcp://:1", ListenOptions { backlog: 1 << 31, ..default() }, "the option backlog: 2147483648"),
        (
            "tcp://:1",
            ListenOptions { device: Some("x".repeat(16)), ..default() },
            "the option device: \"xxxx",
        ),
        ("tcp://:1", ListenOptions { device: Some(String::new()), ..default() }, "the option device: \"\""),
        (
            "unix:///x",
            ListenOptions { unix_mode: Some(0o1000), ..default() },
            "the option unix_mode: the mode 0o1000",
        ),
        ("unix://@x", ListenOptions { unix_mode: Some(0o600), ..default() }, "an abstract name has no mode"),
        (
            "tcp://1.2.3.4:1",
            ListenOptions { ipv6_only: Some(true), ..default() },
            "ipv6_only: the address is of IPv4",
        ),
        (
            "udp://:1",
            ListenOptions { multicast: multicast("10.0.0.1"), ..default() },
            "10.0.0.1 is not a multicast",
        ),
        ("udp4://:1", ListenOptions { multicast: multicast("ff02::1"), ..default() }, "ff02::1 does not fit"),
        (
            "tcp://:1",
            ListenOptions { keepalive: keepalive(10 * hour, hour, 0), ..default() },
            "keepalive: 36000 s",
        ),
        (
            "tcp://:1",
            ListenOptions { keepalive: keepalive(hour, 10 * hour, 0), ..default() },
            "keepalive: 36000 s",
        ),
        (
            "tcp://:1",
            ListenOptions { keepalive: keepalive(hour, hour, 128), ..default() },
            "128 probes are above 127",
        ),
    ] {
        let error = ListenUrl::parse(url, &options, &ConnOptions::default()).expect_err(what);
        assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{url}");
        assert!(error.message().contains(what), "{}", error.message());
        assert!(error.message().contains(&format!("{url:?}")), "{}", error.message());
    }
}

#[test]
fn what_is_wrong_is_quoted_with_the_url() {
    for (url, what) in [
        ("", "the port is missing"),
        ("tcp://127.0.0.1", "the port is missing"),
        ("tcp://127.0.0.1:", "the port is missing"),
        ("tcp://127.0.0.1:65536", "\"65536\" is not a port"),
        ("tcp://127.0.0.1:+80", "\"+80\" is not a port"),
        ("tcp://127.0.0.1:http", "\"http\" is not a port"),
        ("tcp://::1:5000", "must stand in brackets"),
        ("tcp://[::1:5000", "the closing bracket is missing"),
        ("tcp://[::g]:5000", "\"::g\" is not an IPv6 address"),
        ("tcp://[fe80::1%]:5000", "the zone of \"fe80::1%\" is empty"),
        ("tcp://[fe80::g%lo]:5000", "\"fe80::g%lo\" is not an IPv6 address"),
        ("tcp4://[fe80::1%lo]:5000", "fe80::1 does not fit the scheme tcp4"),
        ("tcp://[::ffff:1.2.3.4%lo]:5000", "an IPv4 address has no zone"),
        ("tcp4://[::1]:5000", "::1 does not fit the scheme tcp4"),
        ("tcp6://127.0.0.1:5000", "127.0.0.1 does not fit the scheme tcp6"),
        ("gopher://:70", "unknown scheme \"gopher\""),
        ("unix:///a%zz", "a % stands before two hexadecimal digits"),
        ("unix:///a%00b", "zero byte"),
        ("unix://@a%", "and for itself as %25"),
        ("tcp6://[::ffff:1.2.3.4]:5000", "1.2.3.4 does not fit the scheme tcp6"),
        ("unix://", "the path is empty"),
        ("unix://@", "the path is empty"),
        ("unix:///a\0b", "zero byte"),
        ("tcp://a\nb:1?c\n=d", "unknown option \"c\\n=d\""),
        ("tcp://:1?backlog=0", "malformed option \"backlog=0\""),
        ("tcp://:1?nodelay", "malformed option \"nodelay\""),
        ("tcp://:1?colour=red", "unknown option \"colour=red\""),
        ("udp6://127.0.0.1:5000", "127.0.0.1 does not fit the scheme udp6"),
        ("udp4://[::1]:5000", "::1 does not fit the scheme udp4"),
        ("gopher://:70", "(known: tcp, tcp4, tcp6, udp, udp4, udp6, unix, fd)"),
        ("fd://", "\"\" is not a descriptor's number"),
        ("fd://-1", "\"-1\" is not a descriptor's number"),
        ("fd://3000000000", "is not a descriptor's number"),
        ("tcp://:1?backlog=+1", "malformed option \"backlog=+1\""),
        ("tcp://:1?backlog=3000000000", "option \"backlog=3000000000\": 3000000000 connections are above"),
        ("tcp://:1?keepalive=0", "malformed option \"keepalive=0\""),
        ("tcp://:1?keepalive=1,2,3,4", "malformed option \"keepalive=1,2,3,4\""),
        ("tcp://:1?keepalive=1,,3", "malformed option \"keepalive=1,,3\""),
        ("tcp://:1?keepalive=32768", "option \"keepalive=32768\": 32768 s is above 32767 s"),
        ("tcp://:1?rcvbuf=0", "malformed option \"rcvbuf=0\""),
        ("tcp://:1?rcvbuf=2147483648", "option \"rcvbuf=2147483648\": 2147483648 bytes are above"),
        ("tcp://:1?sndbuf=1k", "malformed option \"sndbuf=1k\""),
        ("tcp://:1?device=", "option \"device=\": \"\" is not an interface name"),
        ("tcp://:1?mode=600", "unknown option \"mode=600\" for the scheme tcp"),
        ("tcp://:1?join=224.0.0.1", "unknown option \"join=224.0.0.1\" for the scheme tcp"),
        ("tcp6://:1?ipv6only=false", "option \"ipv6only=false\": the scheme tcp6 is for IPv6 only"),
        ("tcp4://:1?ipv6only=true", "unknown option \"ipv6only=true\" for the scheme tcp4"),
        ("udp://:1?backlog=1", "unknown option \"backlog=1\" for the scheme udp"),
        ("udp://:1?nodelay=true", "unknown option \"nodelay=true\" for the scheme udp"),
        ("udp://:1?join=10.1.1.1", "option \"join=10.1.1.1\": 10.1.1.1 is not a multicast address"),
        ("udp://:1?join=224.0.0.1@", "option \"join=224.0.0.1@\": the interface is empty"),
        ("udp://:1?join=all", "malformed option \"join=all\""),
        ("udp://1.2.3.4:1?join=ff02::1", "option \"join=ff02::1\": ff02::1 does not fit"),
        ("unix:///x?mode=1000", "option \"mode=1000\": the mode 0o1000 is above 0o777"),
        ("unix:///x?mode=888", "malformed option \"mode=888\""),
        ("unix:///x?mode=", "malformed option \"mode=\""),
        ("unix://@x?mode=600", "option \"mode=600\": an abstract name has no mode"),
        ("unix:///x?rcvbuf=1", "unknown option \"rcvbuf=1\" for the scheme unix"),
        ("unix:///x?reuseport=true", "unknown option \"reuseport=true\" for the scheme unix"),
        ("fd://3?backlog=1", "unknown option \"backlog=1\" for the scheme fd"),
        ("fd://3?mode=600", "unknown option \"mode=600\" for the scheme fd"),
        ("unix:///x?nodelay=true", "unknown option \"nodelay=true\" for the scheme unix"),
    ] {
        let error = parse(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{url}");
        assert!(error.message().contains(what), "{}", error.message());
        assert!(error.message().contains(&format!("{url:?}")), "{}", error.message());
        assert!(!error.message().contains(['\n', '\0']), "{:?}", error.message());
    }
    let long = format!("unix:///{}", "x".repeat(107));
    assert!(parse(&long).unwrap_err().message().contains("has 108 bytes"));
}

#[test]
fn a_unix_address_may_have_escapes_and_what_is_told_is_taken() {
    let path = |bytes: &[u8]| Target::Path(OsString::from_vec(bytes.to_vec()).into());
    assert_eq!(parse("unix:///a%3Fb%25%ff?backlog=3").unwrap().target, path(b"/a?b%\xff"));
    assert_eq!(parse("UNIX://%40x").unwrap().target, path(b"@x"));
    assert_eq!(connect("unix://@a%00%C3%A9").target, Target::Abstract("a\0é".into()));
    for bytes in [&b"/a?b%c%41"[..], b"@x", b"/\xff\xfe", b"relative path\n", "/é".as_bytes()] {
        let Target::Path(told) = path(bytes) else { unreachable!() };
        let told = format!("unix://{}", Address::Path(told));
        assert_eq!(parse(&told).unwrap().target, path(bytes), "{told}");
        let told = format!("unix://{}", Address::Abstract(bytes.to_vec()));
        assert_eq!(parse(&told).unwrap().target, Target::Abstract(bytes.to_vec()), "{told}");
    }
}

#[test]
fn words_for_addresses_are_taken_as_they_are_used() {
    assert_eq!(parse("TCP://127.0.0.1:5").unwrap().scheme, Scheme::Tcp);
    assert_eq!(parse("uDp4://:5").unwrap().scheme, Scheme::Udp4);
    assert_eq!(parse("tcp://*:5").unwrap().target, inet("[::]:5", true));
    assert_eq!(parse("*:5").unwrap().target, inet("[::]:5", true));
    assert_eq!(parse("udp4://*:5").unwrap().target, inet("0.0.0.0:5", false));
    assert_eq!(parse("tcp://[::ffff:127.0.0.1]:5").unwrap().target, inet("127.0.0.1:5", false));
    assert_eq!(connect("udp4://[::ffff:127.0.0.1]:5").target, inet("127.0.0.1:5", false));
    let bound = connect("tcp://1.2.3.4:5?bind=[::ffff:127.0.0.1]:9").options.bind;
    assert_eq!(bound, Some("127.0.0.1:9".parse().unwrap()));
}

#[test]
fn a_zone_is_a_number_or_an_interfaces_name() {
    assert_eq!(parse("tcp://[fe80::1%3]:5").unwrap().target, inet("[fe80::1%3]:5", false));
    assert_eq!(parse("udp6://[fe80::1%0]:5").unwrap().target, inet("[fe80::1]:5", false));
    let named = |zone: &str| Target::Zoned { ip: "fe80::1".parse().unwrap(), zone: zone.into(), port: 5 };
    assert_eq!(parse("tcp6://[fe80::1%eth0]:5").unwrap().target, named("eth0"));
    assert_eq!(connect("[fe80::1%3d]:5").target, named("3d"));
    let bound = |text: &str| {
        let options = connect(&format!("tcp6://x:1?bind={text}")).options;
        (options.bind.unwrap().to_string(), options.bind_zone)
    };
    for (text, address, zone) in [
        ("fe80::1%3", "[fe80::1%3]:0", None),
        ("[fe80::1%3]", "[fe80::1%3]:0", None),
        ("[fe80::1%3]:9", "[fe80::1%3]:9", None),
        ("fe80::1%lo", "[fe80::1]:0", Some("lo")),
        ("[fe80::1%lo]:9", "[fe80::1]:9", Some("lo")),
    ] {
        assert_eq!(bound(text), (address.to_owned(), zone.map(str::to_owned)), "{text}");
    }
}

fn connect(url: &str) -> ConnectUrl {
    ConnectUrl::parse(url, &Terms::default(), &ConnOptions::default()).unwrap()
}

#[test]
fn a_connect_url_names_what_to_reach_and_how() {
    assert_eq!(connect("tcp://127.0.0.1:80").target, inet("127.0.0.1:80", false));
    assert_eq!(connect("[::1]:80").target, inet("[::1]:80", false));
    assert_eq!(connect("example:80").target, Target::Name { host: "example".into(), port: 80 });
    assert_eq!(connect("udp4://1.2.3.4:53").scheme, Scheme::Udp4);
    assert_eq!(connect("unix:///x").target, Target::Path("/x".into()));
    assert_eq!(connect("unix://@x").target, Target::Abstract(b"x".to_vec()));
    let url = "tcp://127.0.0.1:1?nodelay=false&keepalive=5&rcvbuf=10&sndbuf=20&device=lo&bind=127.0.0.2";
    let expected = DialOptions {
        nodelay: Some(false),
        keepalive: Some(KeepAlive { idle: Duration::from_secs(5), ..KeepAlive::ON }),
        recv_buffer: 10,
        send_buffer: 20,
        device: Some("lo".into()),
        bind: Some("127.0.0.2:0".parse().unwrap()),
        ..DialOptions::default()
    };
    assert_eq!(connect(url).options, expected);
    for (text, local) in
        [("127.0.0.1:99", "127.0.0.1:99"), ("::1", "[::1]:0"), ("[::1]", "[::1]:0"), ("[::1]:99", "[::1]:99")]
    {
        assert_eq!(connect(&format!("udp://x:1?bind={text}")).options.bind, Some(local.parse().unwrap()));
    }
}

#[test]
fn what_is_wrong_with_a_connect_url_is_quoted_with_it() {
    for (url, what) in [
        ("tcp://:80", "the host is missing"),
        ("tcp://*:80", "the host is missing"),
        ("udp4://:80", "the host is missing"),
        ("tcp://127.0.0.1", "the port is missing"),
        ("tcp://127.0.0.1:0", "nobody can be reached at port 0"),
        ("udp://name:0", "nobody can be reached at port 0"),
        ("unix://", "the path is empty"),
        ("fd://3", "the scheme fd is for listeners"),
        ("http://x:80", "unknown scheme \"http\""),
        ("tcp://::1:80", "must stand in brackets"),
        ("tcp://x:1?backlog=1", "unknown option \"backlog=1\" for the scheme tcp"),
        ("tcp://x:1?reuseport=true", "unknown option \"reuseport=true\" for the scheme tcp"),
        ("udp://x:1?nodelay=true", "unknown option \"nodelay=true\" for the scheme udp"),
        ("unix:///x?bind=1.2.3.4", "unknown option \"bind=1.2.3.4\" for the scheme unix"),
        ("unix:///x?rcvbuf=1", "unknown option \"rcvbuf=1\" for the scheme unix"),
        ("tcp://x:1?bind=here", "malformed option \"bind=here\""),
        ("tcp://x:1?bind=fe80::1%", "malformed option \"bind=fe80::1%\""),
        ("tcp://x:1?bind=1.2.3.4%lo", "malformed option \"bind=1.2.3.4%lo\""),
        ("tcp://[fe80::1%lo]:1?bind=1.2.3.4", "option \"bind=1.2.3.4\": 1.2.3.4 does not fit"),
        ("tcp://[fe80::1%lo]:0", "nobody can be reached at port 0"),
        ("tcp://1.2.3.4:1?bind=::1", "option \"bind=::1\": ::1 does not fit"),
        ("tcp6://x:1?bind=1.2.3.4:5", "option \"bind=1.2.3.4:5\": 1.2.3.4 does not fit"),
        ("tcp://x:1?sndbuf=2147483648", "option \"sndbuf=2147483648\": 2147483648 bytes are above"),
        ("tcp://x:1?device=", "option \"device=\": \"\" is not an interface name"),
        ("tcp://x:1?keepalive=1,1,200", "200 probes are above 127"),
    ] {
        let error = ConnectUrl::parse(url, &Terms::default(), &ConnOptions::default()).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::InvalidAddress, "{url}");
        assert!(error.message().contains(what), "{}", error.message());
        assert!(error.message().starts_with(&format!("connect address {url:?}: ")), "{}", error.message());
    }
}

#[test]
fn addresses_as_text() {
    let inet = |addr: &str| Address::canonical(addr.parse().unwrap()).to_string();
    assert_eq!(inet("127.0.0.1:5000"), "127.0.0.1:5000");
    assert_eq!(inet("[::1]:5000"), "[::1]:5000");
    assert_eq!(inet("[::ffff:10.0.0.1]:5000"), "10.0.0.1:5000");
    assert_eq!(Address::Path("/run/x".into()).to_string(), "/run/x");
    assert_eq!(Address::Abstract(b"name".to_vec()).to_string(), "@name");
    assert_eq!(Address::Abstract(b"\xffa\0b".to_vec()).to_string(), "@%FFa%00b");
    assert_eq!(Address::Path("/a?b%".into()).to_string(), "/a%3Fb%25");
    assert_eq!(Address::Path("@x".into()).to_string(), "%40x");
    assert_eq!(inet("[fe80::1%2]:5000"), "[fe80::1%2]:5000");
    assert_eq!(Address::Unnamed.to_string(), "");
}

// ---- options one by one ----

fn row(name: &str) -> &'static OptionRow {
    OPTIONS.iter().find(|row| row.name == name).unwrap()
}

fn terms(given: &[(&str, &str)]) -> Terms {
    let mut terms = Terms::default();
    given.iter().for_each(|(name, text)| terms.set(row(name), text).unwrap());
    terms
}

#[test]
fn terms_are_set_by_their_rows() {
    let given = terms(&[
        ("backlog", "7"),
        ("join", "239.1.2.3"),
        ("join", "ff02::5"),
        ("idle", "30"),
        ("framing", "line"),
    ]);
    assert_eq!((given.listener().backlog, given.listener().multicast.len()), (7, 2));
    assert_eq!(given.conns().timeouts.idle, Duration::from_millis(30));
    assert!(given.conns().framing.is_some());
    assert!(Terms::default().set(row("backlog"), "none").is_none());
}

#[test]
fn terms_of_a_connect_stand_beside_the_url_which_wins() {
    let given = terms(&[("nodelay", "false"), ("bind", "127.0.0.1"), ("sndbuf", "5")]);
    let connect = |url| ConnectUrl::parse(url, &given, &ConnOptions::default());
    let options = connect("tcp://127.0.0.1:1?nodelay=true").unwrap().options;
    assert_eq!((options.nodelay, options.send_buffer), (Some(true), 5));
    assert_eq!(options.bind, Some("127.0.0.1:0".parse().unwrap()));
    let error = connect("unix:///tmp/s").unwrap_err();
    assert!(
        error.message().contains("the option nodelay does not apply to the scheme unix"),
        "{}",
        error.message()
    );
    let error = connect("tcp://[::1]:1").unwrap_err();
    assert!(error.message().contains("the option bind: 127.0.0.1 does not fit"), "{}", error.message());
}
