//! Buffers that outlive their use: a fresh page costs more than the arithmetic on it.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// Floats that wait for their next use, at most (256 MiB).
const KEPT: usize = 64 * 1024 * 1024;

static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A buffer whose memory goes to the next taker when dropped. Its contents are whatever the last owner left.
#[derive(Debug, Default)]
pub struct Recycled {
    buffer: Vec<f32>,
    len: usize,
    /// Made elsewhere, where nobody takes: to hand it on would hoard one such buffer after the other.
    foreign: bool,
}

impl Recycled {
    /// `len` floats of any value: of the waiting buffers the smallest that is large enough (but not twice too large), or new.
    pub fn take(len: usize) -> Self {
        let waiting = {
            let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
            let fitting = |(_, buffer): &(usize, &Vec<f32>)| (len..=2 * len).contains(&buffer.len());
            let best = free.iter().enumerate().filter(fitting).min_by_key(|(_, buffer)| buffer.len()).map(|(i, _)| i);
            best.map(|index| free.swap_remove(index))
        };
        Self { buffer: waiting.unwrap_or_else(|| vec![0.0; len]), len, foreign: false }
    }

    /// The floats, which leave the circulation.
    pub fn into_vec(mut self) -> Vec<f32> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.truncate(self.len);
        buffer
    }
}

/// A buffer like the others, but freed when dropped.
impl From<Vec<f32>> for Recycled {
    fn from(buffer: Vec<f32>) -> Self {
        Self { len: buffer.len(), buffer, foreign: true }
    }
}

impl Drop for Recycled {
    fn drop(&mut self) {
        if self.foreign {
            return;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if !buffer.is_empty() && free.iter().map(Vec::len).sum::<usize>() + buffer.len() <= KEPT {
            free.push(buffer);
        }
    }
}

impl Deref for Recycled {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Recycled {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.len]
    }
}

/// Floats from which on threads share the work of [`zeros`].
const SHARED: usize = 64 * 1024;

/// Zeros for a result. Of a large buffer all threads write a part, for its pages are given by the system as they are first written.
pub fn zeros(len: usize) -> Vec<f32> {
    if len < SHARED {
        return vec![0.0; len];
    }
    let mut buffer = Vec::new();
    rayon::iter::repeat_n(0.0, len).with_min_len(SHARED / 4).collect_into_vec(&mut buffer);
    buffer
}

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static LAID_OUT: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's room for images laid out otherwise, within [`with_scratch`] too; as there, contents are whatever was left,
/// and `work` must not enter the thread pool.
pub(crate) fn with_layout<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    LAID_OUT.with_borrow_mut(|buffer| {
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
        work(&mut buffer[..len])
    })
}

/// Lends the thread's scratch, cut into parts of the given lengths, to `work`, which must not enter the thread pool. Contents are
/// whatever was left there.
pub(crate) fn with_scratch<const N: usize, R>(lengths: [usize; N], work: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    SCRATCH.with_borrow_mut(|buffer| {
        let len = lengths.iter().sum();
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
        work(cut(buffer, lengths))
    })
}

/// The leading parts of a slice, of the given lengths.
pub(crate) fn cut<const N: usize>(mut rest: &mut [f32], lengths: [usize; N]) -> [&mut [f32]; N] {
    lengths.map(|len| {
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(len);
        rest = tail;
        part
    })
}

/// [`cut`] of a shared slice.
pub(crate) fn cut_shared<const N: usize>(mut rest: &[f32], lengths: [usize; N]) -> [&[f32]; N] {
    lengths.map(|len| {
        let (part, tail) = rest.split_at(len);
        rest = tail;
        part
    })
}
