//! Which rows are meant: conditions on what a row has beside its vector.
//!
//! A filter is JSON, so that it passes through C, Go and HTTP as it is:
//!
//! ```json
//! ["and", ["=", "source_type", "manual"],
//!         ["or", [">=", "metadata.year", 2020], ["not", ["exists", "metadata.year"]]],
//!         ["in", "source_id", ["pump-001", "pump-002"]],
//!         ["<", "created_at", "2026-01-31T00:00:00Z"]]
//! ```
//!
//! - `["and", …]`, `["or", …]`: any number of filters; none at all is true for `and`, false for `or`. `["not", filter]`.
//! - `["=" "!=" "<" "<=" ">" ">=", field, value]`, `["in", field, [value, …]]`, `["exists", field]`.
//! - Fields: `id`, `source_type`, `source_id`, `model` (text), `chunk` (an integer), `created_at`, `updated_at` (RFC 3339 in
//!   UTC), and `metadata.KEY`, where KEY is all that follows the first dot.
//!
//! Every condition is true or false, there is no third value. A comparison is true only where the row has the field and
//! both sides are of one type (text, number, bool, null); numbers compare by value (1 = 1.0), texts by their bytes.
//! `!=` is exactly `not =`: so it is true for a missing key. A key whose value is null exists and equals null. `<`, `<=`,
//! `>` and `>=` take numbers and texts.
//!
//! The same filter is run by SQLite and in memory; both give the same rows.

mod facts;
mod parse;
mod sql;

use std::cmp::Ordering;

pub use facts::Facts;
use serde::{Deserialize, Serialize};
pub use sql::{Sql, register};

use super::metadata::{Metadata, Scalar};
use super::rows::Row;
use crate::error::Result;

/// Conditions on rows; see [`Filter::parse`].
#[derive(Clone, Debug)]
pub struct Filter {
    node: Node,
}

#[derive(Clone, Debug)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Test(Field, Test),
}

#[derive(Clone, Debug, PartialEq)]
enum Field {
    Id,
    SourceType,
    SourceId,
    Model,
    Chunk,
    CreatedAt,
    UpdatedAt,
    Metadata(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Test {
    Equal(Scalar),
    Less(Scalar),
    AtMost(Scalar),
    Greater(Scalar),
    AtLeast(Scalar),
    In(Vec<Scalar>),
    Exists,
}

impl Filter {
    /// Reads a filter from its JSON form:
    /// `["and", ["=", "source_type", "manual"], [">=", "metadata.year", 2020]]`, with the operators `and`, `or`, `not`,
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `in` and `exists`. docs/search.md has the whole of it. At most 1 MiB, 16 levels
    /// and 10,000 values. An error names the place.
    pub fn parse(json: &str) -> Result<Self> {
        Ok(Self { node: parse::filter(json)? })
    }

    /// Whether the filter lets a row through: the same that SQL says. An error where its metadata is not what the store
    /// gives.
    pub fn passes(&self, row: &Row) -> Result<bool> {
        let texts = [&row.id, &row.source_type, &row.source_id, &row.model, &row.created_at, &row.updated_at];
        Ok(self.matches(&Facts::new(texts.map(String::as_str), row.chunk, Metadata::parse(&row.metadata)?)?))
    }

    pub(super) fn matches(&self, row: &Facts) -> bool {
        self.node.matches(row)
    }
}

impl Node {
    fn matches(&self, row: &Facts) -> bool {
        match self {
            Self::And(all) => all.iter().all(|node| node.matches(row)),
            Self::Or(any) => any.iter().any(|node| node.matches(row)),
            Self::Not(node) => !node.matches(row),
            Self::Test(field, test) => match field {
                Field::Id => test.holds_for_text(row.id()),
                Field::SourceType => test.holds_for_text(row.source_type()),
                Field::SourceId => test.holds_for_text(row.source_id()),
                Field::Model => test.holds_for_text(row.model()),
                Field::CreatedAt => test.holds_for_text(row.created_at()),
                Field::UpdatedAt => test.holds_for_text(row.updated_at()),
                Field::Chunk => test.holds(Some(&Scalar::Integer(row.chunk().into()))),
                Field::Metadata(key) => test.holds(row.metadata().get(key)),
            },
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&Scalar>) -> bool {
        let Some(value) = value else {
            return false;
        };
        let ordered = |wanted: &Scalar, is: fn(Ordering) -> bool| value.order(wanted).is_some_and(is);
        match self {
            Self::Equal(wanted) => value.equals(wanted),
            Self::Less(wanted) => ordered(wanted, Ordering::is_lt),
            Self::AtMost(wanted) => ordered(wanted, Ordering::is_le),
            Self::Greater(wanted) => ordered(wanted, Ordering::is_gt),
            Self::AtLeast(wanted) => ordered(wanted, Ordering::is_ge),
            Self::In(any) => any.iter().any(|wanted| value.equals(wanted)),
            Self::Exists => true,
        }
    }

    /// The same without a copy of the text; a list is in order (see `parse`), so a long one costs little.
    fn holds_for_text(&self, value: &str) -> bool {
        let order = |wanted: &Scalar| match wanted {
            Scalar::Text(wanted) => Some(value.cmp(wanted.as_ref())),
            _ => None,
        };
        let ordered = |wanted: &Scalar, is: fn(Ordering) -> bool| order(wanted).is_some_and(is);
        match self {
            Self::Equal(wanted) => ordered(wanted, Ordering::is_eq),
            Self::Less(wanted) => ordered(wanted, Ordering::is_lt),
            Self::AtMost(wanted) => ordered(wanted, Ordering::is_le),
            Self::Greater(wanted) => ordered(wanted, Ordering::is_gt),
            Self::AtLeast(wanted) => ordered(wanted, Ordering::is_ge),
            Self::In(any) => any.binary_search_by(|w| order(w).map_or(Ordering::Less, Ordering::reverse)).is_ok(),
            Self::Exists => true,
        }
    }
}
