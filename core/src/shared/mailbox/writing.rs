//! Bytes and datagrams that other threads hand in: counted at once, queued by the loop.

use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard};

use super::refusals::budget_error;
use super::{closed_error, full_error, no_endpoint_error, no_sender_error, Bounds, Inner, Mailbox};
use crate::base::conn_id::ConnId;
use crate::base::error::Result;
use crate::conn::datagram::endpoint::{check_destination, check_length, cost};
use crate::conn::shared::{ConnKind, ConnShared};
use crate::contract::action::{Completion, Pressure};
use crate::shared::mailbox::command::{Command, HandedIn};
use crate::shared::mailbox::cork::add_corked;

/// Writes below this size are copied with the lock held, which is short then.
const COPIED_LOCKED: usize = 4 << 10;

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
        let mut copy = if len < COPIED_LOCKED { Vec::new() } else { slices.concat() };
        let mut inner = self.lock();
        let shared = inner.find(id)?;
        if shared.kind == ConnKind::Endpoint {
            return Err(no_sender_error(id));
        }
        if shared.kind == ConnKind::ConnectedDatagram {
            return self.write_datagram(inner, id, slices.concat(), completion, bounds);
        }
        let pressure = reserve(id, shared, len, bounds)?;
        if completion.is_some() {
            shared.await_completion();
        } else if len == 0 {
            return Ok(pressure);
        }
        let mut add = |commands: &mut Vec<Command>| {
            if let (Some(Command::Write(last, before)), true) = (commands.last_mut(), copy.is_empty()) {
                if *last == id && before.completion.is_none() && before.bytes.len() < COPIED_LOCKED {
                    slices.iter().for_each(|slice| before.bytes.extend_from_slice(slice));
                    before.writes += 1;
                    before.completion = completion.take();
                    return;
                }
            }
            let bytes = if copy.is_empty() { slices.concat() } else { std::mem::take(&mut copy) };
            commands.push(Command::Write(id, HandedIn { bytes, writes: 1, completion: completion.take() }));
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
        let pressure = reserve(id, shared, cost(bytes.len()), bounds)?;
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
            let pressure = reserve(id, shared, cost(bytes.len()), bounds)?;
            self.push(&mut inner, Command::SendTo(id, to, bytes));
            pressure
        };
        self.wake();
        Ok(pressure)
    }
}

/// Counts bytes that are handed in against the connection's limit and the server's.
fn reserve(id: ConnId, shared: &ConnShared, len: usize, bounds: Bounds<'_>) -> Result<Pressure> {
    let Bounds { config, budget } = bounds;
    if !shared.takes_writes() {
        return Err(closed_error(id));
    }
    if !budget.take(len) {
        return Err(budget_error(id, len, budget.limit()));
    }
    shared.reserve(len, config).ok_or_else(|| {
        budget.change(-(len as isize));
        full_error(id, len, config.hard_limit)
    })
}
