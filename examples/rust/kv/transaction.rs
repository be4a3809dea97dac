//! MULTI and EXEC: requests that are gathered, and carried out with nobody in between, or not at all if a key that
//! WATCH named has changed.

use std::borrow::Cow;

use crate::commands::{execute, Outcome};
use crate::resp::{Arguments, Replies};
use crate::store::Session;
use crate::table::Command;

/// Bytes that the requests of a transaction may take, and the values of its replies.
const MAX: usize = 64 << 20;
/// What a request takes beside its bytes, and each argument.
const OVERHEAD: usize = 64;

/// The requests since MULTI.
#[derive(Default)]
pub struct Transaction {
    requests: Vec<Request>,
    held: usize,
    /// One of them could not be gathered: none will be carried out.
    is_spoilt: bool,
}

struct Request {
    bytes: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

impl Transaction {
    fn gather(&mut self, args: Arguments<'_>) -> bool {
        let len: usize = args.from(0).map(|argument| argument.len() + OVERHEAD).sum();
        if self.is_spoilt || self.held + len + OVERHEAD > MAX {
            // Nothing of it will be needed.
            (self.is_spoilt, self.requests, self.held) = (true, Vec::new(), 0);
            return false;
        }
        self.held += len + OVERHEAD;
        let (mut bytes, mut spans) = (Vec::new(), Vec::with_capacity(args.len()));
        for argument in args.from(0) {
            spans.push((bytes.len(), bytes.len() + argument.len()));
            bytes.extend_from_slice(argument);
        }
        self.requests.push(Request { bytes, spans });
        true
    }
}

/// Gathers a request of this command, if there is a transaction and it has to wait; says whether it does.
pub fn gathers(command: &Command, args: Arguments<'_>, replies: &mut Replies<'_>) -> bool {
    let Some(transaction) = &mut replies.peer.transaction else { return false };
    if command.is_immediate() {
        return false;
    }
    let was_spoilt = transaction.is_spoilt;
    match transaction.gather(args) || was_spoilt {
        true => replies.simple("QUEUED"),
        false => replies.error("ERR the transaction has more than 64 MiB"),
    }
    true
}

/// A request could not be understood.
pub fn spoil(replies: &mut Replies<'_>) {
    if let Some(transaction) = &mut replies.peer.transaction {
        *transaction = Transaction { is_spoilt: true, ..Transaction::default() };
    }
}

/// Ends a transaction, and what was watched for it, without carrying it out.
fn end(session: &mut Session<'_>, replies: &mut Replies<'_>) {
    replies.peer.transaction = None;
    session.unwatch(&mut replies.peer.watch);
}

/// EXEC itself could not be understood.
pub fn abort(why: Cow<'static, str>, session: &mut Session<'_>, replies: &mut Replies<'_>) {
    end(session, replies);
    replies.error(&format!("EXECABORT Transaction discarded because of: {why}"));
}

pub fn multi(_: Arguments<'_>, _: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    if replies.peer.transaction.is_some() {
        return Err("MULTI calls can not be nested".into());
    }
    replies.peer.transaction = Some(Transaction::default());
    replies.simple("OK");
    Ok(())
}

pub fn exec(_: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    let Some(transaction) = replies.peer.transaction.take() else { return Err("EXEC without MULTI".into()) };
    session.lock_all();
    let has_changed = session.has_changed(&replies.peer.watch);
    end(session, replies);
    if transaction.is_spoilt {
        replies.error("EXECABORT Transaction discarded because of previous errors.");
        return Ok(());
    }
    if has_changed {
        replies.null_array();
        return Ok(());
    }
    replies.array(transaction.requests.len());
    // Small requests can ask for one large value many times.
    replies.room = Some(MAX);
    for Request { bytes, spans } in &transaction.requests {
        execute(Arguments::new(bytes, spans), session, replies);
    }
    replies.room = None;
    Ok(())
}

pub fn discard(_: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    if replies.peer.transaction.is_none() {
        return Err("DISCARD without MULTI".into());
    }
    end(session, replies);
    replies.simple("OK");
    Ok(())
}

pub fn watch(args: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    if replies.peer.transaction.is_some() {
        return Err("WATCH inside MULTI is not allowed".into());
    }
    args.from(1).for_each(|key| session.watch(key, &mut replies.peer.watch));
    replies.simple("OK");
    Ok(())
}

pub fn unwatch(_: Arguments<'_>, session: &mut Session<'_>, replies: &mut Replies<'_>) -> Outcome {
    session.unwatch(&mut replies.peer.watch);
    replies.simple("OK");
    Ok(())
}
