//! Options one by one.

use super::*;

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
