//! What crosses from a loop to the JavaScript thread, and how JavaScript reads it.

use std::cell::RefCell;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use log::Level;
use napi::bindgen_prelude::{JsValue, JsValuesTupleIntoVec, Unknown};
use napi::{check_status, sys, Result};
use napi_derive::napi;
use reactor_core::binding::log::{HandOver, Kind, Record};
use reactor_core::binding::Cork;
use reactor_core::{ConnId, Handle};

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

/// How the callbacks' writes are made.
#[derive(Clone, Copy)]
pub enum Writes {
    /// Each at once: one may be refused.
    AtOnce = 0,
    /// Gathered in JavaScript, where there is room for them.
    Gathered = 1,
}

impl Writes {
    /// Those of the callbacks for what a loop has gathered. A write for a connection that has ended says so, and what the budget
    /// refuses is not accepted first.
    pub(crate) fn of(server: &Handle, hand_over: &HandOver) -> Writes {
        let has_ended = |record: &Record| matches!(record.kind(), Kind::Close | Kind::Detached);
        if hand_over.records().iter().any(has_ended) || !server.budget_has_room(ROOM) {
            Writes::AtOnce
        } else {
            Writes::Gathered
        }
    }
}

/// The room that the server's byte budget must have for writes to be gathered: several times what is gathered at once.
const ROOM: usize = 1 << 20;

/// One call of JavaScript.
pub enum Message {
    /// What a loop has gathered.
    Log(HandOver, Writes, Kept),
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

/// Memory of JavaScript's that what was gathered is put into, if it fits: making some for each call would cost more than all the rest
/// of a small one. Only the package reaches it, never the user.
#[derive(Clone, Copy)]
pub struct Kept {
    words: (NonNull<u32>, usize),
    bytes: (NonNull<u8>, usize),
}

// SAFETY: it is used on the JavaScript thread only, to which loops send it back with what they have gathered.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

impl Kept {
    /// The memory of two arrays, which the function that is called with them keeps alive.
    pub(crate) fn of(env: sys::napi_env, words: &Unknown<'_>, bytes: &Unknown<'_>) -> Result<Kept> {
        let (words, words_len) = array(env, words.raw(), sys::TypedarrayType::uint32_array)?;
        let (bytes, bytes_len) = array(env, bytes.raw(), sys::TypedarrayType::uint8_array)?;
        Ok(Kept { words: (words.cast(), words_len), bytes: (bytes.cast(), bytes_len) })
    }

    /// Puts it there, if there is room, and JavaScript is not still handling what lies there, within which somebody runs Node's
    /// event loop; says whether it did.
    fn take(self, records: &[Record], writes: Writes, bytes: &[u8]) -> bool {
        let has_room = records.len() * Record::WORDS < self.words.1 && bytes.len() <= self.bytes.1;
        let fits = has_room && HANDLED.with_borrow(Option::is_none);
        if fits {
            // SAFETY: there is room. JavaScript's arrays stay where they are, and the function that is about to be called keeps them
            // alive; nobody else writes there, and JavaScript does not run meanwhile.
            unsafe {
                put(records, writes, self.words.0.as_ptr());
                ptr::copy_nonoverlapping(bytes.as_ptr(), self.bytes.0.as_ptr(), bytes.len());
            }
        }
        fits
    }
}

/// Where the memory of an array is, and how many members it has.
fn array(
    env: sys::napi_env,
    value: sys::napi_value,
    wanted: sys::napi_typedarray_type,
) -> Result<(NonNull<c_void>, usize)> {
    let (mut kind, mut len, mut data) = (0, 0, ptr::null_mut());
    let (nothing, array) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the value is an argument of the call that is going on; results that are null are not asked for.
    check_status!(unsafe {
        sys::napi_get_typedarray_info(env, value, &mut kind, &mut len, &mut data, array, nothing)
    })?;
    let data = NonNull::new(data).filter(|_| kind == wanted);
    Ok((data.ok_or_else(|| napi::Error::from_reason("an array of another kind"))?, len))
}

/// What is plain integers of 32 bits without padding.
trait Flat {}

impl Flat for Record {}
impl Flat for u32 {}

/// Puts flat values, and how writes are made, at a place.
///
/// # Safety
/// There is room for them and for one number more.
unsafe fn put<T: Flat>(values: &[T], writes: Writes, place: *mut u32) {
    // SAFETY: the values are plain integers, aligned as they are; there is room, as the caller says.
    unsafe {
        ptr::copy_nonoverlapping(values.as_ptr(), place.cast(), values.len());
        place.add(size_of_val(values) / size_of::<u32>()).write(writes as u32);
    }
}

/// The arguments of a call of JavaScript, in the handle scope that is open.
pub(crate) struct Arguments {
    values: Vec<sys::napi_value>,
    /// Taken back before the answer: the loop goes on with other memory, but nobody shall see what this becomes.
    lent: Option<Lent>,
}

impl Arguments {
    /// Those that tell what a loop has gathered: how many records and bytes, and arrays of them where they did not fit into what is
    /// kept for them.
    pub(crate) fn of(
        env: sys::napi_env,
        hand_over: &HandOver,
        writes: Writes,
        kept: Kept,
    ) -> Result<Arguments> {
        let (records, bytes) = (hand_over.records(), hand_over.bytes());
        let mut values = vec![number(env, records.len())?, number(env, bytes.len())?];
        if kept.take(records, writes, bytes) {
            return Ok(Arguments { values, lent: None });
        }
        values.push(words(env, records, writes)?);
        let lent = if bytes.len() >= LENT { lend(env, hand_over)? } else { None };
        values.push(match &lent {
            Some(lent) => lent.buffer,
            None => copied(env, bytes)?,
        });
        Ok(Arguments { values, lent })
    }

    pub(crate) fn values(&self) -> &[sys::napi_value] {
        &self.values
    }

    /// The call is over. In the scope that they were made in.
    pub(crate) fn take_back(self) {
        self.lent.into_iter().for_each(Lent::take_back);
    }
}

/// Makes the arguments of the call, on the JavaScript thread, right before it.
impl JsValuesTupleIntoVec for Message {
    fn into_vec(self, env: sys::napi_env) -> Result<Vec<sys::napi_value>> {
        let (mut hand_over, writes, kept) = match self {
            Message::Log(hand_over, writes, kept) => (hand_over, writes, kept),
            Message::Told(level, text) => return told(env, level, &text),
            Message::Ran(token) => return ran(env, token),
            Message::Asked(asked, conn) => return self::asked(env, asked, conn),
            Message::Stopped => return stopped(env),
        };
        let arguments = Arguments::of(env, &hand_over, writes, kept)?;
        let values = arguments.values().to_vec();
        let offer = Offer::of(&mut hand_over);
        HANDLED.set(Some(ManuallyDrop::new(Handled { arguments, offer, hand_over, cork: Cork::new() })));
        Ok(values)
    }
}

/// Flat values as JavaScript's numbers, copied as they lie, and behind them how writes are made.
fn words<T: Flat>(env: sys::napi_env, values: &[T], writes: Writes) -> Result<sys::napi_value> {
    let (mut buffer, mut memory, mut words) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let len = size_of_val(values) + size_of::<u32>();
    let count = len / size_of::<u32>();
    // SAFETY: the environment is that of this thread, and the results are places of ours.
    check_status!(unsafe { sys::napi_create_arraybuffer(env, len, &mut memory, &mut buffer) })?;
    // SAFETY: the new memory has room for them, and is nobody else's.
    unsafe { put(values, writes, memory.cast()) };
    let kind = sys::TypedarrayType::uint32_array;
    // SAFETY: as above; the buffer has just so many numbers, from its start.
    check_status!(unsafe { sys::napi_create_typedarray(env, kind, count, buffer, 0, &mut words) })?;
    Ok(words)
}

/// The arguments that tell what another thread has asked for: a record of that.
fn asked(env: sys::napi_env, asked: Asked, conn: ConnId) -> Result<Vec<sys::napi_value>> {
    let id = conn.to_u64();
    let record: [u32; Record::WORDS] = [asked as u32, (id >> 32) as u32, id as u32, 0, 0];
    Ok(vec![number(env, 1)?, number(env, 0)?, words(env, &record, Writes::AtOnce)?, copied(env, &[])?])
}

fn copied(env: sys::napi_env, bytes: &[u8]) -> Result<sys::napi_value> {
    let (mut memory, mut buffer) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the environment is that of this thread; pointer and length describe the bytes, which are only read.
    check_status!(unsafe {
        sys::napi_create_buffer_copy(env, bytes.len(), bytes.as_ptr().cast(), &mut memory, &mut buffer)
    })?;
    Ok(buffer)
}

/// The arguments that tell that all loops have ended.
pub(crate) fn stopped(env: sys::napi_env) -> Result<Vec<sys::napi_value>> {
    Ok(vec![number(env, 0)?; 2])
}

/// The arguments that tell what the engine says.
fn told(env: sys::napi_env, level: Level, text: &str) -> Result<Vec<sys::napi_value>> {
    let level = level.as_str().to_lowercase();
    Ok([stopped(env)?, vec![undefined(env)?; 2], vec![string(env, text)?, string(env, &level)?]].concat())
}

/// The arguments that tell what a loop has come to.
pub(crate) fn ran(env: sys::napi_env, token: u32) -> Result<Vec<sys::napi_value>> {
    Ok([stopped(env)?, vec![undefined(env)?; 4], vec![number(env, token as usize)?]].concat())
}

fn undefined(env: sys::napi_env) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: the environment is that of this thread, and the result is a place of ours.
    check_status!(unsafe { sys::napi_get_undefined(env, &mut value) })?;
    Ok(value)
}

/// A log has far fewer than 4 Gi records and bytes.
fn number(env: sys::napi_env, number: usize) -> Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    // SAFETY: as above.
    check_status!(unsafe { sys::napi_create_uint32(env, number as u32, &mut value) })?;
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
