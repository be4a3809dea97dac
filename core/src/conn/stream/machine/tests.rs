use super::*;
use crate::conn::shared::ConnKind;
use crate::conn::stream::queue::{total, BlockPool, Parcel};
use crate::contract::action::Pressure;
use crate::contract::config::Config;

impl Machine {
    /// Queues bytes written on the owner's thread.
    fn write(
        &mut self,
        slices: &[&[u8]],
        config: &Config,
        pool: &mut BlockPool,
    ) -> Result<Pressure, Refused> {
        let pressure = self.reserve(total(slices), config, pool, |_| true)?;
        self.queue(slices, 0, pool);
        Ok(pressure)
    }
}

fn config() -> Config {
    Config { high_water: 8, low_water: 4, hard_limit: 16, ..Config::default() }.resolved().unwrap()
}

fn open() -> (Machine, BlockPool, Config) {
    let mut conn = Machine::new(ConnShared::new(ConnKind::Stream, 1, 0, None), false);
    conn.opened();
    (conn, BlockPool::default(), config())
}

fn by(reason: CloseReason, all_sent: bool) -> Step {
    Step::Close { closed: Closed::by(reason), all_sent }
}

#[test]
fn eof_closes_behind_the_output() {
    let (mut conn, mut pool, config) = open();
    assert_eq!(conn.write(&[b"answer"], &config, &mut pool), Ok(Pressure::Low));
    conn.received_eof();
    assert_eq!(conn.next_step(false), Step::Flush);
    conn.send_would_block();
    assert_eq!(conn.next_step(false), Step::Wait);
    conn.ready(false, true);
    conn.sent(6, &mut pool);
    assert_eq!(conn.next_step(false), by(CloseReason::Eof, true));
}

#[test]
fn eof_waits_for_the_answer_to_a_batch() {
    let (mut conn, ..) = open();
    conn.hold();
    conn.received_eof();
    assert_eq!(conn.next_step(false), Step::Wait);
    conn.release();
    assert_eq!(conn.next_step(false), by(CloseReason::Eof, true));
}

#[test]
fn who_is_told_of_eof_is_told_behind_the_answer_to_a_batch() {
    let (mut conn, ..) = open();
    conn.set(Flag::HalfOpen, true);
    conn.hold();
    conn.received_eof();
    assert_eq!(conn.take_due(false), None);
    conn.release();
    assert_eq!(conn.take_due(false), Some(Due::Eof));
}

#[test]
fn an_unanswered_batch_holds_input_and_drain_back_but_not_what_is_discarded() {
    let (mut conn, mut pool, config) = open();
    let _ = conn.write(&[&[0; 9]], &config, &mut pool);
    conn.sent(9, &mut pool);
    conn.relieve(config.low_water);
    conn.ready(true, false);
    conn.hold();
    assert!(!conn.wants_service(false));
    conn.release();
    assert!(conn.wants_service(false) && conn.take_due(false) == Some(Due::Drain));
    conn.hold();
    conn.close(CloseReason::LocalClose, &mut pool);
    assert!(conn.wants_service(false));
}

#[test]
fn what_the_user_holds_is_neither_read_nor_closed_until_it_is_released_as_often() {
    let (mut conn, ..) = open();
    conn.ready(true, false);
    assert!(!conn.change_holds(1) && !conn.change_holds(1));
    assert_eq!((conn.reading(), conn.wants_service(true), conn.rests()), (Reading::No, false, false));
    conn.received_eof();
    assert!(!conn.change_holds(-1));
    assert_eq!(conn.next_step(false), Step::Wait);
    assert!(conn.change_holds(-1));
    assert_eq!(conn.next_step(false), by(CloseReason::Eof, true));
}

#[test]
fn a_release_that_overtakes_its_hold_leaves_nothing_held() {
    let (mut conn, ..) = open();
    assert!(conn.change_holds(-1));
    assert!(conn.change_holds(1));
    assert!(!conn.is_held());
}

#[test]
fn what_the_user_holds_is_woken_and_told_of_drain_but_not_of_eof() {
    let (mut conn, mut pool, config) = open();
    conn.change_holds(1);
    let _ = conn.write(&[&[0; 9]], &config, &mut pool);
    conn.sent(9, &mut pool);
    conn.relieve(config.low_water);
    conn.shared.wake();
    assert!(conn.wants_service(false));
    assert_eq!((conn.take_due(false), conn.take_due(false)), (Some(Due::Drain), Some(Due::Wake)));
    conn.set(Flag::HalfOpen, true);
    conn.received_eof();
    assert_eq!(conn.take_due(false), None);
    conn.change_holds(-1);
    assert_eq!(conn.take_due(false), Some(Due::Eof));
}

#[test]
fn bytes_handed_in_after_relief_owe_a_drain_again() {
    let (mut conn, mut pool, config) = open();
    assert_eq!(conn.shared.reserve(9, &config), Some(Pressure::High));
    conn.shared.pay_drain();
    conn.write_handed_in(Parcel::Small(vec![0; 9]), &config, &mut pool);
    conn.sent(9, &mut pool);
    conn.relieve(config.low_water);
    assert_eq!(conn.take_due(false), Some(Due::Drain));
}

#[test]
fn bytes_that_come_too_late_are_no_longer_counted() {
    let (mut conn, mut pool, config) = open();
    assert_eq!(conn.shared.reserve(9, &config), Some(Pressure::High));
    conn.send_failed(32, &mut pool);
    assert_eq!(conn.shared.unsent(), 9);
    conn.write_handed_in(Parcel::Small(vec![0; 9]), &config, &mut pool);
    assert_eq!(conn.shared.unsent(), 0);
}

#[test]
fn eof_waits_for_the_drain_callback() {
    let (mut conn, mut pool, config) = open();
    assert_eq!(conn.write(&[&[0; 9]], &config, &mut pool), Ok(Pressure::High));
    conn.received_eof();
    conn.sent(9, &mut pool);
    assert_eq!(conn.next_step(false), Step::Wait);
    conn.relieve(config.low_water);
    assert_eq!(conn.next_step(false), Step::Wait);
    assert!(conn.wants_service(false) && conn.take_due(false) == Some(Due::Drain));
    assert_eq!(conn.next_step(false), by(CloseReason::Eof, true));
}

#[test]
fn a_local_close_sends_then_shuts_down_then_lingers() {
    let (mut conn, mut pool, config) = open();
    let _ = conn.write(&[b"bye"], &config, &mut pool);
    conn.close(CloseReason::LocalClose, &mut pool);
    assert_eq!(conn.write(&[b"x"], &config, &mut pool), Err(Refused::Closed));
    assert_eq!(conn.next_step(false), Step::Flush);
    conn.sent(3, &mut pool);
    assert_eq!(conn.next_step(false), Step::ShutdownWrite);
    assert!(conn.write_shut_down());
    conn.ready(true, false);
    assert_eq!((conn.reading(), conn.next_step(false)), (Reading::Discard, Step::Wait));
    conn.received_eof();
    assert_eq!(conn.next_step(false), by(CloseReason::LocalClose, false));
}

#[test]
fn a_linger_limit_ends_a_peer_that_does_not_close() {
    let (mut conn, ..) = open();
    conn.close(CloseReason::HandlerError, &mut BlockPool::default());
    assert!(conn.write_shut_down());
    assert!(conn.linger_over());
    assert_eq!(conn.next_step(false), by(CloseReason::HandlerError, false));
}

#[test]
fn pressure_stops_reading_until_the_low_water_mark() {
    let (mut conn, mut pool, config) = open();
    conn.ready(true, false);
    assert_eq!(conn.write(&[&[0; 9]], &config, &mut pool), Ok(Pressure::High));
    assert_eq!(conn.reading(), Reading::No);
    conn.sent(4, &mut pool);
    conn.relieve(config.low_water);
    assert_eq!(conn.reading(), Reading::No);
    conn.sent(1, &mut pool);
    conn.relieve(config.low_water);
    assert_eq!((conn.take_due(false), conn.take_due(false)), (Some(Due::Drain), None));
}

#[test]
fn the_hard_limit_ends_the_connection_and_drops_its_queue() {
    let (mut conn, mut pool, config) = open();
    let _ = conn.write(&[&[0; 16]], &config, &mut pool);
    assert_eq!(conn.write(&[b"x"], &config, &mut pool), Err(Refused::Overflow));
    assert_eq!((conn.shared.unsent(), conn.next_step(false)), (0, by(CloseReason::Overflow, false)));
}

#[test]
fn other_threads_bytes_count_at_once_and_are_waited_for() {
    let (mut conn, mut pool, config) = open();
    assert_eq!(conn.shared.reserve(9, &config), Some(Pressure::High));
    assert_eq!(conn.shared.reserve(8, &config), None);
    conn.close(CloseReason::LocalClose, &mut pool);
    assert_eq!(conn.next_step(false), Step::Wait);
    conn.write_handed_in(Parcel::Small(vec![0; 9]), &config, &mut pool);
    assert_eq!((conn.shared.unsent(), conn.next_step(false)), (9, Step::Flush));
}

#[test]
fn a_reset_stays_one_whatever_the_handler_does_about_it() {
    let (mut conn, mut pool, config) = open();
    conn.read_failed(104);
    assert_eq!(conn.write(&[b"x"], &config, &mut pool), Err(Refused::Closed));
    assert!(!conn.shared.is_live());
    assert_eq!(conn.next_step(false), Step::Close { closed: Closed::reset(104), all_sent: false });
}

#[test]
fn a_failed_write_still_lets_the_last_input_in() {
    let (mut conn, mut pool, config) = open();
    let _ = conn.write(&[b"lost"], &config, &mut pool);
    conn.send_failed(32, &mut pool);
    assert_eq!((conn.reading(), conn.next_step(false)), (Reading::Deliver, Step::Wait));
    assert_eq!(conn.write(&[b"x"], &config, &mut pool), Err(Refused::Closed));
    conn.received_eof();
    assert_eq!(conn.next_step(false), Step::Close { closed: Closed::reset(32), all_sent: false });
    assert!(conn.resets(), "the peer may live, and must not take what it has for all there was");
}

#[test]
fn closing_resets_where_anything_is_dropped_and_only_there() {
    let queued = || {
        let (mut conn, mut pool, config) = open();
        let _ = conn.write(&[b"lost"], &config, &mut pool);
        (conn, pool)
    };
    // Everything was sent, or nothing was written.
    let (mut conn, mut pool) = queued();
    conn.sent(4, &mut pool);
    conn.send_failed(32, &mut pool);
    conn.end_now(Closed::by(CloseReason::Idle), &mut pool);
    assert!(!conn.resets() && !conn.is_given_up());
    let (mut conn, mut pool) = queued();
    conn.read_failed(12);
    assert!(conn.resets() && !conn.is_given_up(), "it is still queued");
    conn.drop_output(&mut pool);
    assert!(conn.resets());
    // What came before stays so, whatever ends it.
    let (mut conn, mut pool) = queued();
    conn.send_failed(105, &mut pool);
    conn.end_now(Closed::by(CloseReason::Idle), &mut pool);
    assert!(conn.resets());
    // Bytes of another thread's that come too late.
    let (mut conn, mut pool, config) = open();
    assert!(conn.shared.reserve(4, &config).is_some());
    conn.end_now(Closed::by(CloseReason::Idle), &mut pool);
    assert!(!conn.resets());
    conn.write_handed_in(Parcel::Small(b"late".to_vec()), &config, &mut pool);
    assert!(conn.resets());
    // What is handed out is not dropped.
    let (mut conn, mut pool) = queued();
    assert_eq!((conn.take_output(&mut pool).as_slice(), conn.resets()), (&b"lost"[..], false));
}

#[test]
fn what_the_budget_refuses_is_refused_and_no_more() {
    let (mut conn, mut pool, config) = open();
    assert_eq!(conn.write(&[b"12345"], &config, &mut pool), Ok(Pressure::Low));
    let refused = conn.reserve(3, &config, &mut pool, |shared| {
        assert_eq!(shared.held_by_writes(), 5);
        false
    });
    assert_eq!((refused, conn.is_open(), conn.shared.unsent()), (Err(Refused::Budget), true, 5));
    // The hard limit is the connection's own, whatever the server has room for.
    let refused = conn.reserve(12, &config, &mut pool, |_| false);
    assert_eq!((refused, conn.is_open(), conn.resets()), (Err(Refused::Overflow), false, true));
}

#[test]
fn beyond_the_hard_limit_it_goes_on_if_it_is_to_be_kept() {
    let (mut conn, mut pool, mut config) = open();
    config.keep_on_overflow = true;
    assert_eq!(conn.write(&[&[7; 17]], &config, &mut pool), Err(Refused::Overflow));
    assert_eq!((conn.is_open(), conn.shared.unsent()), (true, 0));
    assert_eq!(conn.write(&[&[7; 16]], &config, &mut pool), Ok(Pressure::High));
}

#[test]
fn a_close_waits_for_the_peer_as_long_as_it_takes_something() {
    let (mut conn, mut pool, config) = open();
    let timed_out = (config.stall_limit, Closed::by(CloseReason::TimedOut));
    assert_eq!(conn.write(&[b"answer"], &config, &mut pool), Ok(Pressure::Low));
    assert_eq!(conn.stalled(&config), None);
    conn.received_eof();
    assert_eq!(conn.stalled(&config), Some(timed_out));
    conn.close(CloseReason::LocalClose, &mut pool);
    assert_eq!(conn.stalled(&config), Some(timed_out));
    conn.sent(6, &mut pool);
    assert_eq!(conn.stalled(&config), None);

    let (mut conn, mut pool, config) = open();
    assert_eq!(conn.write(&[b"answer"], &config, &mut pool), Ok(Pressure::Low));
    conn.close(CloseReason::Protocol, &mut pool);
    assert_eq!(conn.stalled(&config), Some((config.linger, Closed::by(CloseReason::Protocol))));
}
