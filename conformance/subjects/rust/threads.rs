//! The same call from many threads at once.

use std::sync::Arc;
use std::thread;

use reactor_core::Handle;

use crate::call::Caller;
use crate::outcome::value;
use crate::text::plain;
use crate::world::World;

/// Has `count` threads make a call `times` times each; `%t` and `%n` in it are the thread's number and the call's.
/// The results, thread by thread.
pub(crate) fn each(world: &Arc<World>, server: &Handle, count: &str, times: &str, call: &str) -> Vec<String> {
    let times = times.parse().unwrap_or(0);
    let one = |number: usize| {
        let call = call.replace("%t", &number.to_string());
        let make = |at: usize| {
            let caller = Caller { world, server, own: None };
            plain(&value(caller.call(&call.replace("%n", &at.to_string()))))
        };
        (0..times).map(make).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let callers: Vec<_> =
            (0..count.parse().unwrap_or(0)).map(|number| scope.spawn(move || one(number))).collect();
        callers.into_iter().filter_map(|caller| caller.join().ok()).flatten().collect()
    })
}
