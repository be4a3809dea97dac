//! Who holds the bytes that the server's budget counts: the connections of a loop with unsent output or unfinished
//! input that has outlived a turn. Their loop notes them; whoever finds the budget exceeded looks through those of
//! all loops.
//!
//! Above the budget some of them are closed: among those who hold more than [a share](Budget::share), the one who moved the
//! fewest bytes per byte held in the last seconds, and so on. So neither who sends much pays for others, nor who holds
//! little; and a byte now and then does not save who holds much.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::budget::Budget;
use crate::base::conn_id::ConnId;
use crate::shared::mailbox::Mailbox;

/// Seconds that count, besides the one that is going on.
const WINDOW: u64 = 5;
/// A mark for each of these.
const MARKS: usize = WINDOW as usize + 1;

/// What a connection holds and has done, when its loop notes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    /// Bytes of memory; and those of it that are input.
    pub(crate) held: usize,
    pub(crate) input: usize,
    /// Bytes received and sent in its life, and the milliseconds of that.
    pub(crate) moved: u64,
    pub(crate) age: u64,
}

#[derive(Debug)]
struct Holder {
    held: usize,
    moved: u64,
    /// What `moved` was when a second began: the last ones, each at the place of its number modulo their count.
    marks: [u64; MARKS],
    second: u64,
    /// What it held when it was chosen to be closed; 0 if it is not.
    condemned: usize,
}

impl Holder {
    /// Whoever begins to hold something is taken to have moved as much in the last seconds as it did on average; and the
    /// input that it holds, which has just come.
    fn new(now: Holding, second: u64) -> Self {
        let share = u128::from(now.moved) * u128::from(WINDOW * 1000) / u128::from(now.age.max(1));
        let recent = u64::try_from(share).unwrap_or(u64::MAX).max(now.input as u64).min(now.moved);
        let marks = [now.moved - recent; MARKS];
        Holder { held: now.held, moved: now.moved, marks, second, condemned: 0 }
    }

    fn note(&mut self, now: Holding, second: u64, budget: &Budget) {
        let begun = second.saturating_sub(self.second).min(MARKS as u64);
        for ago in 0..begun {
            self.marks[((second - ago) % MARKS as u64) as usize] = self.moved;
        }
        self.second = self.second.max(second);
        (self.held, self.moved) = (now.held, now.moved);
        if self.held < self.condemned / 2 {
            // It has let go by itself.
            self.spare(budget);
        }
    }

    /// It is not to be closed, or is.
    fn spare(&mut self, budget: &Budget) {
        budget.condemn(std::mem::take(&mut self.condemned), false);
    }

    /// Bytes moved in the last seconds.
    fn recent(&self, second: u64) -> u64 {
        // Clocks that threads read may be apart by a moment.
        let from = second.max(self.second).saturating_sub(WINDOW);
        match from > self.second {
            true => 0,
            false => self.moved - self.marks[(from % MARKS as u64) as usize],
        }
    }

    /// Who moves fewer bytes per byte held comes first.
    fn by_progress(&self, other: &Holder, second: u64) -> Ordering {
        let product = |moved: u64, held: usize| u128::from(moved) * held as u128;
        product(self.recent(second), other.held).cmp(&product(other.recent(second), self.held))
    }
}

type Map = HashMap<ConnId, Holder>;

/// Those of one loop.
#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<Map>);

impl Holders {
    fn lock(&self) -> MutexGuard<'_, Map> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a connection holds has changed, at `now` milliseconds of the server's clock.
    pub(crate) fn note(&self, id: ConnId, holding: Holding, now: u64, budget: &Budget) {
        let (map, second) = (&mut *self.lock(), now / 1000);
        match map.get_mut(&id) {
            _ if holding.held == 0 => {
                if let Some(mut holder) = map.remove(&id) {
                    holder.spare(budget);
                    budget.count_holder(false);
                }
                // A crowd's memory is given back.
                if map.len() * 4 < map.capacity() {
                    map.shrink_to(64);
                }
            }
            Some(holder) => holder.note(holding, second, budget),
            None => {
                map.insert(id, Holder::new(holding, second));
                budget.count_holder(true);
            }
        }
    }

    /// Bytes are on their way to a connection: it holds them until its loop notes what it really does.
    pub(crate) fn hand_in(&self, id: ConnId, holding: Holding, now: u64, budget: &Budget) {
        self.lock().entry(id).or_insert_with(|| {
            budget.count_holder(true);
            Holder::new(holding, now / 1000)
        });
    }

    /// A connection is no more.
    pub(crate) fn forget(&self, id: ConnId, budget: &Budget) {
        self.note(id, Holding { held: 0, input: 0, moved: 0, age: 0 }, 0, budget);
    }

    /// Whether a connection is to be closed for what it holds, still.
    pub(crate) fn is_condemned(&self, id: ConnId) -> bool {
        self.lock().get(&id).is_some_and(|holder| holder.condemned > 0)
    }
}

/// Chooses who is closed so that the rest is within the budget, at `now` milliseconds of the server's clock. Those who
/// were chosen before and hold something still count as gone.
pub(crate) fn condemn(loops: &[Arc<Mailbox>], budget: &Budget, now: u64) -> Vec<ConnId> {
    // Nobody else takes more than one of these locks.
    let mut loops: Vec<MutexGuard<'_, Map>> = loops.iter().map(|mailbox| mailbox.holders.lock()).collect();
    let mut maps: Vec<&mut Map> = loops.iter_mut().map(|guard| &mut **guard).collect();
    choose(&mut maps, budget, now / 1000)
}

fn choose(loops: &mut [&mut Map], budget: &Budget, second: u64) -> Vec<ConnId> {
    let all = || loops.iter().flat_map(|map| map.values());
    let gone: usize = all().filter(|holder| holder.condemned > 0).map(|holder| holder.held).sum();
    let mut holders = all().filter(|holder| holder.condemned == 0).count();
    let mut excess = budget.held().saturating_sub(gone).saturating_sub(budget.limit());
    let mut chosen = Vec::new();
    if excess == 0 {
        return chosen;
    }
    let least = budget.share(holders);
    let candidates = loops.iter_mut().flat_map(|map| map.iter_mut());
    let mut candidates: Vec<_> =
        candidates.filter(|(_, holder)| holder.condemned == 0 && holder.held > least).collect();
    candidates.sort_unstable_by(|one, two| one.1.by_progress(two.1, second));
    for (id, holder) in candidates {
        if excess == 0 {
            break;
        }
        // The share only grows while holders go: who is passed over stays so.
        if holder.held <= budget.share(holders) {
            continue;
        }
        holder.condemned = holder.held;
        budget.condemn(holder.held, true);
        chosen.push(*id);
        excess = excess.saturating_sub(holder.held);
        holders -= 1;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> ConnId {
        ConnId::from_u64(1 << 32 | number).unwrap()
    }

    /// Each holds `held` and has moved `moved` in all, a moment ago; they are an hour old.
    fn map(of: &[(u64, usize, u64)]) -> Map {
        let holder = |&(number, held, moved)| {
            let now = Holding { held, input: 0, moved, age: 3_600_000 };
            (id(number), Holder { marks: [0; MARKS], ..Holder::new(now, 100) })
        };
        of.iter().map(holder).collect()
    }

    fn chosen(limit: usize, held: usize, maps: &mut [&mut Map]) -> Vec<ConnId> {
        let budget = Budget::new(limit);
        budget.change(held as isize);
        choose(maps, &budget, 100)
    }

    #[test]
    fn who_moves_least_per_byte_pays_unless_it_holds_no_more_than_its_share() {
        // The second moves half as much per byte as the first; the third least of all, but holds little.
        let (mut one, mut two) = (map(&[(1, 600, 1200), (3, 100, 0)]), map(&[(2, 400, 400)]));
        assert_eq!(chosen(1000, 1200, &mut [&mut one, &mut two]), [id(2)]);
        // It counts as gone from then on.
        assert_eq!(chosen(1000, 1200, &mut [&mut one, &mut two]), []);
        assert_eq!(chosen(1000, 1500, &mut [&mut one, &mut two]), [id(1)]);
    }

    #[test]
    fn as_many_pay_as_it_takes() {
        let mut crowd: Map = map(&(0..100).map(|number| (number, 1000, 0)).collect::<Vec<_>>());
        assert_eq!(chosen(90_000, 100_000, &mut [&mut crowd]).len(), 10);
        assert_eq!(chosen(90_000, 100_000, &mut [&mut crowd]), []);
    }

    #[test]
    fn the_slowest_of_all_loops_pay_first_and_whose_share_has_grown_meanwhile_is_passed_over() {
        // The share is 120, and grows to 150, 200 and 300 as they go: the last two hold more than the first three of these.
        let mut one = map(&[(1, 700, 700), (2, 190, 760), (3, 240, 20_000)]);
        let mut two = map(&[(4, 600, 60), (5, 300, 900)]);
        assert_eq!(chosen(1200, 3000, &mut [&mut one, &mut two]), [id(4), id(1), id(5)]);
    }

    #[test]
    fn who_was_chosen_counts_as_gone_until_its_memory_is() {
        let (holders, budget) = (Holders::default(), Budget::new(1000));
        for number in 1..=3 {
            // The first has moved least.
            let moved = 7200 * number;
            holders.note(id(number), Holding { held: 500, input: 0, moved, age: 3_600_000 }, 0, &budget);
        }
        budget.change(1500);
        assert!(budget.is_exceeded());
        assert_eq!(choose(&mut [&mut *holders.lock()], &budget, 0), [id(1)]);
        assert!(!budget.is_exceeded(), "the one that goes is enough");
        // Others come to hold more meanwhile: one more has to go, besides the one that goes.
        budget.change(100);
        assert!(budget.is_exceeded());
        assert_eq!(choose(&mut [&mut *holders.lock()], &budget, 0), [id(2)]);
        assert!(!budget.is_exceeded());
        // What both held is free, and nobody is condemned any more.
        for number in 1..=2 {
            budget.change(-500);
            holders.forget(id(number), &budget);
        }
        assert_eq!(budget.held(), 600);
        budget.change(500);
        assert!(budget.is_exceeded(), "those that have gone still count as gone");
    }

    #[test]
    fn what_is_nobodys_closes_nobody_who_holds_a_share() {
        let mut one = map(&[(1, 200, 0), (2, 100, 0)]);
        assert_eq!(chosen(1000, 2000, &mut [&mut one]), []);
    }

    #[test]
    fn the_last_seconds_count_and_no_more() {
        let at = |moved| Holding { held: 10, input: 0, moved, age: 3_600_000 };
        let mut holder = Holder { marks: [0; MARKS], ..Holder::new(at(0), 100) };
        for second in 100..120 {
            holder.note(at((second - 99) * 10), second, &Budget::new(1));
        }
        // Five whole seconds, and the one that goes on.
        assert_eq!((holder.recent(119), holder.recent(121), holder.recent(124)), (60, 40, 10));
        assert_eq!((holder.recent(125), holder.recent(1000)), (0, 0));
        // A clock that is a moment behind.
        assert_eq!(holder.recent(118), 60);
        holder.note(at(1000), 1000, &Budget::new(1));
        assert_eq!((holder.recent(1000), holder.recent(1005), holder.recent(1006)), (800, 800, 0));
    }

    #[test]
    fn who_begins_to_hold_is_judged_by_its_average_and_by_what_has_just_come() {
        let recent = |holding| Holder::new(holding, 100).recent(100);
        let holding = Holding { held: 100, input: 0, moved: 7200, age: 3_600_000 };
        assert_eq!(recent(holding), 10);
        assert_eq!(recent(Holding { input: 90, ..holding }), 90);
        assert_eq!(recent(Holding { age: 4000, ..holding }), 7200);
    }

    #[test]
    fn who_lets_go_is_not_closed_for_what_it_held() {
        let (holders, budget) = (Holders::default(), Budget::new(10));
        let now = |held| Holding { held, input: 0, moved: 0, age: 1 };
        holders.note(id(1), now(100), 0, &budget);
        budget.change(100);
        assert_eq!(choose(&mut [&mut *holders.lock()], &budget, 0), [id(1)]);
        holders.note(id(1), now(60), 0, &budget);
        assert!(holders.is_condemned(id(1)));
        holders.note(id(1), now(5), 0, &budget);
        assert!(!holders.is_condemned(id(1)));
        holders.note(id(1), now(0), 0, &budget);
        assert_eq!(holders.lock().len(), 0);
    }
}
