//! Unsent datagrams, and which of them may leave together.
//!
//! ```text
//!        block on the heap         blocks in pages of their own
//!   +------+-------+-----+---+   +-----------+-----------+------+
//!   | sent |  one  | two |   |   |   three   |   four    | room |
//!   +------+-------+-----+---+   +-----------+-----------+------+
//!          ^ head          ^ three did not fit                 ^ datagrams are appended here
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use crate::base::datagram::{Message, Source};
use crate::sys::memory::Mapped;

/// Bytes of the record that goes with each datagram.
pub(super) const RECORD: usize = size_of::<Record>();
/// Datagrams that the kernel cuts out of one message at most (UDP_MAX_SEGMENTS; newer kernels take 128).
const MAX_SEGMENTS: usize = 64;
/// Bytes of such a message at most: what one packet of IPv4 carries.
const MAX_TOTAL: usize = 65_507;
/// Output that is kept on the heap. What comes on top lies in pages that go back to the system with it.
const ON_HEAP: usize = 64 << 10;

/// A queued datagram; its bytes lie in the blocks.
#[derive(Clone, Copy, Debug)]
struct Record {
    len: u32,
    to: Option<SocketAddr>,
    from: Option<Source>,
}

/// Memory that an empty queue keeps at most, so that what few datagrams are sent in most turns allocates nothing.
const KEPT: usize = 2 << 10;

/// Unsent datagrams in order. No datagram lies across two blocks. An empty queue holds [`KEPT`] bytes at most.
#[derive(Debug, Default)]
pub(super) struct Queue {
    records: VecDeque<Record>,
    /// Bytes of all records.
    bytes: usize,
    /// The first block, at most [`ON_HEAP`] bytes.
    heap: Vec<u8>,
    /// The blocks behind it. While there are any, nothing is appended to the first.
    mapped: VecDeque<Mapped>,
    /// Memory of those.
    mapped_memory: usize,
    /// Bytes of the frontmost block that were sent.
    head: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of the datagrams and their records.
    pub(super) fn memory(&self) -> usize {
        self.bytes + self.records.len() * RECORD
    }

    /// Bytes of memory that it takes, however many of them were sent; what an empty one keeps does not count. Room for as
    /// many records again counts from the beginning: when the list grows, it takes it at once.
    pub(super) fn held(&self) -> usize {
        let records = self.records.capacity().max(2 * self.records.len());
        match self.is_empty() {
            true => 0,
            false => records * RECORD + self.heap.capacity() + self.mapped_memory,
        }
    }

    /// Datagrams.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn front_len(&self) -> usize {
        self.records.front().map_or(0, |record| record.len as usize)
    }

    /// Appends a datagram of `len` bytes.
    pub(super) fn push(
        &mut self,
        to: Option<SocketAddr>,
        from: Option<Source>,
        len: usize,
        slices: &[&[u8]],
    ) -> io::Result<()> {
        let room = match self.mapped.back() {
            Some(last) => Mapped::CAPACITY - last.as_slice().len(),
            None => ON_HEAP - self.heap.len(),
        };
        if len > room {
            self.mapped.push_back(Mapped::new()?);
        }
        for slice in slices {
            match self.mapped.back_mut() {
                Some(last) => {
                    let before = last.memory();
                    last.extend(slice);
                    self.mapped_memory += last.memory() - before;
                }
                None => self.heap.extend_from_slice(slice),
            }
        }
        self.bytes += len;
        self.records.push_back(Record { len: len as u32, to, from });
        Ok(())
    }

    /// Forgets the first `datagrams`, and says how many bytes they had.
    pub(super) fn pop(&mut self, datagrams: usize) -> usize {
        let before = self.bytes;
        for _ in 0..datagrams {
            let record = self.records.pop_front();
            self.consume(record.map_or(0, |record| record.len as usize));
        }
        if self.is_empty() {
            self.clear();
            return before;
        }
        before - self.bytes
    }

    /// Forgets the bytes of what was sent, and gives a burst's memory back.
    fn clear(&mut self) {
        let capacity = self.records.capacity() * RECORD + self.heap.capacity();
        if capacity > KEPT || self.mapped.capacity() > 0 {
            *self = Queue::default();
        }
        self.heap.clear();
        self.head = 0;
    }

    fn consume(&mut self, len: usize) {
        self.bytes -= len;
        if self.front_block().len() - self.head < len {
            self.drop_front_block();
        }
        self.head += len;
    }

    fn front_block(&self) -> &[u8] {
        self.block(usize::from(self.heap.is_empty()))
    }

    fn drop_front_block(&mut self) {
        self.head = 0;
        match self.heap.is_empty() {
            true => self.mapped_memory -= self.mapped.pop_front().map_or(0, |block| block.memory()),
            false => self.heap = Vec::new(),
        }
    }

    /// The block on the heap, then those in pages of their own, then nothing.
    fn block(&self, index: usize) -> &[u8] {
        match index.checked_sub(1) {
            None => &self.heap,
            Some(index) => self.mapped.get(index).map_or(&[], Mapped::as_slice),
        }
    }

    /// The datagrams as messages, with as many in one as may be.
    pub(super) fn runs<'a>(&'a self, segmenting: &'a Segmenting) -> Runs<'a> {
        Runs {
            queue: self,
            segmenting,
            record: 0,
            block: usize::from(self.heap.is_empty()),
            offset: self.head,
        }
    }
}

/// A message and how many datagrams it stands for.
pub(super) struct Run<'a> {
    pub(super) message: Message<'a>,
    pub(super) datagrams: usize,
}

pub(super) struct Runs<'a> {
    queue: &'a Queue,
    segmenting: &'a Segmenting,
    record: usize,
    block: usize,
    offset: usize,
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        let first = *self.queue.records.get(self.record)?;
        let len = first.len as usize;
        if self.queue.block(self.block).len() - self.offset < len {
            (self.block, self.offset) = (self.block + 1, 0);
        }
        let unsent = &self.queue.block(self.block)[self.offset..];
        let (datagrams, total) = self.extent(first, unsent.len());
        self.record += datagrams;
        self.offset += total;
        let segment = u16::try_from(len).ok().filter(|_| datagrams > 1);
        let Record { to, from, .. } = first;
        Some(Run { message: Message { to, from, bytes: &unsent[..total], segment }, datagrams })
    }
}

impl Runs<'_> {
    /// How many datagrams leave together with the first, itself included, and their bytes: those of its
    /// length, destination and source that follow in the block, and then one shorter if it is not empty.
    fn extent(&self, first: Record, available: usize) -> (usize, usize) {
        let (mut datagrams, mut total) = (1, first.len as usize);
        let plain = self.record < self.segmenting.plain || first.len as usize > self.segmenting.longest;
        if plain || first.len == 0 {
            return (datagrams, total);
        }
        for next in self.queue.records.range(self.record + 1..).take(MAX_SEGMENTS - 1) {
            let longer = total + next.len as usize;
            let fits = longer <= MAX_TOTAL.min(available) && (next.to, next.from) == (first.to, first.from);
            if !fits || next.len == 0 || next.len > first.len {
                break;
            }
            (datagrams, total) = (datagrams + 1, longer);
            if next.len < first.len {
                break;
            }
        }
        (datagrams, total)
    }
}

/// Which datagrams may leave as one message that the kernel cuts apart (UDP_SEGMENT).
#[derive(Debug, Default)]
pub(super) struct Segmenting {
    /// The longest datagram to try it with, 0 for none: what the socket can, then what was found to work.
    longest: usize,
    /// Datagrams at the front of the queue that leave one by one, because together they were refused.
    plain: usize,
    /// Why they were, and their length. If the first of them leaves alone, it was for being together.
    suspect: Option<(i32, usize)>,
}

impl Segmenting {
    /// Of a socket that `can`, or cannot.
    pub(super) fn new(can: bool) -> Self {
        Segmenting { longest: if can { MAX_TOTAL } else { 0 }, ..Segmenting::default() }
    }

    /// The kernel refused `datagrams` of `len` bytes as one message.
    pub(super) fn refused(&mut self, error: &io::Error, datagrams: usize, len: usize) {
        self.plain = datagrams;
        self.suspect = error.raw_os_error().map(|errno| (errno, len));
    }

    pub(super) fn sent(&mut self, datagrams: usize) {
        self.plain = self.plain.saturating_sub(datagrams);
        match self.suspect.take() {
            // Too long for the route's MTU: segments are not fragmented.
            Some((libc::EINVAL | libc::EMSGSIZE, len)) => self.longest = self.longest.min(len - 1),
            // The device computes no checksums, or the route is encrypted.
            Some((libc::EIO | libc::EOPNOTSUPP, _)) => self.longest = 0,
            _ => {}
        }
    }

    pub(super) fn dropped(&mut self) {
        self.plain = self.plain.saturating_sub(1);
        self.suspect = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small deterministic generator (xorshift, Marsaglia 2003), so that a failure repeats.
    fn random(state: &mut u64) -> usize {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state as usize
    }

    fn refusal(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    fn push(queue: &mut Queue, to: u16, bytes: &[u8]) {
        queue.push(Some(([127, 0, 0, 1], to).into()), None, bytes.len(), &[bytes]).unwrap();
    }

    /// Cuts a message apart as the kernel does, into port and bytes.
    fn cut(run: Run<'_>) -> Vec<(u16, Vec<u8>)> {
        let port = run.message.to.unwrap().port();
        let Some(size) = run.message.segment else {
            assert_eq!(run.datagrams, 1);
            return vec![(port, run.message.bytes.to_vec())];
        };
        let pieces: Vec<_> =
            run.message.bytes.chunks(size.into()).map(|piece| (port, piece.to_vec())).collect();
        assert!((2..=MAX_SEGMENTS).contains(&pieces.len()) && run.message.bytes.len() <= MAX_TOTAL);
        assert_eq!(pieces.len(), run.datagrams);
        pieces
    }

    #[test]
    fn whatever_is_pushed_and_popped_in_whatever_order_leaves_in_order() {
        for seed in 1..20 {
            let mut state = seed * 0x9e37_79b9;
            let (mut queue, segmenting) = (Queue::default(), Segmenting::new(seed % 4 != 0));
            let (mut pushed, mut popped, mut len) = (VecDeque::new(), 0, 0);
            for _ in 0..1500 {
                len = match random(&mut state) % 8 {
                    0 => random(&mut state) % 65_508,
                    1 => random(&mut state) % 3,
                    2 => random(&mut state) % 500,
                    _ => len,
                };
                let (bytes, port) =
                    (vec![random(&mut state) as u8; len], random(&mut state) as u16 % 20 / 18);
                push(&mut queue, port, &bytes);
                pushed.push_back((port, bytes));
                if random(&mut state).is_multiple_of(if popped % 3 == 0 { 40 } else { 2 }) {
                    let runs = queue.runs(&segmenting).take(random(&mut state) % 9);
                    let front: Vec<_> = runs.flat_map(cut).collect();
                    assert!(pushed.iter().take(front.len()).eq(&front), "seed {seed}");
                    let bytes: usize = pushed.drain(..front.len()).map(|(_, bytes)| bytes.len()).sum();
                    assert_eq!(queue.pop(front.len()), bytes);
                    popped += 1;
                }
                let bytes: usize = pushed.iter().map(|(_, bytes)| bytes.len() + RECORD).sum();
                assert_eq!(queue.memory(), bytes);
            }
            assert!(queue.runs(&segmenting).flat_map(cut).eq(pushed), "seed {seed}");
        }
    }

    #[test]
    fn an_empty_queue_keeps_what_a_few_datagrams_take_and_no_more() {
        let mut queue = Queue::default();
        push(&mut queue, 1, &[7; 100]);
        queue.pop(1);
        let kept = (queue.records.capacity(), queue.heap.capacity());
        assert!(kept.0 > 0 && kept.1 >= 100 && kept.0 * RECORD + kept.1 <= KEPT);
        push(&mut queue, 1, &[8; 100]);
        assert_eq!((queue.records.capacity(), queue.heap.capacity()), kept);
        assert_eq!(shape(&queue, &Segmenting::new(true)), [1]);
        let runs: Vec<_> = queue.runs(&Segmenting::new(true)).flat_map(cut).collect();
        assert_eq!(runs, [(1, vec![8; 100])]);
        push(&mut queue, 1, &[9; KEPT]);
        queue.pop(2);
        assert_eq!((queue.records.capacity(), queue.heap.capacity()), (0, 0));
    }

    #[test]
    fn an_empty_queue_holds_nothing_of_a_burst() {
        let mut queue = Queue::default();
        (0..500).for_each(|_| push(&mut queue, 1, &[7; 1000]));
        assert_eq!(queue.mapped.len(), (500_usize - 65).div_ceil(262));
        assert_eq!(queue.pop(500), 500_000);
        assert_eq!((queue.records.capacity(), queue.heap.capacity(), queue.mapped.capacity()), (0, 0, 0));
        assert_eq!(queue.memory(), 0);
    }

    #[test]
    fn a_block_goes_back_once_it_was_sent() {
        let mut queue = Queue::default();
        (0..500).for_each(|_| push(&mut queue, 1, &[7; 1000]));
        queue.pop(65 + 262 + 1);
        assert_eq!((queue.heap.capacity(), queue.mapped.len()), (0, 1));
    }

    /// Datagrams of each message.
    fn shape(queue: &Queue, segmenting: &Segmenting) -> Vec<usize> {
        queue.runs(segmenting).map(|run| run.datagrams).collect()
    }

    #[test]
    fn a_run_ends_where_the_kernel_could_not_cut() {
        let (mut queue, can) = (Queue::default(), Segmenting::new(true));
        // Behind a shorter one, at an empty one, at a longer one, at another destination.
        for (to, len) in [(1, 5), (1, 5), (1, 3), (1, 3), (1, 0), (1, 0), (1, 3), (1, 5), (1, 5), (2, 5)] {
            push(&mut queue, to, &vec![1; len]);
        }
        assert_eq!(shape(&queue, &can), [3, 1, 1, 1, 1, 2, 1]);
        assert_eq!(shape(&queue, &Segmenting::new(false)), [1; 10]);
        let mut queue = Queue::default();
        (0..3).for_each(|_| push(&mut queue, 1, &[1; 30_000]));
        (0..66).for_each(|_| push(&mut queue, 1, &[1; 2]));
        assert_eq!(shape(&queue, &can), [2, 2, 64, 1]);
        // At another source.
        let mut queue = Queue::default();
        for from in [[127, 0, 0, 2], [127, 0, 0, 2], [127, 0, 0, 3]] {
            let from = Source { ip: from.into(), interface: 0 };
            queue.push(Some(([127, 0, 0, 1], 1).into()), Some(from), 3, &[b"abc"]).unwrap();
        }
        assert_eq!(shape(&queue, &can), [2, 1]);
    }

    #[test]
    fn what_was_refused_together_leaves_one_by_one_and_decides_about_the_rest() {
        let mut queue = Queue::default();
        (0..6).for_each(|_| push(&mut queue, 1, &[1; 50]));
        let judge = |errno, taken: bool| {
            let mut segmenting = Segmenting::new(true);
            segmenting.refused(&refusal(errno), 4, 50);
            assert_eq!(shape(&queue, &segmenting), [1, 1, 1, 1, 2]);
            match taken {
                true => segmenting.sent(1),
                false => segmenting.dropped(),
            }
            segmenting
        };
        for errno in [libc::EINVAL, libc::EMSGSIZE, libc::EIO, libc::EOPNOTSUPP, libc::EPERM] {
            // The datagram was to blame. Three more of the run leave alone.
            let segmenting = judge(errno, false);
            assert_eq!((segmenting.longest, segmenting.plain), (MAX_TOTAL, 3));
        }
        for (errno, longest) in [
            (libc::EINVAL, 49),
            (libc::EMSGSIZE, 49),
            (libc::EIO, 0),
            (libc::EOPNOTSUPP, 0),
            (libc::ECONNREFUSED, MAX_TOTAL),
        ] {
            let segmenting = judge(errno, true);
            assert_eq!((segmenting.longest, segmenting.plain), (longest, 3), "errno {errno}");
        }
    }
}
