//! Bytes and datagrams that other threads hand in: counted at once, queued by the loop.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard};

use super::{
    budget_error, closed_error, full_error, no_endpoint_error, no_sender_error, Bounds, Inner, Mailbox,
};
use crate::base::conn_id::ConnId;
use crate::base::error::{Error, Result};
use crate::conn::datagram::endpoint::{check_destination, check_length, cost};
use crate::conn::request::Request;
use crate::conn::shared::{ConnKind, ConnShared};
use crate::conn::stream::machine::Refused;
use crate::conn::stream::queue::Parcel;
use crate::contract::action::{Completion, Pressure};
use crate::shared::holders::Holding;
use crate::shared::mailbox::command::{Command, HandedIn};
use crate::shared::mailbox::cork::add_corked;

/// Writes below this size are copied with the lock held, which is short then.
const COPIED_LOCKED: usize = 4 << 10;
/// A connection that has so many bytes on their way holds something already.
pub(crate) const MUCH: usize = 16 << 10;
/// What the budget counts for a write on top of its bytes.
const COMMAND: usize = size_of::<Command>();

impl Mailbox {
    /// Hands bytes in for a connection.
    pub(crate) fn write(
        self: &Arc<Self>,
        id: ConnId,
        slices: &[&[u8]],
        mut completion: Option<Completion>,
        bounds: Bounds<'_>,
    ) -> Result<Pressure> {
        // One that is refused is dropped here, without the lock: it is the user's.
        self.write_locking(id, slices, &mut completion, bounds)
    }

    fn write_locking(
        self: &Arc<Self>,
        id: ConnId,
        slices: &[&[u8]],
        completion: &mut Option<Completion>,
        bounds: Bounds<'_>,
    ) -> Result<Pressure> {
        // Many bytes are copied without the lock; a few join the command before, if it is for the same
        // connection.
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        let failed =
            |error: io::Error| Error::system(format_args!("connection {id}: write {len} bytes"), &error);
        let mut copy = match len < COPIED_LOCKED {
            true => None,
            false => Some(Parcel::copy(slices, len).map_err(failed)?),
        };
        let mut inner = self.lock();
        let shared = inner.find(id)?;
        if shared.kind == ConnKind::Endpoint {
            return Err(no_sender_error(id));
        }
        if shared.kind == ConnKind::ConnectedDatagram {
            return self.write_datagram(inner, id, slices.concat(), completion, bounds);
        }
        let counted = len + COMMAND;
        let pressure = match reserve(shared, len, COMMAND, bounds) {
            Ok(pressure) => pressure,
            Err(Refused::Overflow) if !bounds.config.keep_on_overflow => {
                shared.close();
                self.push(&mut inner, Command::Request(id, Request::Overflow));
                drop(inner);
                self.wake();
                return Err(full_error(id, len, bounds.config.hard_limit));
            }
            Err(refused) => return Err(refusal(id, len, refused, bounds)),
        };
        if len >= MUCH {
            let (moved, now) = (shared.received().wrapping_add(shared.sent()), bounds.clock.now());
            let age = now.saturating_sub(shared.opened_at());
            let holding = Holding { held: len, input: 0, moved, age };
            self.holders.hand_in(id, holding, now, bounds.budget);
        }
        if completion.is_some() {
            shared.await_completion();
        } else if len == 0 {
            bounds.budget.change(-(COMMAND as isize));
            return Ok(pressure);
        }
        let mut add = |commands: &mut Vec<Command>| {
            if let (Some(Command::Write(last, before)), None) = (commands.last_mut(), &copy) {
                if *last == id && before.completion.is_none() && before.bytes.join(slices, COPIED_LOCKED) {
                    before.counted += counted;
                    before.writes += 1;
                    before.completion = completion.take();
                    return;
                }
            }
            let bytes = copy.take().unwrap_or_else(|| Parcel::Small(slices.concat()));
            let completion = completion.take();
            commands.push(Command::Write(id, HandedIn { bytes, counted, writes: 1, completion }));
        };
        if !add_corked(self, &mut add) {
            add(&mut inner.commands);
            self.note_pending(&inner);
            drop(inner);
            self.wake();
        }
        Ok(pressure)
    }

    /// Hands a datagram in, for a connected socket to send: never joined with another.
    fn write_datagram(
        self: &Arc<Self>,
        mut inner: MutexGuard<'_, Inner>,
        id: ConnId,
        bytes: Vec<u8>,
        completion: &mut Option<Completion>,
        bounds: Bounds<'_>,
    ) -> Result<Pressure> {
        let shared = inner.find(id)?;
        shared.peer().iter().try_for_each(|peer| check_length(*peer, bytes.len()))?;
        let pressure = reserve_datagram(id, shared, bytes.len(), bounds)?;
        completion.iter().for_each(|_| shared.await_completion());
        self.push(&mut inner, Command::WriteDatagram(id, bytes, completion.take()));
        drop(inner);
        self.wake();
        Ok(pressure)
    }

    /// Adds a command while the lock is held that it was accepted under, so that the loop cannot end in between.
    fn push(self: &Arc<Self>, inner: &mut Inner, command: Command) {
        let mut command = Some(command);
        if !add_corked(self, |commands| commands.extend(command.take())) {
            inner.commands.extend(command);
            self.note_pending(inner);
        }
    }

    /// Hands a datagram in, for an endpoint to send.
    pub(crate) fn send_to(
        self: &Arc<Self>,
        id: ConnId,
        to: SocketAddr,
        bytes: &[u8],
        bounds: Bounds<'_>,
    ) -> Result<Pressure> {
        let bytes = bytes.to_vec();
        let pressure = {
            let mut inner = self.lock();
            let shared = inner.find(id)?;
            if shared.kind != ConnKind::Endpoint {
                return Err(no_endpoint_error(id));
            }
            check_length(to, bytes.len())?;
            check_destination(to, shared.is_ipv4())?;
            let pressure = reserve_datagram(id, shared, bytes.len(), bounds)?;
            self.push(&mut inner, Command::SendTo(id, to, bytes));
            pressure
        };
        self.wake();
        Ok(pressure)
    }
}

/// Counts bytes that are handed in against the connection's limit and the server's; for the latter `more` on top.
fn reserve(
    shared: &ConnShared,
    len: usize,
    more: usize,
    bounds: Bounds<'_>,
) -> std::result::Result<Pressure, Refused> {
    let Bounds { config, budget, .. } = bounds;
    if !shared.takes_writes() {
        return Err(Refused::Closed);
    }
    let _ = shared.pressure_with(len, config).ok_or(Refused::Overflow)?;
    if !budget.take(shared.unsent(), len, more) {
        return Err(Refused::Budget);
    }
    shared.reserve(len, config).ok_or_else(|| {
        // The loop itself has written meanwhile.
        budget.change(-((len + more) as isize));
        Refused::Overflow
    })
}

/// The same for a datagram of `len` bytes. Beyond the hard limit it is lost, as datagrams may be; its socket goes on.
fn reserve_datagram(id: ConnId, shared: &ConnShared, len: usize, bounds: Bounds<'_>) -> Result<Pressure> {
    reserve(shared, cost(len), 0, bounds).map_err(|refused| refusal(id, cost(len), refused, bounds))
}

fn refusal(id: ConnId, len: usize, refused: Refused, bounds: Bounds<'_>) -> Error {
    match refused {
        Refused::Closed => closed_error(id),
        Refused::Overflow => full_error(id, len, bounds.config.hard_limit),
        Refused::Budget => budget_error(id, len, bounds.budget.limit()),
    }
}
