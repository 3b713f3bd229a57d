//! Search by words: FTS5 finds the rows, BM25 orders them.
//!
//! BM25 is computed here and not by FTS5, over the rows of one model that a filter lets through: how rare a word is in
//! other rows must not show in the order (Robertson and Zaragoza 2009, with k1 = 1.2, b = 0.75 and Lucene's `ln(1 + …)`;
//! the mean length is that of the rows that have one of the words).

use std::ffi::CStr;

use rusqlite::{Connection, ToSql, params};

use super::filter::{Filter, Sql};
use crate::error::{Result, fail};

/// The FTS5 function that `connection` registers.
pub const WORD_COUNTS: &CStr = c"qntx_embed_word_counts";

const K1: f64 = 1.2;
const B: f64 = 0.75;
/// Different words that a query may have.
const MAX_WORDS: usize = 256;

/// Adds a row's words.
pub fn insert(connection: &Connection, key: i64, text: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO fts_embeddings (rowid, text) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![key, text])?;
    Ok(())
}

/// Takes a row's words out, while the row still has its text.
pub fn delete(connection: &Connection, key: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO fts_embeddings (fts_embeddings, rowid, text)
               SELECT 'delete', key, text FROM embeddings WHERE key = ?1";
    connection.prepare_cached(sql)?.execute([key])?;
    Ok(())
}

/// Builds the index anew from the rows.
pub fn build(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("INSERT INTO fts_embeddings (fts_embeddings) VALUES ('rebuild')")
}

/// What a person has written, as a query that finds rows with any of the words. What stands between white space becomes
/// a string of FTS5, so nothing in it is syntax; `foo-bar` is found where `foo` is followed by `bar`.
pub fn query(words: &str) -> Result<String> {
    let mut seen: Vec<String> = Vec::new();
    for word in words.split(|c: char| c.is_whitespace() || c == '\0') {
        // A string without a letter or digit has no token, and finds nothing.
        if word.chars().any(char::is_alphanumeric) {
            let word = word.to_lowercase();
            if !seen.contains(&word) {
                seen.push(word);
            }
        }
        if seen.len() > MAX_WORDS {
            fail!(InvalidArgument, "the query has more than {MAX_WORDS} different words; give those that matter");
        }
    }
    let quoted: Vec<String> = seen.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
    Ok(quoted.join(" OR "))
}

/// A row that has words of the query.
#[derive(Clone, Debug)]
pub struct Match {
    pub key: i64,
    pub id: String,
    /// BM25; larger is better.
    pub score: f64,
}

/// The rows of a model that have any word of the query and pass the filter, best first, equals by id.
pub fn matches(
    connection: &Connection,
    query: &str,
    fingerprint: &str,
    filter: Option<&Filter>,
) -> rusqlite::Result<Vec<Match>> {
    if query.is_empty() {
        return Ok(Vec::new());
    }
    let condition = Sql::of(filter, "e");
    // CROSS JOIN: FTS5 goes first.
    let sql = format!(
        "SELECT e.key, e.id, qntx_embed_word_counts(fts_embeddings)
         FROM fts_embeddings CROSS JOIN embeddings e ON e.key = fts_embeddings.rowid
         WHERE fts_embeddings MATCH ? AND e.fingerprint = ? AND ({})",
        condition.text
    );
    let mut values: Vec<&dyn ToSql> = vec![&query, &fingerprint];
    values.extend(condition.values.iter().map(|v| v as &dyn ToSql));
    let mut found: Vec<(i64, String, Vec<i32>)> = connection
        .prepare_cached(&sql)?
        .query_map(values.as_slice(), |row| Ok((row.get(0)?, row.get(1)?, counts(row.get_ref(2)?.as_blob()?))))?
        .collect::<rusqlite::Result<_>>()?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT count(*) FROM embeddings e WHERE e.fingerprint = ? AND ({})", condition.text);
    let rows: u64 = connection.prepare_cached(&sql)?.query_row(&values[1..], |row| row.get(0))?;
    let scores = bm25(&found.iter().map(|f| f.2.as_slice()).collect::<Vec<_>>(), rows as f64);
    let mut matches: Vec<Match> =
        found.drain(..).zip(scores).map(|((key, id, _), score)| Match { key, id, score }).collect();
    matches.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
    Ok(matches)
}

fn counts(bytes: &[u8]) -> Vec<i32> {
    bytes.as_chunks::<4>().0.iter().map(|c| i32::from_ne_bytes(*c)).collect()
}

/// The score of each row, of whose counts the first is its length and the others are those of the words.
fn bm25(found: &[&[i32]], rows: f64) -> Vec<f64> {
    let length = |row: &[i32]| f64::from(row.first().copied().unwrap_or(0));
    let mean = found.iter().map(|row| length(row)).sum::<f64>() / found.len() as f64;
    let words = found.iter().map(|row| row.len()).max().unwrap_or(1);
    let rarity: Vec<f64> = (1..words)
        .map(|word| {
            let with = found.iter().filter(|row| row.get(word).is_some_and(|&n| n > 0)).count() as f64;
            (1.0 + (rows - with + 0.5) / (with + 0.5)).ln()
        })
        .collect();
    let score = |row: &&[i32]| {
        let norm = K1 * (1.0 - B + B * length(row) / mean.max(1.0));
        let each = row.iter().skip(1).zip(&rarity);
        each.map(|(&n, rarity)| rarity * f64::from(n) * (K1 + 1.0) / (f64::from(n) + norm)).sum()
    };
    found.iter().map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_person_writes_is_syntax() {
        assert_eq!(query("Stop  the pump").unwrap(), r#""stop" OR "the" OR "pump""#);
        assert_eq!(query("a\"b NEAR( x* pump PUMP").unwrap(), r#""a""b" OR "near(" OR "x*" OR "pump""#);
        assert_eq!(query(" \0 - ! \t").unwrap(), "");
        assert!(query(&(0..257).map(|i| format!("w{i} ")).collect::<String>()).is_err());
        assert!(query(&"same ".repeat(1000)).is_ok());
    }

    #[test]
    fn rare_words_and_short_texts_weigh_more() {
        let scores = bm25(&[&[10, 1, 0], &[10, 0, 1], &[10, 1, 0], &[5, 1, 0], &[10, 2, 0]], 100.0);
        assert!(scores[1] > scores[0] && scores[3] > scores[0] && scores[4] > scores[0]);
        assert_eq!(scores[0], scores[2]);
    }
}
