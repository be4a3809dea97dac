//! Who reads the logs.

use std::time::Duration;

use super::hand_over::HandOver;
use crate::contract::action::Action;
use crate::delivery::handler::BoxError;
use crate::shared::handle::Handle;

/// Who reads the logs of a server's loops: what a language binding implements.
pub trait Reader: Send + Sync + 'static {
    /// As [`Handler::on_start`](crate::Handler::on_start).
    ///
    /// # Errors
    /// Whatever keeps the server from starting.
    fn on_start(&self, server: &Handle) -> Result<Action, BoxError>;

    /// Takes what a loop has gathered, on the loop's thread: handles it and gives it back with its answers, or moves it
    /// elsewhere, where dropping it is the answer. Those of one loop come in order, and one at a time; but the last, when
    /// the loop has ended, comes whether the one before was answered or not.
    fn read(&self, server: &Handle, hand_over: HandOver) -> Option<HandOver>;

    /// As [`Handler::on_stop`](crate::Handler::on_stop); everything has been handed over before.
    fn on_stop(&self, server: &Handle);

    /// Whether [`read`](Self::read) gives each log back, handled, but for a last one that nobody answers.
    fn reads_in_place(&self) -> bool {
        false
    }

    /// As [`Delivery::runs_user_code`](crate::binding::Delivery::runs_user_code): not if it moves what it reads to another thread.
    fn runs_user_code(&self) -> bool {
        true
    }

    /// Whether it takes a [`Kind::Command`](super::Kind::Command). Otherwise framings that cut commands are refused.
    fn takes_commands(&self) -> bool {
        false
    }

    /// Whether it wants a [`Kind::About`](super::Kind::About) before each end.
    fn takes_about(&self) -> bool {
        false
    }

    /// The time that there is at least between two hand-overs of a loop, unless as much waits as one may hold: fewer and larger ones,
    /// each later by up to that. Less than a millisecond counts as one where the system cannot wait for less.
    fn interval(&self) -> Duration {
        Duration::ZERO
    }

    /// How often a [`Kind::Tick`](super::Kind::Tick) is wanted.
    fn tick(&self) -> Option<Duration> {
        None
    }
}
