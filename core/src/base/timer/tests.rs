use std::collections::{BTreeMap, HashMap, HashSet};

use super::*;
use crate::base::conn_id::Lease;

/// A small deterministic generator (xorshift, Marsaglia 2003), so that a failure repeats.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// A delay of any magnitude, from nothing to two years.
fn delay(state: &mut u64) -> u64 {
    let bits = random(state) % 36;
    random(state) >> 28 >> (35 - bits)
}

/// The values of the timers that are due, in order; each is cancelled as it expires.
fn expired<T>(wheel: &mut Wheel<T>, now: u64) -> Vec<T> {
    let mut values = Vec::new();
    while let Some((id, _)) = wheel.expire(now) {
        values.push(wheel.cancel(id).unwrap());
    }
    values
}

/// What the wheel has to do, done naively: filed timers sorted by deadline and order of filing.
#[derive(Default)]
struct Model {
    filed: BTreeMap<(u64, u64), TimerId>,
    /// Where a timer is filed; `None` while it is detached.
    live: HashMap<TimerId, Option<(u64, u64)>>,
    order: u64,
    earliest: u64,
}

impl Model {
    fn file(&mut self, id: TimerId, at: u64) {
        self.unfile(id);
        self.order += 1;
        let key = (at.clamp(self.earliest, HORIZON), self.order);
        self.filed.insert(key, id);
        self.live.insert(id, Some(key));
    }

    fn unfile(&mut self, id: TimerId) {
        if let Some(key) = self.live.insert(id, None).flatten() {
            self.filed.remove(&key);
        }
    }

    fn cancel(&mut self, id: TimerId) -> bool {
        let was_live = self.live.contains_key(&id);
        self.unfile(id);
        self.live.remove(&id);
        was_live
    }

    fn expire(&mut self, now: u64) -> Option<(TimerId, u64)> {
        self.earliest = self.earliest.max(now + 1);
        let (&(deadline, _), &id) =
            self.filed.first_key_value().filter(|((deadline, _), _)| *deadline <= now)?;
        self.unfile(id);
        Some((id, deadline))
    }
}

/// A wheel and its model, which get the same calls and have to give the same answers.
struct Pair {
    wheel: Wheel<u64>,
    model: Model,
    ids: Vec<TimerId>,
    values: HashMap<TimerId, u64>,
    state: u64,
    now: u64,
}

impl Pair {
    fn new(seed: u64, lease: &Lease) -> Pair {
        let (wheel, model) = (Wheel::new(lease.number()), Model::default());
        Pair { wheel, model, ids: Vec::new(), values: HashMap::new(), state: seed * 0x9e37_79b9, now: 0 }
    }

    fn some_id(&mut self) -> Option<TimerId> {
        let count = self.ids.len() as u64;
        (count > 0).then(|| self.ids[(random(&mut self.state) % count) as usize])
    }

    fn insert(&mut self) {
        // Sometimes late, sometimes on one of few common deadlines, so that lists get long.
        let at = match random(&mut self.state) % 8 {
            0 => self.now.saturating_sub(delay(&mut self.state)),
            1 | 2 => (self.now | 0xfff) + 1 + random(&mut self.state) % 3,
            _ => self.now + delay(&mut self.state),
        };
        let value = random(&mut self.state);
        let id = self.wheel.insert(at, value).unwrap();
        assert!(self.values.insert(id, value).is_none(), "{id:?} came twice");
        self.ids.push(id);
        self.model.file(id, at);
    }

    fn cancel(&mut self, id: TimerId) {
        let value = self.model.cancel(id).then(|| self.values[&id]);
        assert_eq!(self.wheel.cancel(id), value);
    }

    fn reschedule(&mut self, id: TimerId) {
        let at = self.now + delay(&mut self.state);
        let is_live = self.model.live.contains_key(&id);
        assert_eq!(self.wheel.reschedule(id, at), is_live);
        if is_live {
            self.model.file(id, at);
        }
    }

    fn change(&mut self) {
        let id = self.some_id();
        match (random(&mut self.state) % 4, id) {
            (0, Some(id)) => self.cancel(id),
            (1, Some(id)) => self.reschedule(id),
            _ => self.insert(),
        }
        self.compare(id);
    }

    fn compare(&mut self, id: Option<TimerId>) {
        let next_due = self.model.filed.keys().next().map(|key| key.0);
        assert_eq!(self.wheel.next_due(), next_due);
        let Some(id) = id else { return };
        let place = self.model.live.get(&id).copied();
        assert_eq!(self.wheel.is_filed(id), place.flatten().is_some());
        let mut value = place.map(|_| self.values[&id]);
        assert_eq!(self.wheel.get_mut(id), value.as_mut());
    }

    /// Lets some time go by and expires what is due, as a loop does: with calls of any kind between two
    /// timers.
    fn pass(&mut self) {
        self.now += delay(&mut self.state) >> (random(&mut self.state) % 24);
        loop {
            let next = self.model.expire(self.now);
            assert_eq!(self.wheel.expire(self.now), next);
            let Some((id, _)) = next else { return };
            match random(&mut self.state) % 4 {
                0 => self.reschedule(id),
                1 => self.change(),
                _ => self.cancel(id),
            }
            self.compare(Some(id));
        }
    }
}

#[test]
fn any_calls_in_any_order_do_what_a_sorted_map_does() {
    for seed in 1..30 {
        let lease = Lease::of_a_test();
        let mut pair = Pair::new(seed, &lease);
        for step in 0..3000 {
            match step % 10 {
                9 => pair.pass(),
                _ => pair.change(),
            }
        }
        pair.ids.clone().into_iter().for_each(|id| pair.cancel(id));
        assert!(pair.model.filed.is_empty() && pair.wheel.next_due().is_none(), "seed {seed}");
    }
}

#[test]
fn timers_of_one_millisecond_come_in_the_order_they_were_filed() {
    let lease = Lease::of_a_test();
    let mut wheel = Wheel::new(lease.number());
    let ids: Vec<TimerId> = (0..100).map(|value| wheel.insert(1_000_000, value).unwrap()).collect();
    for value in 100..120 {
        wheel.insert(999_999 + value % 3, value).unwrap();
    }
    assert!(wheel.reschedule(ids[3], 1_000_000));
    assert!(wheel.expire(999_000).is_none());
    let mut expected: Vec<u64> = (0..100).filter(|&value| value != 3).collect();
    expected.extend((100..120).filter(|value| value % 3 == 1));
    expected.push(3);
    assert_eq!(expired(&mut wheel, 999_999), (100..120).filter(|value| value % 3 == 0).collect::<Vec<_>>());
    assert_eq!(expired(&mut wheel, 1_000_000), expected);
}

#[test]
fn what_is_filed_during_a_pass_waits_for_a_later_one() {
    let lease = Lease::of_a_test();
    let mut wheel = Wheel::new(lease.number());
    let repeating = wheel.insert(50, "repeating").unwrap();
    assert_eq!(wheel.expire(100), Some((repeating, 50)));
    assert!(wheel.reschedule(repeating, 60));
    wheel.insert(0, "late").unwrap();
    assert_eq!(wheel.expire(100), None);
    assert_eq!(wheel.next_due(), Some(101));
    assert_eq!(expired(&mut wheel, 101), ["repeating", "late"]);
}

#[test]
fn a_detached_timer_is_there_until_it_is_cancelled() {
    let lease = Lease::of_a_test();
    let mut wheel = Wheel::new(lease.number());
    let id = wheel.insert(5, 1).unwrap();
    assert!(wheel.is_filed(id));
    assert_eq!(wheel.expire(5), Some((id, 5)));
    assert!(!wheel.is_filed(id));
    *wheel.get_mut(id).unwrap() += 1;
    assert!(wheel.reschedule(id, 9) && wheel.is_filed(id));
    assert_eq!(wheel.next_due(), Some(9));
    assert_eq!(wheel.expire(9), Some((id, 9)));
    assert_eq!(wheel.cancel(id), Some(2));
    assert!(wheel.get_mut(id).is_none() && !wheel.is_filed(id) && !wheel.reschedule(id, 20));
    assert_eq!((wheel.cancel(id), wheel.next_due()), (None, None));
}

#[test]
fn a_stale_id_touches_nothing_though_its_index_is_used_again() {
    let lease = Lease::of_a_test();
    let mut wheel = Wheel::new(lease.number());
    let old = wheel.insert(5, "old").unwrap();
    assert_eq!(wheel.cancel(old), Some("old"));
    let new = wheel.insert(7, "new").unwrap();
    assert_eq!((new.index(), new.generation()), (old.index(), old.generation() + 1));
    assert!(!wheel.reschedule(old, 1) && wheel.cancel(old).is_none());
    let elsewhere = TimerId::new(new.generation(), new.lease() ^ 1, new.index());
    assert_eq!(wheel.cancel(elsewhere), None);
    assert_eq!((wheel.next_due(), wheel.cancel(new)), (Some(7), Some("new")));
}

#[test]
fn ids_do_not_come_again_with_the_next_wheel_of_a_lease() {
    let lease = Lease::of_a_test();
    let mut seen = HashSet::new();
    for turn in 0..20 {
        let mut wheel = Wheel::new(lease.number());
        for at in 0..300 * (turn % 3 + 1) {
            let id = wheel.insert(at, at).unwrap();
            assert!(seen.insert(id), "{id:?} came twice");
            if at % 3 == 0 {
                wheel.cancel(id);
            }
        }
    }
    assert_eq!(seen.len(), 7 * 300 + 7 * 600 + 6 * 900);
}

#[test]
fn a_million_timers_come_in_order_and_leave_no_memory_behind() {
    const MILLION: u64 = 1_000_000;
    let lease = Lease::of_a_test();
    let (mut wheel, mut state) = (Wheel::new(lease.number()), 42);
    let mut timers = Vec::new();
    for value in 0..MILLION {
        let at = 1 + random(&mut state) % 60_000;
        timers.push((at, value, wheel.insert(at, value).unwrap()));
    }
    let ids: HashSet<TimerId> = timers.iter().map(|timer| timer.2).collect();
    assert_eq!(ids.len() as u64, MILLION);
    for (_, value, id) in timers.iter().filter(|timer| timer.1 % 2 == 0) {
        assert_eq!(wheel.cancel(*id), Some(*value));
    }
    timers.retain(|timer| timer.1 % 2 == 1);
    timers.sort_unstable();
    let mut fired = Vec::new();
    while let Some(due) = wheel.next_due() {
        fired.extend(expired(&mut wheel, due).into_iter().map(|value| (due, value)));
    }
    assert!(fired.into_iter().eq(timers.into_iter().map(|(at, value, _)| (at, value))));
    assert_eq!((wheel.rings.held(), wheel.nodes.held()), (1, vec![0]));
}

#[test]
fn no_list_above_level_0_is_ever_long() {
    let lease = Lease::of_a_test();
    let (mut wheel, mut state) = (Wheel::new(lease.number()), 7);
    for step in 0..20_000 {
        let at = delay(&mut state);
        let id = wheel.insert(at, ()).unwrap();
        assert!(wheel.rings.longest() <= CROWD || step % 100 != 0);
        if random(&mut state).is_multiple_of(3) {
            wheel.cancel(id);
        }
    }
}

#[test]
fn rings_that_ran_empty_are_used_again() {
    let lease = Lease::of_a_test();
    let mut wheel = Wheel::new(lease.number());
    let mut fired = 0;
    // One timer stays, so that the root is never empty.
    wheel.insert(HORIZON, 0).unwrap();
    for second in 1..1000 {
        (0..50).for_each(|value| assert!(wheel.insert(second * 1000 + value, value).is_ok()));
        fired += expired(&mut wheel, second * 1000 + 49).len();
        assert!(wheel.rings.held() < 64, "second {second}");
    }
    assert_eq!((fired, wheel.next_due()), (50 * 999, Some(HORIZON)));
}

#[test]
fn deadlines_beyond_the_horizon_count_as_the_horizon() {
    let lease = Lease::of_a_test();
    let mut wheel = Wheel::new(lease.number());
    for at in [u64::MAX, HORIZON, HORIZON - 1, 1 << 40] {
        wheel.insert(at, at).unwrap();
    }
    assert_eq!(wheel.next_due(), Some(1 << 40));
    assert_eq!(expired(&mut wheel, HORIZON - 1), [1 << 40, HORIZON - 1]);
    assert_eq!(wheel.next_due(), Some(HORIZON));
    assert_eq!(expired(&mut wheel, u64::MAX), [u64::MAX, HORIZON]);
}

#[test]
fn a_drained_wheel_is_empty_and_its_ids_are_stale() {
    let lease = Lease::of_a_test();
    let mut wheel = Wheel::new(lease.number());
    let ids: Vec<TimerId> = (0..1000).map(|value| wheel.insert(value % 100, value).unwrap()).collect();
    let (detached, _) = wheel.expire(50).unwrap();
    assert_eq!(wheel.cancel(ids[7]), Some(7));
    let mut values = wheel.drain();
    values.sort_unstable();
    assert_eq!(values, (0..1000).filter(|&value| value != 7).collect::<Vec<_>>());
    assert_eq!((wheel.next_due(), wheel.cancel(detached)), (None, None));
    let again: Vec<TimerId> = (0..1000).map(|value| wheel.insert(60, value).unwrap()).collect();
    assert!(again.iter().all(|id| !ids.contains(id)) && ids.iter().all(|&id| wheel.cancel(id).is_none()));
    assert_eq!(expired(&mut wheel, 60), (0..1000).collect::<Vec<_>>());
}
