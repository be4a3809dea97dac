//! How a loop waits: asleep in the poller; or, where that has brought it more work, after looking for a moment first.

use std::io;
use std::time::Duration;

use super::EventLoop;
use crate::contract::config::Look;
use crate::sys::time::monotonic;

/// How often a loop looks before it sleeps, and the nanoseconds between two looks.
const LOOKS: u32 = 10;
const BETWEEN: u64 = 1_000;

/// Nanoseconds of one stretch: many rounds of clients that wait for their answers.
const STRETCH: u64 = 20_000_000;
/// Looking is tried in stretches of which the loop works at least so many per cent, and in which it waits for so many
/// nanoseconds at most, on average: what looking lasts, and some for being woken.
const BUSY: u64 = 40;
const SHORT: u64 = 12_000;
/// And so many waits at least: what is lost by sleeping shows in no fewer.
const MANY: u64 = 100;
/// A trial is so many pairs of stretches, one without looking and one with it. Looking wins a pair by one per cent more
/// bytes a second, and the trial by so many pairs; by no more than so many it loses it.
const PAIRS: u32 = 6;
const WINS: u32 = 5;
const LOSES: u32 = 2;
/// Stretches for which a verdict holds: five seconds.
const HOLDS: u32 = 250;

impl EventLoop {
    /// Waits for events, or until `timeout` has passed.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) || self.state.config().look == Look::Never {
            return self.poll(timeout);
        }
        let metrics = self.state.metrics();
        let moved = metrics.bytes_read.get().wrapping_add(metrics.bytes_written.get());
        let looks = self.pace.begin_wait(self.state.server().shared.clock.nanos(), moved);
        match looks && self.look()? {
            true => Ok(()),
            false => self.poll(timeout),
        }
    }

    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.state.metrics().polls.add(1);
        self.state.poller.poll(&mut self.events, timeout)
    }

    /// Whether something came while the loop looked.
    #[inline(never)]
    fn look(&mut self) -> io::Result<bool> {
        for _ in 0..LOOKS {
            self.poll(Some(Duration::ZERO))?;
            if self.events.get(0).is_some() {
                return Ok(true);
            }
            let next = monotonic() + BETWEEN;
            while monotonic() < next {
                std::hint::spin_loop();
            }
        }
        Ok(false)
    }
}

/// Finds out whether looking pays. Times are nanoseconds of one clock that never goes back.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the loop began to work, or to wait.
    since: u64,
    waits: bool,
    stretch: Stretch,
    course: Course,
}

/// What the loop has done since a moment.
#[derive(Debug, Default)]
struct Stretch {
    worked: u64,
    waited: u64,
    waits: u64,
    /// Bytes moved before it.
    moved_before: u64,
    looks: bool,
}

#[derive(Clone, Copy, Debug)]
enum Course {
    /// Pairs so far, those that looking won, and the bytes a second of a pair's first half, the one without.
    Trial { pairs: u32, wins: u32, without: Option<u64> },
    /// Whether looking pays, for so many stretches more.
    Verdict { looks: bool, left: u32 },
}

impl Pace {
    pub(super) fn new(now: u64) -> Self {
        Pace { since: now, waits: false, stretch: Stretch::default(), course: Course::new() }
    }

    /// The loop has nothing to do, and has moved so many bytes so far. Says whether it shall look before it sleeps.
    pub(super) fn begin_wait(&mut self, now: u64, moved: u64) -> bool {
        self.stretch.worked += now.saturating_sub(self.since);
        self.since = now;
        if self.stretch.lasted() >= STRETCH {
            self.end_stretch(moved);
        }
        self.stretch.waits += 1;
        self.waits = true;
        self.stretch.looks
    }

    /// A turn begins, after waiting or without.
    pub(super) fn end_wait(&mut self, now: u64) {
        if std::mem::take(&mut self.waits) {
            self.stretch.waited += now.saturating_sub(self.since);
            self.since = now;
        }
    }

    fn end_stretch(&mut self, moved: u64) {
        let ended = std::mem::take(&mut self.stretch);
        self.stretch.moved_before = moved;
        // One with looking counts even if it could not gain: looking may be what made its waits long.
        if !ended.was_interrupted() && (ended.looks || ended.could_gain()) {
            self.course = self.course.after(ended.looks, ended.rate(moved));
        }
        self.stretch.looks = ended.could_gain() && self.course.looks();
    }
}

impl Stretch {
    fn lasted(&self) -> u64 {
        self.worked + self.waited
    }

    /// The load paused, or one turn took as long as a stretch does: its rate says nothing.
    fn was_interrupted(&self) -> bool {
        self.lasted() >= 2 * STRETCH
    }

    fn could_gain(&self) -> bool {
        self.waits >= MANY && self.worked * 100 >= self.lasted() * BUSY && self.waited <= self.waits * SHORT
    }

    /// Bytes a second.
    fn rate(&self, moved: u64) -> u64 {
        let micros = self.lasted().div_ceil(1_000);
        moved.wrapping_sub(self.moved_before).saturating_mul(1_000_000) / micros
    }
}

impl Course {
    fn new() -> Self {
        Course::Trial { pairs: 0, wins: 0, without: None }
    }

    fn looks(self) -> bool {
        match self {
            Course::Trial { without, .. } => without.is_some(),
            Course::Verdict { looks, .. } => looks,
        }
    }

    /// What follows a stretch that moved so many bytes a second.
    fn after(self, looked: bool, rate: u64) -> Self {
        match self {
            Course::Verdict { left: 0, .. } => Course::new(),
            Course::Verdict { looks, left } => Course::Verdict { looks, left: left - 1 },
            Course::Trial { pairs, wins, without: Some(without) } if looked => {
                let won = rate > without.saturating_add(without / 100);
                Course::judge(pairs + 1, wins + u32::from(won))
            }
            Course::Trial { pairs, wins, .. } => {
                Course::Trial { pairs, wins, without: (!looked).then_some(rate) }
            }
        }
    }

    fn judge(pairs: u32, wins: u32) -> Self {
        match wins {
            _ if pairs < PAIRS => Course::Trial { pairs, wins, without: None },
            WINS.. => Course::Verdict { looks: true, left: HOLDS },
            ..=LOSES => Course::Verdict { looks: false, left: HOLDS },
            // In doubt it is tried again.
            _ => Course::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loop that works and waits in turns, under a load that answers looking or does not.
    struct Loop {
        pace: Pace,
        now: u64,
        moved: u64,
        work: u64,
        wait: u64,
        wait_looking: u64,
        /// Bytes a turn, and of a turn after looking.
        plain: u64,
        after_looking: u64,
    }

    impl Loop {
        fn new(work: u64, wait: u64, after_looking: u64) -> Self {
            Loop {
                pace: Pace::new(7),
                now: 7,
                moved: 0,
                work,
                wait,
                wait_looking: 0,
                plain: 1_000,
                after_looking,
            }
        }

        /// Turns for so many stretches; says how many of the turns looked, in per cent.
        fn run(&mut self, stretches: u64) -> u64 {
            let turns = stretches * STRETCH / (self.work + self.wait);
            let mut looked = 0;
            for _ in 0..turns {
                self.now += self.work;
                let looks = self.pace.begin_wait(self.now, self.moved);
                self.now += if looks && self.wait_looking > 0 { self.wait_looking } else { self.wait };
                self.pace.end_wait(self.now);
                self.moved += if looks { self.after_looking } else { self.plain };
                looked += u64::from(looks);
            }
            looked * 100 / turns
        }
    }

    const TRIAL: u64 = 2 * PAIRS as u64;

    #[test]
    fn looking_goes_on_if_it_brings_more() {
        let mut served = Loop::new(8_000, 6_000, 1_050);
        assert!((40..=60).contains(&served.run(TRIAL + 1)));
        assert_eq!(served.run(HOLDS as u64 - 2), 100);
        assert!((40..=70).contains(&served.run(TRIAL + 3)), "the verdict is never tried again");
    }

    #[test]
    fn looking_ends_if_it_brings_nothing() {
        for bytes in [1_000, 1_005, 900] {
            let mut served = Loop::new(8_000, 6_000, bytes);
            assert!((40..=60).contains(&served.run(TRIAL + 1)), "{bytes}");
            assert_eq!(served.run(HOLDS as u64 - 2), 0, "{bytes}");
        }
    }

    #[test]
    fn a_loop_with_little_to_do_or_with_long_waits_sleeps_at_once() {
        assert_eq!(Loop::new(3_000, 6_000, 2_000).run(100), 0);
        assert_eq!(Loop::new(20_000, 13_000, 2_000).run(100), 0);
    }

    #[test]
    fn looking_that_makes_waits_long_has_lost() {
        let mut served = Loop::new(6_000, 6_000, 1_000);
        served.wait_looking = 20_000;
        served.run(100);
        assert_eq!(served.run(100), 0);
    }

    #[test]
    fn a_pause_of_the_load_in_a_trial_is_no_loss() {
        let mut served = Loop::new(8_000, 6_000, 1_050);
        // Each time in a stretch with looking, which is every other.
        for _ in 0..PAIRS {
            served.run(2);
            served.now += 1_000_000_000;
            served.pace.end_wait(served.now);
        }
        served.run(TRIAL + 1);
        assert_eq!(served.run(5), 100);
    }

    #[test]
    fn what_is_in_doubt_is_tried_again() {
        let trial = |wins| {
            (0..PAIRS).fold(Course::new(), |course, pair| {
                course.after(false, 1_000).after(true, if pair < wins { 1_011 } else { 1_010 })
            })
        };
        for wins in 0..=PAIRS {
            let expected = match wins {
                0..=2 => Some(false),
                3 | 4 => None,
                _ => Some(true),
            };
            let found = match trial(wins) {
                Course::Verdict { looks, left: HOLDS } => Some(looks),
                Course::Trial { pairs: 0, wins: 0, without: None } => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{wins}");
        }
    }

    #[test]
    fn a_few_long_turns_are_no_load() {
        let mut pace = Pace::new(0);
        assert!(!pace.begin_wait(2 * STRETCH, 0));
    }

    #[test]
    fn looking_ends_with_the_load() {
        let mut served = Loop::new(8_000, 6_000, 1_050);
        served.run(TRIAL + 5);
        served.wait = 1_000_000_000;
        served.run(100);
        assert_eq!(served.run(500), 0);
        served.wait = 6_000;
        served.run(2);
        assert_eq!(served.run(5), 100);
    }
}
