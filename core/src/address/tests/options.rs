//! What a listener's URL and the options beside it say.

use super::*;

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
