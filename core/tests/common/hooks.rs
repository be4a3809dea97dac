//! A handler made of closures, so that a test shows only the callbacks it is about.

use std::time::Duration;

use reactor_core::{Action, Closed, Conn, Detached, Handle, Handler, TimerId};

type Hook = Box<dyn Fn(&Conn<'_>) -> Action + Send + Sync>;
type DataHook = Box<dyn Fn(&Conn<'_>, &[u8]) -> Action + Send + Sync>;
type TimerHook = Box<dyn Fn(&Conn<'_>, TimerId) -> Action + Send + Sync>;
type DetachHook = Box<dyn Fn(&Conn<'_>, Detached) + Send + Sync>;
type CloseHook = Box<dyn Fn(&Conn<'_>, Closed) + Send + Sync>;
type TickHook = Box<dyn Fn(&Handle) -> Option<Duration> + Send + Sync>;
type ServerHook = Box<dyn Fn(&Handle) + Send + Sync>;

/// The callbacks; those that are not set do nothing.
pub(crate) struct Hooks {
    open: Hook,
    data: DataHook,
    eof: Hook,
    drain: Hook,
    wake: Hook,
    timer: TimerHook,
    detach: DetachHook,
    close: CloseHook,
    tick: TickHook,
    pre_write: ServerHook,
    stopping: ServerHook,
    stop: ServerHook,
}

impl Hooks {
    pub(crate) fn new() -> Self {
        Hooks {
            open: Box::new(|_| Action::None),
            data: Box::new(|_, _| Action::None),
            eof: Box::new(|_| Action::Close),
            drain: Box::new(|_| Action::None),
            wake: Box::new(|_| Action::None),
            timer: Box::new(|_, _| Action::None),
            detach: Box::new(|_, _| ()),
            close: Box::new(|_, _| ()),
            tick: Box::new(|_| None),
            pre_write: Box::new(|_| ()),
            stopping: Box::new(|_| ()),
            stop: Box::new(|_| ()),
        }
    }

    pub(crate) fn open(mut self, hook: impl Fn(&Conn<'_>) -> Action + Send + Sync + 'static) -> Self {
        self.open = Box::new(hook);
        self
    }

    pub(crate) fn data(mut self, hook: impl Fn(&Conn<'_>, &[u8]) -> Action + Send + Sync + 'static) -> Self {
        self.data = Box::new(hook);
        self
    }

    pub(crate) fn eof(mut self, hook: impl Fn(&Conn<'_>) -> Action + Send + Sync + 'static) -> Self {
        self.eof = Box::new(hook);
        self
    }

    pub(crate) fn drain(mut self, hook: impl Fn(&Conn<'_>) -> Action + Send + Sync + 'static) -> Self {
        self.drain = Box::new(hook);
        self
    }

    pub(crate) fn wake(mut self, hook: impl Fn(&Conn<'_>) -> Action + Send + Sync + 'static) -> Self {
        self.wake = Box::new(hook);
        self
    }

    pub(crate) fn timer(
        mut self,
        hook: impl Fn(&Conn<'_>, TimerId) -> Action + Send + Sync + 'static,
    ) -> Self {
        self.timer = Box::new(hook);
        self
    }

    pub(crate) fn detach(mut self, hook: impl Fn(&Conn<'_>, Detached) + Send + Sync + 'static) -> Self {
        self.detach = Box::new(hook);
        self
    }

    pub(crate) fn close(mut self, hook: impl Fn(&Conn<'_>, Closed) + Send + Sync + 'static) -> Self {
        self.close = Box::new(hook);
        self
    }

    pub(crate) fn tick(mut self, hook: impl Fn(&Handle) -> Option<Duration> + Send + Sync + 'static) -> Self {
        self.tick = Box::new(hook);
        self
    }

    pub(crate) fn pre_write(mut self, hook: impl Fn(&Handle) + Send + Sync + 'static) -> Self {
        self.pre_write = Box::new(hook);
        self
    }

    pub(crate) fn stopping(mut self, hook: impl Fn(&Handle) + Send + Sync + 'static) -> Self {
        self.stopping = Box::new(hook);
        self
    }

    pub(crate) fn stop(mut self, hook: impl Fn(&Handle) + Send + Sync + 'static) -> Self {
        self.stop = Box::new(hook);
        self
    }
}

impl Handler for Hooks {
    fn on_open(&self, conn: &Conn<'_>) -> Action {
        (self.open)(conn)
    }

    fn on_data(&self, conn: &Conn<'_>, data: &[u8]) -> Action {
        (self.data)(conn, data)
    }

    fn on_eof(&self, conn: &Conn<'_>) -> Action {
        (self.eof)(conn)
    }

    fn on_drain(&self, conn: &Conn<'_>) -> Action {
        (self.drain)(conn)
    }

    fn on_wake(&self, conn: &Conn<'_>) -> Action {
        (self.wake)(conn)
    }

    fn on_timer(&self, conn: &Conn<'_>, timer: TimerId) -> Action {
        (self.timer)(conn, timer)
    }

    fn on_detach(&self, conn: &Conn<'_>, detached: Detached) {
        (self.detach)(conn, detached);
    }

    fn on_close(&self, conn: &Conn<'_>, closed: Closed) {
        (self.close)(conn, closed);
    }

    fn on_tick(&self, server: &Handle) -> Option<Duration> {
        (self.tick)(server)
    }

    fn on_pre_write(&self, server: &Handle) {
        (self.pre_write)(server);
    }

    fn on_stopping(&self, server: &Handle) {
        (self.stopping)(server);
    }

    fn on_stop(&self, server: &Handle) {
        (self.stop)(server);
    }
}
