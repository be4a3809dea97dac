//! The options of an outgoing connection.

use std::ffi::c_void;
use std::time::Duration;

use reactor_core::{ConnectOptions, Result};

use crate::call::Call;
use crate::framing::{self, reactor_framing};
use crate::settings;
use crate::sized::{ends, SizedStruct};
use crate::value::{self, REACTOR_NEVER};

/// Options of an outgoing connection, or of a descriptor taken over. Set size to sizeof; a member that is
/// zero has its default. The framing is shared: it may be freed after the call.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct reactor_connect_options {
    /// sizeof(struct reactor_connect_options).
    pub size: usize,
    /// Milliseconds that looking up the name and connecting may take together; REACTOR_NEVER: for ever.
    /// Default: 30,000. Without a meaning for a descriptor taken over.
    pub timeout_ms: i64,
    /// The loop that the connection lives on, counted from 1: the index of the loop plus one. Default: the
    /// calling loop, or else each in its turn.
    pub loop_plus_one: u32,
    /// As in struct reactor_listen_options.
    pub half_open: u32,
    /// As in struct reactor_listen_options.
    pub framing: *const reactor_framing,
    /// As in struct reactor_listen_options.
    pub idle_ms: i64,
    /// As in struct reactor_listen_options.
    pub read_ms: i64,
    /// As in struct reactor_listen_options.
    pub write_ms: i64,
    /// The connection's context from the beginning, as reactor_conn_set_context() gives it.
    pub context: *mut c_void,
    /// Called once, on the connection's loop, after its last callback, to release context. May be NULL. Not
    /// called when the call fails: context is the caller's then.
    pub context_destroy: Option<unsafe extern "C" fn(context: *mut c_void)>,
}

// SAFETY: integers and pointers that may be NULL, `size` first, without padding: `ends!` adds them up.
unsafe impl SizedStruct for reactor_connect_options {
    const ENDS: &'static [usize] = ends!(
        reactor_connect_options: size, timeout_ms; loop_plus_one, half_open, framing, idle_ms, read_ms, write_ms, context,
        context_destroy,
    );
}

impl reactor_connect_options {
    /// Everything but the context.
    ///
    /// # Safety
    /// The framing is NULL or not freed during the call.
    pub(crate) unsafe fn to_core(self, call: Call) -> Result<ConnectOptions> {
        let timeout = match self.timeout_ms {
            REACTOR_NEVER => Duration::MAX,
            timeout_ms => value::time(timeout_ms, call, "options->timeout_ms")?,
        };
        // SAFETY: what the caller promises.
        let framing = unsafe { framing::cloned(self.framing) };
        let timeouts = settings::timeouts(self.idle_ms, self.read_ms, self.write_ms, call)?;
        let conn = settings::conn_options(framing, timeouts, self.half_open, call)?;
        let on_loop = self.loop_plus_one.checked_sub(1).map(|index| index as usize);
        Ok(ConnectOptions { conn, timeout, on_loop, context: None })
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use reactor_core::binding::{given, OPTIONS};
    use reactor_core::{ConnOptions, Framing, ListenOptions};

    use super::*;
    use crate::call::F;
    use crate::value::REACTOR_ON;

    const FULL: reactor_connect_options = reactor_connect_options {
        size: size_of::<reactor_connect_options>(),
        timeout_ms: 1,
        loop_plus_one: 2,
        half_open: REACTOR_ON,
        framing: std::ptr::null(),
        idle_ms: 3,
        read_ms: 4,
        write_ms: 5,
        context: std::ptr::null_mut(),
        context_destroy: None,
    };

    fn to_core(options: reactor_connect_options) -> Result<ConnectOptions> {
        // SAFETY: the framing is NULL, or lives.
        unsafe { options.to_core(F) }
    }

    #[test]
    fn every_member_arrives() {
        let options = to_core(FULL).unwrap();
        let millis = Duration::from_millis;
        assert_eq!((options.timeout, options.on_loop), (millis(1), Some(1)));
        let ConnOptions { timeouts, half_open, .. } = options.conn;
        assert_eq!((timeouts.idle, timeouts.read, timeouts.write), (millis(3), millis(4), millis(5)));
        assert!(half_open);
    }

    #[test]
    fn everything_that_a_connection_begins_with_has_a_member() {
        let line = reactor_framing::of(Framing::line());
        let options = to_core(reactor_connect_options { framing: &raw const line, ..FULL }).unwrap();
        let all = OPTIONS.iter().filter(|row| row.is_of_conns()).map(|row| row.name);
        assert_eq!(given(&ListenOptions::default(), &options.conn), all.collect::<Vec<_>>());
    }

    #[test]
    fn zero_is_the_default_and_never_is_for_ever() {
        let options = to_core(reactor_connect_options { timeout_ms: 0, loop_plus_one: 0, ..FULL }).unwrap();
        assert_eq!((options.timeout, options.on_loop), (Duration::ZERO, None));
        let options = to_core(reactor_connect_options { timeout_ms: REACTOR_NEVER, ..FULL }).unwrap();
        assert_eq!(options.timeout, Duration::MAX);
    }
}
