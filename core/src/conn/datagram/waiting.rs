//! Datagrams that were received and wait for a handler that has paused.

use std::collections::VecDeque;

use crate::base::datagram::Envelope;

/// One of them.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) envelope: Envelope,
}

/// Those of one socket, in order. Without any it takes no memory.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    list: VecDeque<Waiting>,
    /// Bytes of all of them.
    bytes: usize,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.list.capacity() * size_of::<Waiting>() + self.bytes
    }

    pub(crate) fn push(&mut self, bytes: &[u8], envelope: Envelope) {
        self.bytes += bytes.len();
        self.list.push_back(Waiting { bytes: bytes.into(), envelope });
    }

    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let first = self.list.pop_front()?;
        self.bytes -= first.bytes.len();
        if self.list.is_empty() {
            self.list = VecDeque::new();
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_what_they_take() {
        let mut backlog = Backlog::default();
        let sender = ([127, 0, 0, 1], 7).into();
        let envelope = Envelope { sender, truncated: false, landing: None };
        assert_eq!(backlog.memory(), 0);
        for len in [0, 1, 1000] {
            backlog.push(&vec![7; len], envelope);
        }
        assert!(backlog.memory() >= 1001 + 3 * size_of::<Waiting>());
        let lens: Vec<_> = (0..3).map(|_| backlog.pop().unwrap().bytes.len()).collect();
        assert_eq!((lens, backlog.pop().is_none(), backlog.memory()), (vec![0, 1, 1000], true, 0));
    }
}
