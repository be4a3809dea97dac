//! Where to connect to.

use super::*;

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
