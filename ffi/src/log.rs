//! The engine's log, given to a C function, or until there is one to standard error.

use std::cell::Cell;
use std::ffi::{c_char, c_void, CString};
use std::sync::{Arc, Once, PoisonError, RwLock};

use log::{Level, LevelFilter, Log, Metadata, Record};
use reactor_core::{ErrorKind, Result};

use crate::call::Call;
use crate::inside::Inside;
use crate::owned::{hand_over, reactor_destroy, Owned};
use crate::standard_error;
use crate::status::reactor_status;

/// The level of a message: something failed.
pub const REACTOR_LOG_ERROR: i32 = 1;
/// The level of a message: something is not as it should be, and the engine copes.
pub const REACTOR_LOG_WARN: i32 = 2;
/// The level of a message: something happened.
pub const REACTOR_LOG_INFO: i32 = 3;
/// The level of a message: for whoever looks for a defect.
pub const REACTOR_LOG_DEBUG: i32 = 4;
/// The level of a message: for whoever looks for a defect, and has patience.
pub const REACTOR_LOG_TRACE: i32 = 5;

/// Called with each message: level is one of REACTOR_LOG_..., message a text on one line or more, valid until
/// the call returns. On whichever thread has something to say, on several at once. What the engine has to say
/// about calls made inside of it is dropped.
pub type reactor_log =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, message: *const c_char)>;

/// Sends what the engine logs to a function, for the whole process, in place of the one before: messages up
/// to max_level, one of REACTOR_LOG_.... NULL turns the log off; user_data, destroy and max_level are ignored then.
///
/// Until this is called, messages of REACTOR_LOG_ERROR go to standard error, a line each: that descriptors or memory have
/// run out, that a listener does not work, that a callback failed, that the engine cannot go on. Each of these kinds is told
/// at most once a second, to a function, too.
///
/// destroy, which may be NULL, is called once, when another call has replaced the function and the last of
/// its calls on other threads has returned.
///
/// Errors: REACTOR_STATUS_INVALID_ARGUMENT for a max_level that is none; REACTOR_STATUS_WRONG_STATE if the
/// program has set another logger for the log crate of Rust. user_data is the caller's then.
#[no_mangle]
pub unsafe extern "C" fn reactor_set_log(
    function: reactor_log,
    user_data: *mut c_void,
    destroy: reactor_destroy,
    max_level: i32,
) -> reactor_status {
    let call = Call::new("reactor_set_log");
    call.run(|| {
        tell_errors_unasked();
        let Some(function) = function else {
            log::set_max_level(LevelFilter::Off);
            LOGGER.replace(Target::Nothing);
            return Ok(());
        };
        let max_level = level_filter(max_level, call)?;
        install(call)?;
        hand_over(user_data, destroy, |owned: Owned| {
            LOGGER.replace(Target::Function(Arc::new(Sink { function, owned })));
            Ok(())
        })?;
        log::set_max_level(max_level);
        Ok(())
    })
}

/// The program's function and its data.
struct Sink {
    function: unsafe extern "C" fn(*mut c_void, i32, *const c_char),
    owned: Owned,
}

impl Sink {
    fn call(&self, record: &Record<'_>) {
        let message = CString::new(record.args().to_string().replace('\0', "\u{fffd}")).unwrap_or_default();
        let _inside = Inside::mark();
        // SAFETY: the program's own function, with its data; the message is valid while it runs.
        unsafe { (self.function)(self.owned.data(), record.level() as i32, message.as_ptr()) };
    }
}

/// Where messages go.
#[derive(Clone)]
enum Target {
    StandardError,
    Function(Arc<Sink>),
    Nothing,
}

/// The one logger of the process, whose target changes.
struct Logger(RwLock<Target>);

static LOGGER: Logger = Logger(RwLock::new(Target::StandardError));

thread_local! {
    /// Whether this thread is in the program's function.
    static LOGGING: Cell<bool> = const { Cell::new(false) };
}

impl Logger {
    fn replace(&self, target: Target) {
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), target);
        // Without the lock: it may call the program's destroy.
        drop(before);
    }

    /// Without the lock, so that the function can be replaced from inside of it.
    fn target(&self) -> Target {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || LOGGING.replace(true) {
            return;
        }
        match self.target() {
            Target::StandardError => standard_error::write_line(&format!("reactor: {}\n", record.args())),
            Target::Function(sink) => sink.call(record),
            Target::Nothing => {}
        }
        LOGGING.set(false);
    }

    fn flush(&self) {}
}

/// Makes it the logger of the process, if that has none: errors go to standard error from now on, if the program has not
/// said otherwise.
pub(crate) fn tell_errors_unasked() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if is_installed() {
            log::set_max_level(LevelFilter::Error);
        }
    });
}

/// Makes it the logger of the process, once; whether it is.
fn is_installed() -> bool {
    static INSTALLED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *INSTALLED.get_or_init(|| log::set_logger(&LOGGER).is_ok())
}

fn install(call: Call) -> Result<()> {
    match is_installed() {
        true => Ok(()),
        false => {
            Err(call.error(ErrorKind::WrongState, "the program has set another logger for the log crate"))
        }
    }
}

/// `REACTOR_LOG_...`, whose numbers are those of the log crate.
fn level_filter(level: i32, call: Call) -> Result<LevelFilter> {
    let none = || call.invalid(format_args!("max_level is {level}, which is none of REACTOR_LOG_..."));
    let level = Level::iter().find(|each| *each as i32 == level);
    level.map(|level| level.to_level_filter()).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::F;

    #[test]
    fn levels_have_the_numbers_of_the_log_crate() {
        let ours =
            [REACTOR_LOG_ERROR, REACTOR_LOG_WARN, REACTOR_LOG_INFO, REACTOR_LOG_DEBUG, REACTOR_LOG_TRACE];
        assert_eq!(Level::iter().map(|level| level as i32).collect::<Vec<_>>(), ours);
        for level in Level::iter() {
            assert_eq!(level_filter(level as i32, F), Ok(level.to_level_filter()));
        }
        for unknown in [-1, 0, 6] {
            assert!(level_filter(unknown, F).is_err());
        }
    }
}
