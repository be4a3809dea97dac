//! The threads of a server: all are started before any of them begins, and the last to end says so.

use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::accept_thread::AcceptThread;
use crate::base::engine_thread;
use crate::base::error::{Error, Result};
use crate::base::notice::{tell, Kind};
use crate::base::panics::{catch, report};
use crate::delivery::receiver::Delivery;
use crate::event_loop::EventLoop;
use crate::shared::handle::Handle;
use crate::shared::seed::Seed;
use crate::sys::cancel::Uncancelled;
use crate::sys::signal::SignalsBlocked;
use crate::sys::{affinity, fork};

/// Threads that exist and wait for their part.
pub(crate) struct Threads {
    joins: Vec<JoinHandle<()>>,
    loops: Vec<SyncSender<Seed>>,
    acceptor: Option<SyncSender<()>>,
}

impl Threads {
    /// Starts the threads of a server's loops, and the one that accepts for several.
    pub(crate) fn spawn(server: &Handle, delivery: &Arc<dyn Delivery>, accepting: bool) -> Result<Threads> {
        let mut threads = Threads { joins: Vec::new(), loops: Vec::new(), acceptor: None };
        match threads.spawn_all(server, delivery, accepting) {
            Ok(()) => Ok(threads),
            Err(error) => {
                threads.abandon();
                Err(error)
            }
        }
    }

    fn spawn_all(&mut self, server: &Handle, delivery: &Arc<dyn Delivery>, accepting: bool) -> Result<()> {
        let blocked = (!delivery.runs_user_code()).then(SignalsBlocked::new);
        for index in 0..server.shared.config.loops {
            let (sender, receiver) = sync_channel(1);
            let (server, delivery) = (server.clone(), Arc::clone(delivery));
            let body = move || loop_thread(&receiver, index, &server, &delivery);
            self.start(format!("reactor-{index}"), body)?;
            self.loops.push(sender);
        }
        let _blocked = blocked.unwrap_or_else(SignalsBlocked::new);
        if accepting {
            let (sender, receiver) = sync_channel(1);
            let (server, delivery) = (server.clone(), Arc::clone(delivery));
            self.start("reactor-accept".into(), move || accept_thread(&receiver, &server, &delivery))?;
            self.acceptor = Some(sender);
        }
        Ok(())
    }

    fn start(&mut self, name: String, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let failed = |error| Error::system(format_args!("start the thread {name}"), &error);
        let body = || {
            // The thread's end is the server's to say. Whoever cancels it would unwind the engine's frames.
            Uncancelled::new().keep();
            body();
        };
        self.joins.push(thread::Builder::new().name(name.clone()).spawn(body).map_err(failed)?);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.joins.len()
    }

    /// Lets the threads begin. They wait for their part, and the channels have room: sending cannot fail.
    pub(crate) fn release(self, seeds: Vec<Seed>) -> Vec<JoinHandle<()>> {
        if let Some(sender) = &self.acceptor {
            let _ = sender.send(());
        }
        for (sender, seed) in self.loops.iter().zip(seeds) {
            let _ = sender.send(seed);
        }
        self.joins
    }

    /// In a forked child: they are the parent's, who alone can let them begin or end.
    pub(crate) fn forget(self) {
        std::mem::forget(self);
    }

    /// Ends the threads without having let them begin, and waits for that.
    pub(crate) fn abandon(self) {
        drop((self.loops, self.acceptor));
        for thread in self.joins {
            // It has only waited for its part.
            let _ = thread.join();
        }
    }
}

fn loop_thread(start: &Receiver<Seed>, index: usize, server: &Handle, delivery: &Arc<dyn Delivery>) {
    let Ok(seed) = start.recv() else { return };
    if server.shared.config.pin {
        if let Err(error) = affinity::pin_to(index) {
            tell(Kind::Engine, format_args!("loop {index} cannot be bound to a processor: {error}"));
        }
    }
    let mut event_loop = Some(EventLoop::new(seed, index, server.clone(), &**delivery, false));
    run_part(server, &**delivery, || {
        delivery.around_loop(&mut || {
            // Dropped here: what the loop still owns may need what was set up around it.
            if let Some(mut event_loop) = event_loop.take() {
                event_loop.run_to_the_end();
            }
        });
    });
}

fn accept_thread(start: &Receiver<()>, server: &Handle, delivery: &Arc<dyn Delivery>) {
    if start.recv().is_err() {
        return;
    }
    run_part(server, &**delivery, || {
        server
            .shared
            .accepting()
            .into_iter()
            .for_each(|accepting| AcceptThread::new(server.clone()).run(accepting));
    });
}

/// Runs a thread's part. A panic of the engine's stops the server, instead of leaving it half alive. The last
/// thread to end tells the delivery, then whoever waits.
fn run_part(server: &Handle, delivery: &dyn Delivery, part: impl FnOnce()) {
    engine_thread::mark();
    if let Err(panic) = catch(part) {
        tell(Kind::Engine, format_args!("a thread of the engine panicked: {panic}; the server stops"));
        server.stop();
    }
    if !server.shared.thread_ended() {
        return;
    }
    let stopped = catch(|| delivery.on_stop(server));
    if !server.shared.is_started_here() {
        // A child that was forked there: the end is the parent's to tell.
        fork::end_thread();
    }
    if let Err(panic) = stopped {
        report(format_args!("on_stop panicked: {panic}"));
    }
    server.shared.has_ended();
}
