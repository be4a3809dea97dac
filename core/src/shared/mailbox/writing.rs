//! Bytes and datagrams that other threads hand in: counted at once, queued by the loop.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard};

use super::{
    budget_error, closed_error, full_error, no_endpoint_error, no_sender_error, Bounds, Inner, Mailbox,
};
use crate::base::conn_id::ConnId;
use crate::base::datagram::Source;
use crate::base::error::{Error, Result};
use crate::conn::completions;
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
/// What the budget counts for a write on top of its bytes: its place in a list, which may have room for as many again, and
/// what the allocator needs for the bytes.
const COMMAND: usize = 2 * size_of::<Command>() + 16;

/// What the budget counts for a write of `len` bytes, or a datagram that costs so many, while it is on its way.
pub(crate) fn counted(len: usize, completion: Option<&Completion>) -> usize {
    len + COMMAND + completions::cost(completion)
}

impl Mailbox {
    /// Hands bytes in for a connection, of so many writes.
    pub(crate) fn write(
        self: &Arc<Self>,
        id: ConnId,
        (slices, writes): (&[&[u8]], u32),
        mut completion: Option<Completion>,
        bounds: Bounds<'_>,
    ) -> Result<Pressure> {
        // One that is refused is dropped here, without the lock: it is the user's.
        self.write_locking(id, (slices, writes), &mut completion, bounds)
    }

    fn write_locking(
        self: &Arc<Self>,
        id: ConnId,
        (slices, writes): (&[&[u8]], u32),
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
        let counted = counted(len, completion.as_ref());
        let pressure = match reserve(shared, len, counted, bounds) {
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
        if let Some(completion) = completion {
            shared.await_completion(completions::cost(Some(completion)));
        } else if len == 0 {
            bounds.budget.change(-(counted as isize));
            return Ok(pressure);
        }
        let mut add = |commands: &mut Vec<Command>| {
            if let (Some(Command::Write(last, before)), None) = (commands.last_mut(), &copy) {
                if *last == id && before.completion.is_none() {
                    if let Some(grown) = before.bytes.join(slices, COPIED_LOCKED) {
                        // It needs no command of its own, and takes what room there is.
                        let grown = grown + completions::cost(completion.as_ref());
                        bounds.budget.change(grown as isize - counted as isize);
                        before.counted += grown;
                        before.writes += writes;
                        before.completion = completion.take();
                        return;
                    }
                }
            }
            let bytes = copy.take().unwrap_or_else(|| Parcel::Small(slices.concat()));
            let completion = completion.take();
            commands.push(Command::Write(id, HandedIn { bytes, counted, writes, completion }));
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
        let pressure = reserve_datagram(id, shared, bytes.len(), completion.as_ref(), bounds)?;
        completion.iter().for_each(|it| shared.await_completion(completions::cost(Some(it))));
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
        (to, from): (SocketAddr, Option<Source>),
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
            let pressure = reserve_datagram(id, shared, bytes.len(), None, bounds)?;
            self.push(&mut inner, Command::SendTo(id, to, from, bytes));
            pressure
        };
        self.wake();
        Ok(pressure)
    }
}

/// Counts bytes that are handed in against the connection's limit, and against the server's what is `counted` for them.
fn reserve(
    shared: &ConnShared,
    len: usize,
    counted: usize,
    bounds: Bounds<'_>,
) -> std::result::Result<Pressure, Refused> {
    let Bounds { config, budget, .. } = bounds;
    if !shared.takes_writes() {
        return Err(Refused::Closed);
    }
    let _ = shared.pressure_with(len, config).ok_or(Refused::Overflow)?;
    // A command is soon given back: the limit does not stand against it.
    if !budget.take(|| shared.held_by_writes(), counted - COMMAND, COMMAND) {
        return Err(Refused::Budget);
    }
    shared.reserve(len, config).ok_or_else(|| {
        // The loop itself has written meanwhile.
        budget.change(-(counted as isize));
        Refused::Overflow
    })
}

/// The same for a datagram of `len` bytes. Beyond the hard limit it is lost, as datagrams may be; its socket goes on.
fn reserve_datagram(
    id: ConnId,
    shared: &ConnShared,
    len: usize,
    completion: Option<&Completion>,
    bounds: Bounds<'_>,
) -> Result<Pressure> {
    let len = cost(len);
    reserve(shared, len, counted(len, completion), bounds)
        .map_err(|refused| refusal(id, len, refused, bounds))
}

fn refusal(id: ConnId, len: usize, refused: Refused, bounds: Bounds<'_>) -> Error {
    match refused {
        Refused::Closed => closed_error(id),
        Refused::Overflow => full_error(id, len, bounds.config.hard_limit),
        Refused::Budget => budget_error(id, len, bounds.budget.limit()),
    }
}
