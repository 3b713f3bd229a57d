//! What this process has deleted and indexes still have.

use super::loaded::Moment;
use crate::store::write::Written;

/// Keys that are kept at most; where there are more, an index finds out for itself what is gone.
const MAX_KEYS: usize = 1 << 16;

/// Transactions that have deleted rows, in their order.
#[derive(Default)]
pub struct Deletions {
    /// Whether there is an index that will ask.
    wanted: bool,
    written: Vec<Written>,
    keys: usize,
}

impl Deletions {
    /// An index is there now.
    pub fn begin(&mut self) {
        self.wanted = true;
    }

    pub fn add(&mut self, written: Written) {
        self.keys += written.deleted.len();
        if !self.wanted || self.keys > MAX_KEYS {
            self.written.clear();
            self.keys = 0;
        } else {
            self.written.push(written);
        }
    }

    /// The keys that were deleted between two moments; `None` where somebody else has deleted too, or not all is known.
    pub fn between(&self, from: Moment, to: Moment) -> Option<Vec<i64>> {
        let (mut deletion, mut keys) = (from.deletion, Vec::new());
        for written in &self.written {
            if written.revision > from.revision && written.revision <= to.revision {
                if written.deletion_before != deletion {
                    return None;
                }
                deletion = written.revision;
                keys.extend(&written.deleted);
            }
        }
        (deletion == to.deletion).then_some(keys)
    }

    /// All indexes are past this revision.
    pub fn forget(&mut self, revision: i64) {
        self.written.retain(|written| written.revision > revision);
        self.keys = self.written.iter().map(|written| written.deleted.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(revision: i64, deletion: i64) -> Moment {
        Moment { revision, deletion }
    }

    fn written(revision: i64, deletion_before: i64, deleted: &[i64]) -> Written {
        Written { revision, deletion_before, deleted: deleted.to_vec() }
    }

    #[test]
    fn what_is_known_is_a_chain_without_a_gap() {
        let mut deletions = Deletions::default();
        deletions.begin();
        deletions.add(written(5, 2, &[1, 2]));
        deletions.add(written(7, 5, &[3]));
        assert_eq!(deletions.between(moment(4, 2), moment(8, 7)), Some(vec![1, 2, 3]));
        assert_eq!(deletions.between(moment(4, 2), moment(6, 5)), Some(vec![1, 2]));
        assert_eq!(deletions.between(moment(6, 5), moment(7, 7)), Some(vec![3]));
        assert_eq!(deletions.between(moment(7, 7), moment(9, 7)), Some(vec![]));
        // Another process has deleted before, between or after.
        assert_eq!(deletions.between(moment(3, 1), moment(8, 7)), None);
        assert_eq!(deletions.between(moment(4, 2), moment(9, 9)), None);
        deletions.add(written(11, 9, &[4]));
        assert_eq!(deletions.between(moment(6, 5), moment(11, 11)), None);
        deletions.forget(7);
        assert_eq!(deletions.between(moment(4, 2), moment(8, 7)), None);
        assert_eq!(deletions.between(moment(10, 9), moment(11, 11)), Some(vec![4]));
    }

    #[test]
    fn more_than_there_is_room_for_is_not_known() {
        let mut deletions = Deletions::default();
        deletions.add(written(1, 0, &[1]));
        assert_eq!(deletions.between(moment(0, 0), moment(1, 1)), None, "nobody wanted it");
        deletions.begin();
        deletions.add(written(2, 1, &vec![7; MAX_KEYS + 1]));
        assert_eq!(deletions.between(moment(1, 1), moment(2, 2)), None);
        deletions.add(written(3, 2, &[8]));
        assert_eq!(deletions.between(moment(2, 2), moment(3, 3)), Some(vec![8]));
    }
}
