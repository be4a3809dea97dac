//! Where the loops put their logs: a queue, and a thread-safe function that calls JavaScript once for each.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use log::{Level, LevelFilter};
use napi::bindgen_prelude::{Either, Function, FunctionRef, JsObjectValue, Object};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode, UnknownReturnValue};
use napi::{sys, Env, Status};
use reactor_core::binding::log::{HandOver, Reader};
use reactor_core::{Action, BoxError, ErrorKind, Handle};

use crate::hand_over::{answer, Kept, Message, Writes};
use crate::inline;
use crate::told;

/// `onStart` as the JavaScript layer wraps it: returns the action's number, or the text of its failure.
pub(crate) type OnStart<'a> = Function<'a, (), Either<i32, String>>;
/// Calls the callbacks for a log.
pub(crate) type Deliver<'a> = Function<'a, Message, UnknownReturnValue>;
/// Its calls carry nothing: what is to be handed over waits in the channel, so that it is not lost with the
/// environment.
type Caller = ThreadsafeFunction<(), UnknownReturnValue, Message, Status, false>;

/// The way from the loops to the JavaScript thread.
#[derive(Clone)]
pub(crate) struct Channel {
    /// There from the start until the stop; keeps the process alive meanwhile. Called without the lock: the thread that a
    /// call wakes would run into it.
    caller: Arc<Mutex<Option<Arc<Caller>>>>,
    /// Where what was gathered is put; from the start on.
    kept: Arc<OnceLock<Kept>>,
    /// One message for each call that is on its way.
    messages: Sender<Message>,
    waiting: Receiver<Message>,
    /// From which level on it takes what the engine says.
    level: LevelFilter,
}

impl Channel {
    pub(crate) fn new(level: LevelFilter) -> Self {
        let (messages, waiting) = crossbeam_channel::unbounded();
        Channel { caller: Arc::default(), kept: Arc::default(), messages, waiting, level }
    }

    pub(crate) fn level(&self) -> LevelFilter {
        self.level
    }

    /// What it hands over is put there: memory of the function's that is called, the same at each start.
    pub(crate) fn keep(&self, kept: Kept) {
        self.kept.get_or_init(|| kept);
    }

    fn caller(&self) -> MutexGuard<'_, Option<Arc<Caller>>> {
        self.caller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, env: &Env, deliver: &FunctionRef<Message, UnknownReturnValue>) -> napi::Result<()> {
        let channel = self.clone();
        let deliver = deliver.borrow_back(env)?;
        let caller = deliver.build_threadsafe_function().build_callback(move |_| channel.next())?;
        *self.caller() = Some(Arc::new(caller));
        told::open(self);
        Ok(())
    }

    /// Lets no more through.
    pub(crate) fn close(&self) {
        told::close(self);
        let caller = self.caller().take();
        drop(caller);
    }

    /// Whether it keeps the process alive.
    pub(crate) fn set_ref(&self, env: &Env, keeps_alive: bool) {
        let Some(caller) = self.caller().clone() else { return };
        let set =
            if keeps_alive { sys::napi_ref_threadsafe_function } else { sys::napi_unref_threadsafe_function };
        // SAFETY: the function is there, as its caller is, and the environment is that of this thread, which made it.
        unsafe { set(env.raw(), caller.raw()) };
    }

    /// Whether both are the same way.
    pub(crate) fn is(&self, other: &Channel) -> bool {
        Arc::ptr_eq(&self.caller, &other.caller)
    }

    /// Tells JavaScript what the engine says.
    pub(crate) fn tell(&self, level: Level, text: String) {
        self.send(Message::Told(level, text));
    }

    /// Has JavaScript call what it knows by this token. On the thread of a loop, which has come to it.
    pub(crate) fn run(&self, token: u32) {
        if !inline::run(token) {
            self.send(Message::Ran(token));
        }
    }

    /// Drops what JavaScript will not handle any more.
    pub(crate) fn clear(&self) {
        self.waiting.try_iter().for_each(drop);
    }

    /// Hands over what a loop has gathered.
    fn send_log(&self, hand_over: HandOver, writes: Writes) {
        if let Some(kept) = self.kept.get() {
            self.send(Message::Log(hand_over, writes, *kept));
        }
    }

    /// Queues a call, from any thread. It never blocks: a loop has at most one log on its way. In an environment that
    /// is being torn down nothing is called any more.
    pub(crate) fn send(&self, message: Message) {
        let Some(caller) = self.caller().clone() else { return };
        // It cannot fail: this has a receiver, too.
        let _ = self.messages.send(message);
        caller.call_with_return_value((), ThreadsafeFunctionCallMode::NonBlocking, |delivered, env| {
            answer();
            // A warning that fails, too, finds an environment that is being torn down.
            let _ = delivered.or_else(|error| warn(&env, &error.reason));
            Ok(())
        });
    }

    fn next(&self) -> napi::Result<Message> {
        self.waiting.try_recv().map_err(|_| napi::Error::from_reason("a call without a log"))
    }
}

/// Reports a batch that was not handled to its end as a warning of the process. The JavaScript layer lets
/// nothing escape; should it, nobody else would tell.
pub(crate) fn warn(env: &Env, reason: &str) -> napi::Result<UnknownReturnValue> {
    let process: Object<'_> = env.get_global()?.get_named_property("process")?;
    let emit: Function<'_, String, UnknownReturnValue> = process.get_named_property("emitWarning")?;
    emit.apply(process, format!("a batch was not handled to its end: {reason}"))
}

/// What `on_start` needs of the call of `start` that it happens in.
struct Starting {
    env: Env,
    on_start: FunctionRef<(), Either<i32, String>>,
    deliver: FunctionRef<Message, UnknownReturnValue>,
}

thread_local! {
    static STARTING: RefCell<Option<Starting>> = const { RefCell::new(None) };
}

/// Runs `start`, whose call of [`Reader::on_start`] finds these functions. On the JavaScript thread.
pub(crate) fn starting<T>(
    env: Env,
    on_start: &OnStart<'_>,
    deliver: &Deliver<'_>,
    start: impl FnOnce() -> reactor_core::Result<T>,
    channel: &Channel,
) -> napi::Result<reactor_core::Result<T>> {
    let functions = Starting { env, on_start: on_start.create_ref()?, deliver: deliver.create_ref()? };
    STARTING.set(Some(functions));
    let started = start();
    STARTING.set(None);
    // A start in the wrong state did not get as far as opening it.
    if started.as_ref().is_err_and(|error| error.kind() != ErrorKind::WrongState) {
        channel.close();
    }
    Ok(started)
}

pub(crate) struct JsReader {
    pub(crate) channel: Channel,
    /// The handler is told commands.
    pub(crate) commands: bool,
    /// The JavaScript thread drives the loop.
    pub(crate) is_inline: bool,
    /// The time between two batches.
    pub(crate) interval: Duration,
}

impl Reader for JsReader {
    fn takes_commands(&self) -> bool {
        self.commands
    }

    fn takes_about(&self) -> bool {
        true
    }

    fn runs_user_code(&self) -> bool {
        false
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn reads_in_place(&self) -> bool {
        self.is_inline
    }

    fn on_start(&self, _server: &Handle) -> Result<Action, BoxError> {
        let starting = STARTING.take().ok_or("started on another thread than JavaScript's")?;
        let Starting { env, on_start, deliver } = starting;
        // First, so that onStart may start what it likes.
        self.channel.open(&env, &deliver).map_err(|error| error.reason.clone())?;
        match on_start.borrow_back(&env).and_then(|on_start| on_start.call(())) {
            Ok(Either::A(number)) if number == Action::Stop as i32 => Ok(Action::Stop),
            Ok(Either::A(_)) => Ok(Action::None),
            Ok(Either::B(text)) => Err(text.into()),
            Err(error) => Err(error.reason.clone().into()),
        }
    }

    fn read(&self, server: &Handle, hand_over: HandOver) -> Option<HandOver> {
        let writes = Writes::of(server, &hand_over);
        match inline::handle(hand_over, writes) {
            Ok(handled) => Some(handled),
            Err(for_another_thread) => {
                self.channel.send_log(for_another_thread, writes);
                None
            }
        }
    }

    fn on_stop(&self, _server: &Handle) {
        // Inline, the turn that ends the server says so.
        if !inline::turns_here() {
            self.channel.send(Message::Stopped);
        }
        self.channel.close();
    }
}
