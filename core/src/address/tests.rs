use std::time::Duration;

use super::*;

mod connecting;
mod options;
mod terms;

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

fn connect(url: &str) -> ConnectUrl {
    ConnectUrl::parse(url, &Terms::default(), &ConnOptions::default()).unwrap()
}

#[test]
fn what_is_wrong_is_quoted_with_the_url() {
    for (url, what) in [
        ("", "the port is missing"),
        ("tcp://127.0.0.1", "the port is missing"),
        ("tcp://127.0.0.1:", "the port is missing"),
        ("/run/x.sock", "the port is missing; a path has a scheme of its own, unix:///run/x.sock"),
        ("5000", "the port is missing; a port alone is written :5000"),
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
