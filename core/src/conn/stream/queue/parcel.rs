//! Bytes that another thread gives away for a queue. Many of them lie in blocks, which the queue lets go of one by one
//! while it is sent; else the memory of a large write would be held until its last byte has left.

use std::io;

use super::{Block, BlockPool, OutQueue};
use crate::sys::memory::Mapped;

/// Bytes on their way to a queue.
#[derive(Debug)]
pub(crate) enum Parcel {
    Small(Vec<u8>),
    /// And how many bytes they are.
    Large(Vec<Mapped>, usize),
}

impl Parcel {
    /// A copy of `len` bytes in slices.
    ///
    /// # Errors
    /// There is no memory for them.
    pub(crate) fn copy(slices: &[&[u8]], len: usize) -> io::Result<Parcel> {
        if len > Mapped::CAPACITY {
            return Self::copy_to_blocks(slices, len);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
        Ok(Parcel::Small(bytes))
    }

    fn copy_to_blocks(slices: &[&[u8]], len: usize) -> io::Result<Parcel> {
        let mut blocks = Vec::with_capacity(len.div_ceil(Mapped::CAPACITY));
        for slice in slices {
            let mut rest = *slice;
            while !rest.is_empty() {
                let taken = blocks.last_mut().map_or(0, |last: &mut Mapped| last.extend(rest));
                rest = &rest[taken..];
                if !rest.is_empty() {
                    blocks.push(Mapped::new()?);
                }
            }
        }
        Ok(Parcel::Large(blocks, len))
    }

    /// Takes a further write in, if it has fewer bytes than `most`; says by how many bytes of memory it has grown then.
    pub(crate) fn join(&mut self, slices: &[&[u8]], most: usize) -> Option<usize> {
        match self {
            Parcel::Small(bytes) if bytes.len() < most => {
                let before = bytes.capacity();
                slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
                Some(bytes.capacity() - before)
            }
            _ => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Parcel::Small(bytes) => bytes.len(),
            Parcel::Large(_, len) => *len,
        }
    }
}

impl OutQueue {
    /// Appends what another thread has given away.
    pub(crate) fn push_parcel(&mut self, parcel: Parcel, pool: &mut BlockPool) {
        match parcel {
            Parcel::Small(bytes) => self.push_owned(bytes, pool),
            Parcel::Large(blocks, _) => {
                self.set_aside(pool);
                blocks.into_iter().for_each(|block| self.append(Block::Large(block), pool));
            }
        }
    }
}
