//! What a filter can ask a row for, kept in memory for every row: few allocations, and what they take is known.

use crate::error::{Result, fail};
use crate::store::metadata::Metadata;

/// A row beside its text and vector.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The texts below, end to end.
    texts: Box<str>,
    /// Where each of them ends.
    ends: [u16; 6],
    chunk: u32,
    metadata: Metadata,
}

/// What an allocation takes beside its bytes, about: its size, and filling up to 16.
const OF_AN_ALLOCATION: usize = 16;

impl Facts {
    /// `texts` are id, source_type, source_id, model, created_at and updated_at. More than 65,535 bytes of them are none
    /// that the store has written: an error.
    pub fn new(texts: [&str; 6], chunk: u32, metadata: Metadata) -> Result<Self> {
        let mut ends = [0; 6];
        let mut end = 0;
        for (place, text) in ends.iter_mut().zip(texts) {
            end += text.len();
            match u16::try_from(end) {
                Ok(end) => *place = end,
                Err(_) => fail!(Store, "its names and times have more than {} bytes", u16::MAX),
            }
        }
        Ok(Self { texts: texts.concat().into(), ends, chunk, metadata })
    }

    /// Bytes that it points to, about.
    pub fn heap_bytes(&self) -> usize {
        let lengths = self.metadata.allocations().chain([self.texts.len()]);
        lengths.map(|length| length + OF_AN_ALLOCATION).sum()
    }

    pub fn id(&self) -> &str {
        self.text(0)
    }

    pub fn source_type(&self) -> &str {
        self.text(1)
    }

    pub fn source_id(&self) -> &str {
        self.text(2)
    }

    pub fn model(&self) -> &str {
        self.text(3)
    }

    pub fn created_at(&self) -> &str {
        self.text(4)
    }

    pub fn updated_at(&self) -> &str {
        self.text(5)
    }

    pub fn chunk(&self) -> u32 {
        self.chunk
    }

    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn text(&self, number: usize) -> &str {
        let from = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.texts[from.into()..self.ends[number].into()]
    }
}
