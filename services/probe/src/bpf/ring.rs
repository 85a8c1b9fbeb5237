//! Reads one BPF ring buffer through its memory.
//!
//! The position of the reader is published once per sixteenth of the ring and at the end, not once per record: each
//! publication costs a cache line that the writers share. Invariant: a record is handed out only between the moment
//! its writer committed it and the moment its space is given back.

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use aya::maps::{Map, MapData};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::{SysconfVar, sysconf};

use super::error::{LoadError, SensorError};

/// The writer has not finished this record.
const BUSY: u32 = 1 << 31;
/// The writer gave this record up.
const DISCARDED: u32 = 1 << 30;
/// Length and page offset, before every record.
const HEADER_BYTES: usize = 8;

/// The reading end of one ring.
#[derive(Debug)]
pub(super) struct Ring {
    map: MapData,
    name: &'static str,
    /// One page that only this side writes: how far it has read.
    consumer: Mapping,
    /// One page that only the kernel writes, then the data, twice in a row so that no record is ever split.
    producer: Mapping,
    page: usize,
    bytes: usize,
    position: usize,
}

impl Ring {
    pub(super) fn new(map: Map, name: &'static str) -> Result<Self, SensorError> {
        let Map::RingBuf(map) = map else { return Err(LoadError::MissingMap { name }.into()) };
        let failed = |source| SensorError::Ring { ring: name, source };
        let bytes = map.info().ok().and_then(|info| usize::try_from(info.max_entries()).ok()).unwrap_or(0);
        let page = sysconf(SysconfVar::PAGE_SIZE)
            .map_err(failed)?
            .and_then(|page| usize::try_from(page).ok())
            .unwrap_or(4096);
        if !bytes.is_power_of_two() || bytes < page {
            return Err(failed(nix::Error::EINVAL));
        }
        let fd = map.fd().as_fd();
        let consumer =
            Mapping::new(fd, page, 0, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE).map_err(failed)?;
        let producer = Mapping::new(fd, page + 2 * bytes, page, ProtFlags::PROT_READ).map_err(failed)?;
        let mut ring = Self { map, name, consumer, producer, page, bytes, position: 0 };
        ring.position = ring.read_position().load(Ordering::Relaxed);
        Ok(ring)
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.map.fd().as_fd()
    }

    /// Where the newest record ends that a program has begun to write.
    pub(super) fn end(&self) -> usize {
        self.write_position().load(Ordering::Acquire)
    }

    /// Whether everything up to `end` was handed out.
    pub(super) fn has_reached(&self, end: usize) -> bool {
        self.position >= end
    }

    /// Hands out what was committed when the call began.
    pub(super) fn drain(&mut self, each: &mut dyn FnMut(&[u8])) -> usize {
        self.drain_to(self.end(), each)
    }

    /// Hands out what lies before `end`, up to the first record that is not committed.
    pub(super) fn drain_to(&mut self, end: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        let mut records = 0;
        let mut published = self.position;
        while self.position < end {
            let offset = self.position & (self.bytes - 1);
            let state = self.header_at(offset).load(Ordering::Acquire);
            let length = usize::try_from(state & !(BUSY | DISCARDED)).unwrap_or(usize::MAX);
            if state & BUSY != 0 || length > self.bytes - HEADER_BYTES {
                break;
            }
            if state & DISCARDED == 0 {
                each(self.data_at(offset + HEADER_BYTES, length));
                records += 1;
            }
            self.position += (length + HEADER_BYTES).next_multiple_of(8);
            if self.position - published >= self.bytes / 16 {
                self.read_position().store(self.position, Ordering::Release);
                published = self.position;
            }
        }
        if self.position != published {
            self.read_position().store(self.position, Ordering::Release);
        }
        records
    }

    fn read_position(&self) -> &AtomicUsize {
        // SAFETY: the first word of the page is the position (an unsigned long), aligned because the page is, and
        // mapped as long as `self`; kernel and process both access it atomically.
        unsafe { self.consumer.start.cast::<AtomicUsize>().as_ref() }
    }

    fn write_position(&self) -> &AtomicUsize {
        // SAFETY: as for the read position; only loads are done through the reference, the page is read-only.
        unsafe { self.producer.start.cast::<AtomicUsize>().as_ref() }
    }

    fn header_at(&self, offset: usize) -> &AtomicU32 {
        debug_assert!(offset < self.bytes && offset.is_multiple_of(8));
        // SAFETY: `offset` is below the ring's size and a multiple of eight (positions advance by multiples of
        // eight), so the word lies in the data part of the mapping and is aligned; only loads are done through it.
        unsafe { self.producer.start.byte_add(self.page + offset).cast::<AtomicU32>().as_ref() }
    }

    fn data_at(&self, offset: usize, length: usize) -> &[u8] {
        debug_assert!(offset + length <= 2 * self.bytes);
        // SAFETY: `offset` is at most the ring's size and `length` below it, so the bytes lie in the two copies of
        // the data. The record is committed and its space not given back (the caller does so afterwards), so that
        // the kernel does not write to it while the slice lives.
        unsafe {
            let start = self.producer.start.byte_add(self.page + offset).cast::<u8>();
            std::slice::from_raw_parts(start.as_ptr(), length)
        }
    }
}

/// A piece of shared memory, unmapped when dropped.
#[derive(Debug)]
struct Mapping {
    start: NonNull<std::ffi::c_void>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and this is its only owner.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, bytes: usize, offset: usize, access: ProtFlags) -> nix::Result<Self> {
        let length = NonZeroUsize::new(bytes).ok_or(nix::Error::EINVAL)?;
        let offset = offset.try_into().ok().ok_or(nix::Error::EINVAL)?;
        // SAFETY: a new mapping at an address the kernel chooses replaces nothing.
        let start = unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, fd, offset)? };
        Ok(Self { start, bytes })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `new` made, and no reference into it outlives its owner. Unmapping a
        // whole mapping cannot fail.
        unsafe { munmap(self.start, self.bytes) }.unwrap_or(());
    }
}
