//! Memory that JavaScript no longer uses goes back to the system when a burst is over.

use napi::Env;
use napi_derive::napi;

/// Beyond the amount at which V8 starts to collect (64 MiB), and far below that at which it stops the world
/// for it.
const PRESSURE: i64 = 128 << 20;

/// Tells V8 that there is external memory to be had, so that it starts an incremental collection. It would
/// not do so by itself before the garbage comes to tens of megabytes.
#[napi(catch_unwind)]
pub fn collect_soon(env: Env) -> napi::Result<()> {
    env.adjust_external_memory(PRESSURE)?;
    env.adjust_external_memory(-PRESSURE)?;
    Ok(())
}

/// Gives freed memory back to the system, which glibc keeps otherwise.
#[napi(catch_unwind)]
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time, on any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
