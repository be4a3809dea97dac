//! Listeners, and the options that they and connections begin with.

use napi::bindgen_prelude::{AsyncTask, Either, Env, Task};
use napi_derive::napi;
use reactor_core::binding::{check_framing, OptionRow, Terms, OPTIONS};
use reactor_core::{Error, ErrorKind, Framing, Handle, ListenerId, Listening, Result, Waiting};

use crate::failure::Failure;
use crate::measure::Measure;
use crate::server::NativeServer;

/// An option of a call, as text of the form that the engine's table asks for.
#[napi(object, object_to_js = false)]
pub struct Term {
    /// The name in the table.
    pub name: String,
    /// The value, as it stands in a query.
    pub text: String,
    /// Of a framing that a function makes: that. The text is the largest frame then, in bytes.
    #[napi(ts_type = "(input: Buffer) => number")]
    pub measure: Option<Measure>,
}

impl Term {
    pub(crate) fn new(name: &str, text: &str) -> Term {
        Term { name: name.to_owned(), text: text.to_owned(), measure: None }
    }

    /// A framing that a function makes.
    fn measured(&self) -> Option<Result<Framing>> {
        let Self { name, text, measure } = self;
        let made = measure.as_ref()?.framing(text.parse().unwrap_or(usize::MAX));
        debug_assert_eq!(name, "framing");
        Some(check_framing(&made).map(|()| made))
    }
}

/// A listener.
#[napi(object)]
pub struct NativeListener {
    /// Its number in the server.
    pub listener: u32,
    /// The address really bound.
    pub address: String,
}

impl From<Listening> for NativeListener {
    fn from(listening: Listening) -> Self {
        NativeListener { listener: listening.id.to_u32(), address: listening.address }
    }
}

/// Reads the options of a call.
pub(crate) fn terms(given: &[Term]) -> Result<Terms> {
    let mut terms = Terms::default();
    for term in given {
        let Term { name, text, .. } = term;
        if let Some(framing) = term.measured() {
            terms.set_framing(Some(framing?));
            continue;
        }
        let row = OPTIONS.iter().find(|row| row.name == name);
        let row =
            row.ok_or_else(|| Error::new(ErrorKind::InvalidArgument, format!("unknown option {name}")))?;
        terms.set(row, text).ok_or_else(|| outside(row, text))?;
    }
    Ok(terms)
}

/// The framing that an option says; `None` of `none`.
pub(crate) fn framing(term: Term) -> Result<Option<Framing>> {
    let terms = terms(&[term])?;
    let framing = terms.conns().framing.clone();
    framing.iter().try_for_each(check_framing)?;
    Ok(framing)
}

fn outside(row: &OptionRow, text: &str) -> Error {
    let name = camel(row.member);
    Error::new(ErrorKind::InvalidArgument, format!("{name} must be {}, not {text}", row.value))
}

/// A name of the table's as JavaScript has it: `recv_buffer` is `recvBuffer`.
pub(crate) fn camel(member: &str) -> String {
    let mut parts = member.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &part[..1].to_uppercase() + &part[1..])
}

#[napi]
impl NativeServer {
    /// Binds and listens; returns the address really bound.
    #[napi(catch_unwind)]
    pub fn listen(&self, url: String, options: Vec<Term>) -> Either<String, Failure> {
        let listened = self.engine().and_then(|server| {
            let terms = self.terms(&options)?;
            server.listen_with(&url, terms.listener(), terms.conns())
        });
        match listened {
            Ok(listening) => Either::A(listening.address),
            Err(error) => Either::B(error.into()),
        }
    }

    /// Listens at the sockets that the service manager passed on.
    #[napi(catch_unwind)]
    pub fn listen_inherited(&self, options: Vec<Term>) -> Either<Vec<String>, Failure> {
        let listened = self.engine().and_then(|server| {
            let terms = self.terms(&options)?;
            server.listen_inherited(terms.listener(), terms.conns())
        });
        match listened {
            Ok(all) => Either::A(all.into_iter().map(|listening| listening.address).collect()),
            Err(error) => Either::B(error.into()),
        }
    }

    /// The listeners that are open.
    #[napi(getter, catch_unwind)]
    pub fn listeners(&self) -> Vec<NativeListener> {
        let listeners = self.engine().map(|server| server.handle().listeners()).unwrap_or_default();
        listeners.into_iter().map(NativeListener::from).collect()
    }

    /// The ids of a UDP listener's endpoints, each as its high and its low half.
    #[napi(catch_unwind)]
    pub fn endpoints(&self, listener: u32) -> Vec<u32> {
        let id = ListenerId::from_u32(listener);
        let ids = self.engine().ok().zip(id).map(|(server, id)| server.handle().endpoints(id));
        let ids = ids.unwrap_or_default().into_iter().map(reactor_core::ConnId::to_u64);
        ids.flat_map(|id| [(id >> 32) as u32, id as u32]).collect()
    }

    /// Stops listening, on another thread: answers of UDP endpoints are waited for, which this thread makes.
    #[napi(catch_unwind, ts_return_type = "Promise<Failure | null> | Failure")]
    pub fn close_listener(&self, listener: u32, refuse: bool) -> Either<AsyncTask<Closing>, Failure> {
        let none =
            || Error::new(ErrorKind::InvalidArgument, format!("the server has no listener {listener}"));
        let waiting = if refuse { Waiting::Refuse } else { Waiting::Serve };
        let known = self.engine().and_then(|server| {
            let id = ListenerId::from_u32(listener).ok_or_else(none)?;
            let handle = server.handle().clone();
            handle.listeners().iter().find(|listening| listening.id == id).ok_or_else(none)?;
            Ok(Closing { handle, id, waiting })
        });
        match known {
            Ok(closing) => Either::A(AsyncTask::new(closing)),
            Err(error) => Either::B(error.into()),
        }
    }
}

impl NativeServer {
    /// The options of a call, as far as this way of running can have them.
    pub(crate) fn terms(&self, given: &[Term]) -> Result<Terms> {
        given.iter().try_for_each(|term| self.expect_framing(term))?;
        terms(given)
    }

    /// A function of the program's is called where JavaScript runs.
    pub(crate) fn expect_framing(&self, term: &Term) -> Result<()> {
        let message = "a function can cut frames only where the loop runs on JavaScript's own thread, in mode 'inline'; on threads of \
                       the engine take input as it comes, and leave the rest by conn.keep";
        match term.measure.is_none() || self.is_inline {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Unsupported, message)),
        }
    }
}

/// A listener that is being closed.
pub struct Closing {
    handle: Handle,
    id: ListenerId,
    waiting: Waiting,
}

#[napi]
impl Task for Closing {
    type Output = Option<Failure>;
    type JsValue = Option<Failure>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        Ok(self.handle.close_listener_beside_host(self.id, self.waiting).err().map(Failure::from))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(output)
    }
}
