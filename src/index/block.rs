//! Rows side by side in blocks of a fixed number, so that an index grows without copying what it has.

use super::quantise::{Form, Row};

/// Rows of a full block.
pub const ROWS: usize = 4096;

/// Up to [`ROWS`] rows, each property in a vector of its own. All vectors are as long as there are rows.
pub struct Block<T> {
    /// Components of a row in a plane.
    width: usize,
    pub high: Vec<i8>,
    pub low: Vec<i8>,
    pub forms: Vec<Form>,
    pub keys: Vec<i64>,
    pub payloads: Vec<T>,
}

impl<T> Block<T> {
    pub fn new(width: usize) -> Self {
        Self { width, high: vec![], low: vec![], forms: vec![], keys: vec![], payloads: vec![] }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The bytes that all its vectors have reserved.
    pub fn bytes(&self) -> usize {
        self.high.capacity()
            + self.low.capacity()
            + self.forms.capacity() * size_of::<Form>()
            + self.keys.capacity() * size_of::<i64>()
            + self.payloads.capacity() * size_of::<T>()
    }

    pub fn push(&mut self, row: &Row, key: i64, payload: T) {
        self.high.extend_from_slice(&row.high);
        self.low.extend_from_slice(&row.low);
        self.forms.push(row.form);
        self.keys.push(key);
        self.payloads.push(payload);
    }

    /// The two planes of a row.
    pub fn planes(&self, at: usize) -> (&[i8], &[i8]) {
        (&self.high[at * self.width..][..self.width], &self.low[at * self.width..][..self.width])
    }

    /// Puts a row in the place of another; gives that one's payload.
    pub fn set(&mut self, at: usize, row: &Row, key: i64, payload: T) -> T {
        self.high[at * self.width..][..self.width].copy_from_slice(&row.high);
        self.low[at * self.width..][..self.width].copy_from_slice(&row.low);
        self.forms[at] = row.form;
        self.keys[at] = key;
        std::mem::replace(&mut self.payloads[at], payload)
    }

    /// Takes the last row out.
    pub fn pop(&mut self) -> Option<(Row, i64, T)> {
        let (form, key, payload) = (self.forms.pop()?, self.keys.pop()?, self.payloads.pop()?);
        let from = self.len() * self.width;
        Some((Row { high: self.high.split_off(from), low: self.low.split_off(from), form }, key, payload))
    }
}
