//! Binding threads to processors.

use std::io;
use std::mem::{size_of, zeroed};

use crate::sys::check;

/// Binds the calling thread to one of the processors that it may use: the `index`-th, counting round.
pub(crate) fn pin_to(index: usize) -> io::Result<()> {
    // SAFETY: a set of bits for which zeroes are valid: the empty set.
    let mut allowed: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: the kernel fills the set, whose size it is told; 0 is the calling thread.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut allowed) })?;
    // SAFETY: the macros' functions look at bits within the set only.
    let usable = (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &allowed) });
    let usable: Vec<usize> = usable.collect();
    let Some(&cpu) = usable.get(index % usable.len().max(1)) else { return Ok(()) };
    // SAFETY: as above; `cpu` is one of the set's bits.
    check(unsafe {
        let mut one: libc::cpu_set_t = zeroed();
        libc::CPU_SET(cpu, &mut one);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &one)
    })
    .map(drop)
}
