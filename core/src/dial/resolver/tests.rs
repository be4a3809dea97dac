use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicUsize;
use std::sync::Condvar;
use std::time::Instant;

use super::*;

/// Longer than any machine needs.
const LIMIT: Duration = Duration::from_secs(60);
const LONG: Patience = Patience { idle: LIMIT, close: LIMIT };

/// A name server of a test's: it answers 127.0.0.1, fails for `missing`, and names that begin with `slow`
/// wait until it is opened.
#[derive(Default)]
struct Server {
    open: Mutex<bool>,
    opened: Condvar,
    /// Lookups under way, and the most there have been.
    under_way: AtomicUsize,
    most: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

impl Server {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn lookup(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        self.asked.lock().unwrap().push(host.into());
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(under_way, Ordering::SeqCst);
        if host.starts_with("slow") {
            let open = self.open.lock().unwrap();
            drop(self.opened.wait_while(open, |open| !*open).unwrap());
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        match host {
            "missing" => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
            _ => Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()]),
        }
    }

    fn resolver(self: &Arc<Self>, patience: Patience) -> Arc<Resolver> {
        let server = Arc::clone(self);
        Arc::new(Resolver::with(move |host| server.lookup(host), patience))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }
}

/// Somebody who waits for an answer. It comes through the channel, which ends when `done` is dropped unanswered.
struct Waiting {
    answer: Receiver<Found>,
    look_up: LookUp,
}

fn submit(resolver: &Resolver, host: &str) -> Waiting {
    let (sender, answer) = unbounded();
    let done = Box::new(move |found| sender.send(found).unwrap());
    Waiting { look_up: resolver.submit(host.into(), done).unwrap(), answer }
}

fn answer(waiting: &Waiting) -> Result<Vec<IpAddr>, Arc<io::Error>> {
    let found = waiting.answer.recv_timeout(LIMIT).expect("an answer")?;
    Ok(found.iter().map(SocketAddr::ip).collect())
}

fn dropped(waiting: &Waiting) -> bool {
    matches!(waiting.answer.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected))
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Threads that have not given up what they share with the resolver.
fn threads(resolver: &Resolver) -> usize {
    Arc::strong_count(&resolver.shared) - 1
}

#[test]
fn the_system_knows_localhost_and_addresses_in_figures() {
    let resolver = Resolver::new();
    let localhost = answer(&submit(&resolver, "localhost")).unwrap();
    assert!(!localhost.is_empty() && localhost.iter().all(IpAddr::is_loopback), "{localhost:?}");
    let figures: Vec<IpAddr> = vec!["2001:db8::7".parse().unwrap()];
    assert_eq!(answer(&submit(&resolver, "2001:db8::7")).unwrap(), figures);
    assert!(answer(&submit(&resolver, "a name\0with a hole")).is_err());
    resolver.close();
    assert_eq!(threads(&resolver), 0);
}

#[test]
fn a_failure_is_an_answer() {
    let resolver = Arc::new(Server::default()).resolver(LONG);
    let failed = answer(&submit(&resolver, "missing")).unwrap_err();
    assert_eq!((failed.kind(), failed.to_string()), (io::ErrorKind::NotFound, "no such name".into()));
}

#[test]
fn many_names_are_looked_up_at_once_and_the_others_wait() {
    let server = Arc::new(Server::default());
    let resolver = server.resolver(LONG);
    let answers: Vec<_> = (0..MOST + 5).map(|number| submit(&resolver, &format!("slow{number}"))).collect();
    until("all lookups under way", || server.under_way() == MOST);
    server.open();
    for waiting in &answers {
        assert_eq!(answer(waiting).unwrap(), [Ipv4Addr::LOCALHOST]);
    }
    assert_eq!((server.most.load(Ordering::SeqCst), threads(&resolver)), (MOST, MOST));
}

#[test]
fn equal_names_are_looked_up_once_for_all_who_wait() {
    let server = Arc::new(Server::default());
    let resolver = server.resolver(LONG);
    let mut answers: Vec<_> = (0..60).map(|_| submit(&resolver, "slow")).collect();
    until("a lookup under way", || server.under_way() == 1);
    answers.extend((0..60).map(|_| submit(&resolver, "slow")));
    // Who waits no more is told nothing.
    let withdrawn = answers.remove(70);
    drop(withdrawn.look_up);
    assert!(withdrawn.answer.recv_timeout(LIMIT).is_err());
    server.open();
    for waiting in &answers {
        assert_eq!(answer(waiting).unwrap(), [Ipv4Addr::LOCALHOST]);
    }
    assert_eq!((server.asked(), threads(&resolver)), (vec!["slow".to_owned()], 1));
    // It was answered: the next one asks anew.
    assert_eq!(answer(&submit(&resolver, "slow")).unwrap(), [Ipv4Addr::LOCALHOST]);
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn names_that_nobody_waits_for_any_more_hold_nobody_up() {
    let server = Arc::new(Server::default());
    let resolver = server.resolver(LONG);
    let mut slow: Vec<_> = (0..MOST).map(|number| submit(&resolver, &format!("slow{number}"))).collect();
    until("all lookups under way", || server.under_way() == MOST);
    let waits = submit(&resolver, "fast");
    let (given_up, again) = (submit(&resolver, "given up"), submit(&resolver, "again"));
    drop((given_up.look_up, again.look_up));
    let again = submit(&resolver, "again");
    // A thread for those that wait takes the place of one that hangs.
    drop(slow.pop());
    assert_eq!(answer(&waits).unwrap(), [Ipv4Addr::LOCALHOST]);
    assert_eq!(answer(&again).unwrap(), [Ipv4Addr::LOCALHOST]);
    drop(slow);
    let more: Vec<_> = (0..MOST).map(|number| submit(&resolver, &format!("slower{number}"))).collect();
    until("as many again under way", || server.under_way() == 2 * MOST);
    // Who asks for a name that hangs waits for the answer to come.
    let joined = submit(&resolver, "slow0");
    server.open();
    more.iter().chain([&joined]).for_each(|waiting| assert!(answer(waiting).is_ok()));
    let asked = server.asked();
    let times = |host: &str| asked.iter().filter(|asked| *asked == host).count();
    assert_eq!((times("given up"), times("again"), times("slow0")), (0, 1, 1));
    resolver.close();
    let state = resolver.shared.lock();
    assert_eq!((state.under_way, state.abandoned, state.asked.len()), (0, 0, 0));
}

#[test]
fn closing_again_does_not_wait_as_long_again() {
    let server = Arc::new(Server::default());
    let resolver = server.resolver(Patience { close: Duration::from_millis(20), ..LONG });
    let _hanging = submit(&resolver, "slow");
    until("a lookup under way", || server.under_way() == 1);
    resolver.close();
    let until = resolver.shared.close();
    assert!(until <= Instant::now());
    resolver.close();
    assert_eq!(resolver.shared.close(), until);
    server.open();
}

#[test]
fn a_slow_name_does_not_hold_up_a_fast_one_and_idle_threads_serve_again() {
    let server = Arc::new(Server::default());
    let resolver = server.resolver(LONG);
    let slow = submit(&resolver, "slow");
    for _ in 0..20 {
        assert_eq!(answer(&submit(&resolver, "fast")).unwrap(), [Ipv4Addr::LOCALHOST]);
        until("an idle thread", || resolver.shared.lock().asked.len() == 1);
    }
    assert_eq!(threads(&resolver), 2);
    server.open();
    assert_eq!(answer(&slow).unwrap(), [Ipv4Addr::LOCALHOST]);
}

#[test]
fn threads_have_a_name_and_take_no_signals() {
    let status = || std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let (sender, receiver) = unbounded();
    let resolver = Resolver::with(
        move |_| {
            sender.send((thread::current().name().map(str::to_owned), status())).unwrap();
            Ok(Vec::new())
        },
        LONG,
    );
    assert!(answer(&submit(&resolver, "name")).unwrap().is_empty());
    let (name, status) = receiver.recv().unwrap();
    assert_eq!(name.as_deref(), Some("reactor-resolve"));
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
    let blocked = u64::from_str_radix(blocked, 16).unwrap();
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGCHLD, libc::SIGUSR1] {
        assert_ne!(blocked & (1 << (signal - 1)), 0, "signal {signal} in {blocked:#x}");
    }
}

#[test]
fn idle_threads_end_and_others_begin_when_needed() {
    let resolver = Arc::new(Server::default()).resolver(Patience { idle: Duration::ZERO, ..LONG });
    for _ in 0..50 {
        assert_eq!(answer(&submit(&resolver, "fast")).unwrap(), [Ipv4Addr::LOCALHOST]);
        until("no thread", || {
            let state = resolver.shared.lock();
            state.running == 0 && state.threads.iter().all(JoinHandle::is_finished)
        });
        assert_eq!(resolver.shared.lock().threads.len(), 1);
    }
}

#[test]
fn a_name_that_comes_while_a_thread_gives_up_is_taken() {
    let resolver = Arc::new(Server::default()).resolver(Patience { idle: Duration::ZERO, ..LONG });
    for _ in 0..20 {
        let mut state = resolver.shared.lock();
        state.running = 1;
        let shared = Arc::clone(&resolver.shared);
        let thread = thread::spawn(move || shared.next());
        // So that the thread mostly has found nothing when it meets the lock.
        thread::sleep(Duration::from_millis(1));
        let names = state.open.as_ref().map(|open| open.names.clone()).unwrap();
        names.send("late".into()).unwrap();
        drop(state);
        assert_eq!(thread.join().unwrap().expect("the name"), "late");
    }
}

#[test]
fn closing_drops_what_waits_and_what_is_under_way_and_leaves_no_thread() {
    let server = Arc::new(Server::default());
    let resolver = server.resolver(LONG);
    let answers: Vec<_> = (0..MOST + 5).map(|number| submit(&resolver, &format!("slow{number}"))).collect();
    until("all lookups under way", || server.under_way() == MOST);
    let closing = thread::spawn({
        let resolver = Arc::clone(&resolver);
        move || {
            resolver.close();
            threads(&resolver)
        }
    });
    until("closed", || resolver.shared.is_closed());
    assert!(answers[MOST..].iter().all(dropped));
    server.open();
    assert_eq!(closing.join().unwrap(), 0);
    assert!(answers[..MOST].iter().all(dropped));
    let refused = resolver.submit("fast".into(), Box::new(|_| panic!("answered"))).err().unwrap();
    assert!(refused.to_string().contains("closed"), "{refused}");
    resolver.close();
}

#[test]
fn closing_sees_the_threads_off() {
    // Often, because a thread that nobody waits for is mostly gone, too.
    for _ in 0..300 {
        let resolver = Arc::new(Server::default()).resolver(LONG);
        assert_eq!(answer(&submit(&resolver, "fast")).unwrap(), [Ipv4Addr::LOCALHOST]);
        resolver.close();
        assert_eq!(threads(&resolver), 0);
    }
}

#[test]
fn closing_does_not_wait_for_ever_for_a_lookup_that_hangs() {
    let server = Arc::new(Server::default());
    let resolver = server.resolver(Patience { close: Duration::from_millis(1), ..LONG });
    let hanging = submit(&resolver, "slow");
    until("a lookup under way", || server.under_way() == 1);
    resolver.close();
    assert_eq!((server.under_way(), threads(&resolver)), (1, 1));
    server.open();
    assert!(dropped(&hanging));
    until("the thread has ended", || threads(&resolver) == 0);
}

#[test]
fn closing_and_dropping_from_an_answer_do_not_wait_for_themselves() {
    let resolver = Arc::new(Server::default()).resolver(LONG);
    let (sender, receiver) = unbounded();
    let weak = Arc::downgrade(&resolver.shared);
    let last = Arc::clone(&resolver);
    let close = move |_| {
        last.close();
        drop(last);
        sender.send(()).unwrap();
    };
    let look_up = resolver.submit("fast".into(), Box::new(close)).unwrap();
    drop(resolver);
    // Half the time that waiting would take.
    receiver.recv_timeout(LIMIT / 2).expect("closed");
    until("nothing is left", || weak.strong_count() == 0);
    drop(look_up);
}

#[test]
fn dropping_a_resolver_ends_its_threads() {
    let resolver = Arc::new(Server::default()).resolver(LONG);
    assert_eq!(answer(&submit(&resolver, "fast")).unwrap(), [Ipv4Addr::LOCALHOST]);
    let weak = Arc::downgrade(&resolver.shared);
    drop(resolver);
    until("nothing is left", || weak.strong_count() == 0);
}

#[test]
fn an_answer_that_panics_takes_nothing_along() {
    let resolver = Arc::new(Server::default()).resolver(LONG);
    let _look_ups: Vec<_> =
        (0..5).map(|_| resolver.submit("fast".into(), Box::new(|_| panic!("boom"))).unwrap()).collect();
    assert_eq!(answer(&submit(&resolver, "fast")).unwrap(), [Ipv4Addr::LOCALHOST]);
    resolver.close();
    assert_eq!(threads(&resolver), 0);
}

#[test]
fn in_a_child_of_the_process_that_used_it_nothing_hangs() {
    let resolver = Arc::new(Server::default()).resolver(LONG);
    assert_eq!(answer(&submit(&resolver, "fast")).unwrap(), [Ipv4Addr::LOCALHOST]);
    // As a child would find it: made by another process, and locked by a thread that is not there.
    let shared = Arc::clone(&resolver.shared);
    shared.used_by.store(process::id() + 1, Ordering::Relaxed);
    let locked = shared.lock();
    let (sender, receiver) = unbounded();
    let child = thread::spawn(move || {
        let refused = resolver.submit("fast".into(), Box::new(|_| {})).err().unwrap();
        resolver.close();
        drop(resolver);
        sender.send(refused.to_string()).unwrap();
    });
    let refused = receiver.recv_timeout(LIMIT).expect("nothing hangs");
    assert!(refused.contains("before the fork"), "{refused}");
    drop(locked);
    child.join().unwrap();
    assert!(!shared.is_closed());
    shared.used_by.store(process::id(), Ordering::Relaxed);
    shared.close();
}
