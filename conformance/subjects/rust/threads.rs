//! The same call from many threads at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use reactor_core::Handle;

use crate::call::Caller;
use crate::outcome::value;
use crate::text::plain;
use crate::world::World;

/// Has `count` threads make a call `times` times each; `%t` and `%n` in it are the thread's number and the call's.
/// How often each result came: no list of all of them, which would take more memory than the server.
pub(crate) fn each(
    world: &Arc<World>,
    server: &Handle,
    count: &str,
    times: &str,
    call: &str,
) -> BTreeMap<String, u64> {
    let times = times.parse().unwrap_or(0);
    let one = |number: usize| {
        let call = call.replace("%t", &number.to_string());
        let make = |at: usize| {
            let caller = Caller { world, server, own: None };
            plain(&value(caller.call(&call.replace("%n", &at.to_string()))))
        };
        let mut tally = BTreeMap::<String, u64>::new();
        (0..times).map(make).for_each(|result| *tally.entry(result).or_default() += 1);
        tally
    };
    let mut all = BTreeMap::<String, u64>::new();
    thread::scope(|scope| {
        let callers: Vec<_> =
            (0..count.parse().unwrap_or(0)).map(|number| scope.spawn(move || one(number))).collect();
        for (result, count) in callers.into_iter().filter_map(|caller| caller.join().ok()).flatten() {
            *all.entry(result).or_default() += count;
        }
    });
    all
}
