//! What crosses from a loop to the JavaScript thread, and how JavaScript reads it.

use std::cell::RefCell;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use log::Level;
use napi::bindgen_prelude::JsValuesTupleIntoVec;
use napi::{check_status, sys, Result};
use napi_derive::napi;
use reactor_core::binding::log::{HandOver, Kind, Record};
use reactor_core::binding::Cork;
use reactor_core::ConnId;

use crate::detached::Offer;
use crate::remote::Asked;

/// Bytes from which on JavaScript is lent the log's memory instead of a copy. To lend and to take back costs some
/// microseconds.
const LENT: usize = 64 << 10;

/// The kind of a record: its number, as records carry it, and its name.
#[napi(object)]
pub struct RecordKind {
    /// The number: the lower half of a record's first.
    pub number: u32,
    /// The name: `open`.
    pub name: String,
}

/// Every kind of record that there is.
#[napi]
pub fn record_kinds() -> Vec<RecordKind> {
    let own = Asked::ALL.into_iter().map(|(asked, name)| (asked as u32, name));
    let all = Kind::ALL.into_iter().map(|kind| (kind as u32, kind.name())).chain(own);
    all.map(|(number, name)| RecordKind { number, name: name.to_owned() }).collect()
}

/// The numbers that a record takes: its kind with its flags, the high and the low half of the connection's id, and two
/// more.
#[napi]
pub fn record_words() -> u32 {
    Record::WORDS as u32
}

/// One call of JavaScript.
pub enum Message {
    /// What a loop has gathered.
    Log(HandOver),
    /// What the engine says, in words.
    Told(Level, String),
    /// A loop has come to what it was asked to run, which has this token.
    Ran(u32),
    /// Another thread has asked a connection for something: [`NativeServer::next_asked`](crate::server::NativeServer::next_asked) says it.
    Asked(Asked, ConnId),
    /// All loops have ended; nothing comes after it.
    Stopped,
}

/// What JavaScript is handling.
struct Handled {
    arguments: Arguments,
    /// Dropped before the answer.
    offer: Offer,
    /// Dropping it answers its loop; what the callbacks wrote goes before.
    hand_over: HandOver,
    /// Dropped last: it wakes each loop concerned once.
    cork: Cork,
}

thread_local! {
    /// Not dropped with the thread: a callback may end the process, and nobody waits for an answer then.
    static HANDLED: RefCell<Option<ManuallyDrop<Handled>>> = const { RefCell::new(None) };
}

/// The callbacks of the hand-over have run. In the scope of the call that made the arguments.
pub(crate) fn answer() {
    let Some(handled) = HANDLED.take() else { return };
    let Handled { arguments, offer, hand_over, cork } = ManuallyDrop::into_inner(handled);
    arguments.take_back();
    drop(offer);
    drop(hand_over);
    drop(cork);
}

/// The arguments of a call of JavaScript, in the handle scope that is open.
pub(crate) struct Arguments {
    words: sys::napi_value,
    bytes: sys::napi_value,
    /// Taken back before the answer: the loop goes on with other memory, but nobody shall see what this becomes.
    lent: Option<Lent>,
}

impl Arguments {
    /// Those that tell what a loop has gathered; or, with nothing, that the server has stopped.
    pub(crate) fn of(env: sys::napi_env, hand_over: Option<&HandOver>) -> Result<Arguments> {
        let Some(hand_over) = hand_over else {
            return Ok(Arguments { words: words(env, &[])?, bytes: copied(env, &[])?, lent: None });
        };
        let words = words(env, hand_over.records())?;
        let lent = if hand_over.bytes().len() >= LENT { lend(env, hand_over)? } else { None };
        let bytes = match &lent {
            Some(lent) => lent.buffer,
            None => copied(env, hand_over.bytes())?,
        };
        Ok(Arguments { words, bytes, lent })
    }

    pub(crate) fn values(&self) -> [sys::napi_value; 2] {
        [self.words, self.bytes]
    }

    /// The call is over. In the scope that they were made in.
    pub(crate) fn take_back(self) {
        self.lent.into_iter().for_each(Lent::take_back);
    }
}

/// Makes the arguments of the call, on the JavaScript thread, right before it.
impl JsValuesTupleIntoVec for Message {
    fn into_vec(self, env: sys::napi_env) -> Result<Vec<sys::napi_value>> {
        let mut hand_over = match self {
            Message::Log(hand_over) => hand_over,
            Message::Told(level, text) => return told(env, level, &text),
            Message::Ran(token) => return ran(env, token),
            Message::Asked(asked, conn) => return self::asked(env, asked, conn),
            Message::Stopped => return Ok(Arguments::of(env, None)?.values().into()),
        };
        let arguments = Arguments::of(env, Some(&hand_over))?;
        let values = arguments.values().into();
        let offer = Offer::of(&mut hand_over);
        HANDLED.set(Some(ManuallyDrop::new(Handled { arguments, offer, hand_over, cork: Cork::new() })));
        Ok(values)
    }
}

/// The records as JavaScript's numbers, copied as they lie.
fn words(env: sys::napi_env, records: &[Record]) -> Result<sys::napi_value> {
    numbers(env, records)
}

/// What is plain integers of 32 bits without padding.
trait Flat {}

impl Flat for Record {}
impl Flat for u32 {}

/// Flat values as numbers of 32 bits, as they lie: records, or numbers.
fn numbers<T: Flat>(env: sys::napi_env, records: &[T]) -> Result<sys::napi_value> {
    let (mut buffer, mut memory, mut words) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let len = size_of_val(records);
    // SAFETY: the environment is that of this thread, and the results are places of ours.
    check_status!(unsafe { sys::napi_create_arraybuffer(env, len, &mut memory, &mut buffer) })?;
    if len > 0 {
        // SAFETY: the values are plain integers without padding; the new memory has room for them all, and is nobody else's.
        unsafe { ptr::copy_nonoverlapping(records.as_ptr().cast::<u8>(), memory.cast(), len) };
    }
    let (kind, count) = (sys::TypedarrayType::uint32_array, len / size_of::<u32>());
    // SAFETY: as above; the buffer has just so many numbers, from its start.
    check_status!(unsafe { sys::napi_create_typedarray(env, kind, count, buffer, 0, &mut words) })?;
    Ok(words)
}

/// The arguments that tell what another thread has asked for: a record of that.
fn asked(env: sys::napi_env, asked: Asked, conn: ConnId) -> Result<Vec<sys::napi_value>> {
    let id = conn.to_u64();
    let record: [u32; Record::WORDS] = [asked as u32, (id >> 32) as u32, id as u32, 0, 0];
    Ok(vec![numbers(env, &record)?, copied(env, &[])?])
}

fn copied(env: sys::napi_env, bytes: &[u8]) -> Result<sys::napi_value> {
    let (mut memory, mut buffer) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the environment is that of this thread; pointer and length describe the bytes, which are only read.
    check_status!(unsafe {
        sys::napi_create_buffer_copy(env, bytes.len(), bytes.as_ptr().cast(), &mut memory, &mut buffer)
    })?;
    Ok(buffer)
}

/// The arguments that tell what the engine says.
fn told(env: sys::napi_env, level: Level, text: &str) -> Result<Vec<sys::napi_value>> {
    let level = level.as_str().to_lowercase();
    Ok(vec![words(env, &[])?, copied(env, &[])?, string(env, text)?, string(env, &level)?])
}

/// The arguments that tell what a loop has come to.
pub(crate) fn ran(env: sys::napi_env, token: u32) -> Result<Vec<sys::napi_value>> {
    let nothing = undefined(env)?;
    Ok(vec![words(env, &[])?, copied(env, &[])?, nothing, nothing, number(env, token)?])
}

fn undefined(env: sys::napi_env) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: the environment is that of this thread, and the result is a place of ours.
    check_status!(unsafe { sys::napi_get_undefined(env, &mut value) })?;
    Ok(value)
}

fn number(env: sys::napi_env, number: u32) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: as above.
    check_status!(unsafe { sys::napi_create_uint32(env, number, &mut value) })?;
    Ok(value)
}

fn string(env: sys::napi_env, text: &str) -> Result<sys::napi_value> {
    let mut string = ptr::null_mut();
    // SAFETY: the environment is that of this thread; pointer and length describe the text, which is only read.
    check_status!(unsafe {
        sys::napi_create_string_utf8(env, text.as_ptr().cast(), text.len() as isize, &mut string)
    })?;
    Ok(string)
}

/// A buffer over the log's own memory. It is read by the package only, which copies what it gives to the user.
struct Lent {
    env: sys::napi_env,
    buffer: sys::napi_value,
    memory: sys::napi_value,
}

/// `None` where there must be no such buffers: JavaScript then gets a copy.
fn lend(env: sys::napi_env, hand_over: &HandOver) -> Result<Option<Lent>> {
    let share = Arc::into_raw(hand_over.share_bytes());
    let mut buffer = ptr::null_mut();
    // SAFETY: the share keeps the bytes where they are until the finalizer drops it, once and on this thread. Nobody
    // writes to them: JavaScript's only reader does not, and a log that was handed over is not written to again.
    let status = unsafe {
        let bytes = &**share;
        let data = bytes.as_ptr().cast_mut().cast();
        let hint = share.cast_mut().cast();
        sys::napi_create_external_buffer(env, bytes.len(), data, Some(drop_share), hint, &mut buffer)
    };
    if status != sys::Status::napi_ok {
        // SAFETY: without a buffer there is no finalizer, so the share is still ours.
        drop(unsafe { Arc::from_raw(share) });
        return Ok(None);
    }
    let mut memory = ptr::null_mut();
    let (kind, len, data, offset) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: the buffer was just made in this environment; results that are null are not asked for.
    check_status!(unsafe {
        sys::napi_get_typedarray_info(env, buffer, kind, len, data, &mut memory, offset)
    })?;
    Ok(Some(Lent { env, buffer, memory }))
}

impl Lent {
    /// From now on the buffer is empty, whoever has it; its memory is dropped soon.
    fn take_back(self) {
        // SAFETY: this is the scope in which the value was made, on the environment's thread. Should it fail, the memory
        // goes when the collector finds the buffer.
        unsafe { sys::napi_detach_arraybuffer(self.env, self.memory) };
    }
}

unsafe extern "C" fn drop_share(_env: sys::napi_env, _data: *mut c_void, share: *mut c_void) {
    // SAFETY: the pointer came from `Arc::into_raw`, and a finalizer is called once.
    drop(unsafe { Arc::from_raw(share.cast::<Vec<u8>>()) });
}
