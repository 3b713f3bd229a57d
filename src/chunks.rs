//! A long text as parts that a model takes whole: cut where sentences end, and where one is too long, inside of it.

use std::collections::BTreeMap;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::error::{Result, fail};

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes in the text.
    pub bytes: Range<usize>,
    /// Its characters (Unicode scalar values) in the text: what `chunk_start` and `chunk_end` of a record are.
    pub characters: Range<usize>,
    /// Tokens that embedding it takes, its prompt's and special ones counted.
    pub tokens: usize,
}

/// What ends at a place where a chunk may end; the later here, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// A Unicode scalar value.
    Scalar,
    /// What a reader sees as one character.
    Character,
    Word,
    Line,
    Sentence,
    Paragraph,
}

/// What is looked for inside of what is too long, in this order.
const FINER: [End; 4] = [End::Line, End::Word, End::Character, End::Scalar];

/// A part that fits: where it ends, and its tokens.
#[derive(Clone, Copy)]
struct Fit {
    end: usize,
    tokens: usize,
}

/// Cuts a text into chunks of at most `max_tokens`, of which each begins at most `overlap` tokens before the end of the one
/// before. `tokens` says how many a text has, with all that is put around it. No chunks are only those of the empty text.
pub fn split(
    text: &str,
    max_tokens: usize,
    overlap: usize,
    tokens: &dyn Fn(&str) -> Result<usize>,
) -> Result<Vec<Chunk>> {
    let around = tokens("")?;
    if around >= max_tokens {
        fail!(
            InvalidArgument,
            "chunks of {max_tokens} tokens have no room for text: the prompt and special tokens take {around}"
        );
    }
    // Mostly more than four bytes make a token; the first chunk tells better.
    let size = 4 * (max_tokens - around);
    let mut splitter = Splitter { text, max_tokens, overlap, tokens, around, size, ends: coarse_ends(text) };
    let mut chunks: Vec<Chunk> = Vec::new();
    let (mut begin, mut characters, mut last_end) = (0, 0, 0);
    let mut reach = if text.is_empty() { None } else { Some(splitter.reach(0)?) };
    while let Some(farthest) = reach {
        let fit = splitter.best(begin, last_end, farthest)?;
        let length = text[begin..fit.end].chars().count();
        chunks.push(Chunk { bytes: begin..fit.end, characters: characters..characters + length, tokens: fit.tokens });
        last_end = fit.end;
        splitter.size = farthest.end - begin;
        reach = None;
        if last_end < text.len() {
            let (next, farthest) = splitter.next(begin, fit)?;
            characters += text[begin..next].chars().count();
            (begin, reach) = (next, Some(farthest));
        }
    }
    Ok(chunks)
}

struct Splitter<'a> {
    text: &'a str,
    max_tokens: usize,
    overlap: usize,
    tokens: &'a dyn Fn(&str) -> Result<usize>,
    /// Tokens of no text.
    around: usize,
    /// Bytes of a full chunk, as far as is known.
    size: usize,
    /// Where chunks may end. What is finer than sentences is there only where it was needed.
    ends: BTreeMap<usize, End>,
}

impl Splitter<'_> {
    /// The longest part from `start` that fits.
    fn reach(&mut self, start: usize) -> Result<Fit> {
        for level in FINER {
            if let Some(fit) = self.longest(start)? {
                return Ok(fit);
            }
            self.refine(start, level);
        }
        if let Some(fit) = self.longest(start)? {
            return Ok(fit);
        }
        let character = self.text[start..].chars().next().unwrap_or_default();
        fail!(
            InvalidArgument,
            "chunks of {} tokens cannot hold the character {character:?} at byte {start}, which alone takes {}",
            self.max_tokens,
            (self.tokens)(character.encode_utf8(&mut [0; 4]))?
        )
    }

    /// The longest part from `start` to one of the ends that are known. A longer part mostly has more tokens; where a
    /// tokeniser makes fewer of it, what is found still fits.
    fn longest(&self, start: usize) -> Result<Option<Fit>> {
        let (mut fit, mut over): (Option<Fit>, Option<Fit>) = (None, None);
        let mut guess = start + self.size;
        for attempt in 0.. {
            let low = fit.map_or(start, |fit| fit.end) + 1;
            let high = over.map_or(self.text.len() + 1, |over| over.end);
            let nearer = self.ends.range(low..(guess + 1).clamp(low, high)).next_back();
            let Some((&end, _)) = nearer.or_else(|| self.ends.range(low..high).next()) else { break };
            let part = Fit { end, tokens: (self.tokens)(&self.text[start..end])? };
            if part.tokens <= self.max_tokens {
                fit = Some(part)
            } else {
                over = Some(part)
            }
            // By proportion at first, which is mostly right; then by halves and doubles, which ends for any text.
            let room = self.max_tokens - self.around;
            let by_proportion =
                |known: Fit| start + (known.end - start) * room / known.tokens.saturating_sub(self.around).max(1);
            guess = match (fit, over) {
                (_, Some(over)) if attempt < 3 => by_proportion(over),
                (Some(fit), None) if attempt < 3 => by_proportion(fit),
                (_, Some(over)) => fit.map_or(start, |fit| fit.end).midpoint(over.end),
                (Some(fit), None) => fit.end + (fit.end - start),
                (None, None) => guess,
            };
        }
        Ok(fit)
    }

    /// Adds the ends of a finer level between `start` and the next end.
    fn refine(&mut self, start: usize, level: End) {
        let Some((&end, _)) = self.ends.range(start + 1..).next() else { return };
        for at in finer_ends(&self.text[start..end], level) {
            self.ends.entry(start + at).or_insert(level);
        }
    }

    /// Where the chunk from `begin` should end: of the ends in its second half the best, and the last of these.
    fn best(&self, begin: usize, last_end: usize, farthest: Fit) -> Result<Fit> {
        if farthest.end == self.text.len() {
            return Ok(farthest);
        }
        let half = begin + (farthest.end - begin) / 2;
        let ends = self.ends.range(half.max(last_end) + 1..=farthest.end);
        match ends.max_by_key(|&(at, level)| (level, at)) {
            Some((&end, _)) if end < farthest.end => {
                let fit = Fit { end, tokens: (self.tokens)(&self.text[begin..end])? };
                Ok(if fit.tokens <= self.max_tokens { fit } else { farthest })
            }
            _ => Ok(farthest),
        }
    }

    /// Where the chunk after one begins, and how far it reaches: farther than that one, with as much overlap as allows it.
    fn next(&mut self, begin: usize, fit: Fit) -> Result<(usize, Fit)> {
        // First, because it also makes known how the text that follows can be cut.
        let alone = self.reach(fit.end)?;
        if self.overlap == 0 {
            return Ok((fit.end, alone));
        }
        let length = fit.end - begin;
        // Twice as much as is likely.
        let back = 2 * length * self.overlap / fit.tokens.saturating_sub(self.around).max(1);
        let earliest = self.text.ceil_char_boundary(fit.end - back.min(length - 1));
        let sentences = self.ends.range(earliest..fit.end).filter(|&(_, &level)| level >= End::Sentence);
        let sentences: Vec<usize> = sentences.map(|(&at, _)| at).collect();
        if let Some(found) = self.first_to_lead_on(&sentences, fit.end)? {
            return Ok(found);
        }
        // What comes first may be the rest of a word, and is none of these.
        let words = finer_ends(&self.text[earliest..fit.end], End::Word).into_iter().map(|at| earliest + at);
        let words: Vec<usize> = words.collect();
        Ok(self.first_to_lead_on(&words, fit.end)?.unwrap_or((fit.end, alone)))
    }

    /// The first of some beginnings before `end` from which a chunk has no more than the overlap before `end`, and something
    /// after it.
    fn first_to_lead_on(&self, beginnings: &[usize], end: usize) -> Result<Option<(usize, Fit)>> {
        let (mut low, mut high, mut found) = (0, beginnings.len(), None);
        while low < high {
            let middle = low.midpoint(high);
            let begin = beginnings[middle];
            let taken = (self.tokens)(&self.text[begin..end])?.saturating_sub(self.around);
            let reach = if taken <= self.overlap { self.longest(begin)? } else { None };
            match reach {
                Some(reach) if reach.end > end => (found, high) = (Some((begin, reach)), middle),
                _ => low = middle + 1,
            }
        }
        Ok(found)
    }
}

/// The ends of paragraphs and sentences.
fn coarse_ends(text: &str) -> BTreeMap<usize, End> {
    let mut ends = BTreeMap::new();
    let mut begin = 0;
    let paragraphs = line_ends(text).into_iter().filter(|&(_, breaks)| breaks > 1).map(|(at, _)| at);
    for end in paragraphs.chain([text.len()]) {
        for at in sentence_ends(&text[begin..end]) {
            ends.insert(begin + at, End::Sentence);
        }
        ends.insert(end, End::Paragraph);
        begin = end;
    }
    ends
}

/// Bytes without a word after which a sentence is over. The crate looks ahead anew at each sign after a full stop (rule SB8
/// of UAX #29), so a long run of them would take forever.
const MAX_QUIET: usize = 128;

/// Where sentences end in a paragraph, by UAX #29, but that a single line break is a space: lines are often wrapped.
fn sentence_ends(paragraph: &str) -> Vec<usize> {
    // Of the same length.
    let flat = paragraph.replace(['\n', '\r'], " ");
    let mut cuts = Vec::new();
    let mut quiet = 0;
    for (at, word) in flat.split_word_bound_indices() {
        quiet = if word.starts_with(char::is_alphanumeric) { 0 } else { quiet + word.len() };
        if quiet > MAX_QUIET && at > 0 {
            cuts.push(at);
            quiet = 0;
        }
    }
    let mut ends = Vec::new();
    let mut begin = 0;
    for cut in cuts.into_iter().chain([flat.len()]) {
        for sentence in flat[begin..cut].split_sentence_bounds() {
            begin += sentence.len();
            ends.push(begin);
        }
    }
    ends
}

/// Where something of this level ends, inside of the text.
fn finer_ends(text: &str, level: End) -> Vec<usize> {
    let inside = |at: &usize| *at > 0;
    match level {
        End::Line => line_ends(text).into_iter().map(|(at, _)| at).collect(),
        End::Word => word_ends(text),
        End::Character => text.grapheme_indices(true).map(|(at, _)| at).filter(inside).collect(),
        _ => text.char_indices().map(|(at, _)| at).filter(inside).collect(),
    }
}

/// The ends of runs of white space that have line breaks, each with how many.
fn line_ends(text: &str) -> Vec<(usize, usize)> {
    let mut ends = Vec::new();
    let mut breaks = 0;
    for (at, c) in text.char_indices() {
        match c {
            '\n' | '\u{85}' | '\u{2028}' => breaks += 1,
            // A page, a paragraph.
            '\u{c}' | '\u{2029}' => breaks += 2,
            _ if c.is_whitespace() || breaks == 0 => {}
            _ => {
                ends.push((at, breaks));
                breaks = 0;
            }
        }
    }
    ends
}

/// Where a word and the white space after it end; between letters, where UAX #29 parts them, as it does ideographs.
fn word_ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut before = '\0';
    for (at, word) in text.split_word_bound_indices() {
        let (Some(first), Some(last)) = (word.chars().next(), word.chars().next_back()) else { continue };
        let parted = before.is_whitespace() || before.is_alphanumeric() && first.is_alphanumeric();
        if parted && !first.is_whitespace() {
            ends.push(at);
        }
        before = last;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model whose tokens are words, and single signs; a text has two more around it.
    fn words(text: &str) -> Result<usize> {
        let in_word = |word: &&str| !word.trim().is_empty();
        Ok(2 + text.split_word_bounds().filter(in_word).count())
    }

    fn parts(text: &str, max_tokens: usize, overlap: usize) -> Vec<&str> {
        let chunks = split(text, max_tokens, overlap, &words).unwrap();
        chunks.into_iter().map(|chunk| &text[chunk.bytes]).collect()
    }

    #[test]
    fn a_text_that_fits_is_one_chunk() {
        let text = "One. Two!\n\nThree? ";
        assert_eq!(parts(text, 8, 3), [text]);
        assert_eq!(parts("", 8, 0), [""; 0]);
        assert_eq!(parts(" \n\n \n", 8, 0), [" \n\n \n"]);
    }

    #[test]
    fn sentences_stay_whole_where_they_fit() {
        let text = "The first is short. So is this one, with 3.5 of something. And a third.";
        assert_eq!(
            parts(text, 2 + 14, 0),
            ["The first is short. ", "So is this one, with 3.5 of something. And a third."]
        );
        assert_eq!(parts("你好吗。我很好。谢谢你。", 2 + 8, 0), ["你好吗。我很好。", "谢谢你。"]);
    }

    #[test]
    fn a_paragraph_end_in_the_second_half_comes_before_a_sentence_end() {
        let text = "One two. Three four.\n\nFive six. Seven eight.";
        assert_eq!(parts(text, 2 + 9, 0), ["One two. Three four.\n\n", "Five six. Seven eight."]);
        // Here it would leave too little.
        let text = "One.\n\nFive six seven. Eight nine ten.";
        assert_eq!(parts(text, 2 + 6, 0), ["One.\n\nFive six seven. ", "Eight nine ten."]);
    }

    #[test]
    fn wrapped_lines_are_no_sentences_but_better_than_words() {
        let text = "one two three\nfour five six\nseven. Eight nine ten eleven.";
        assert_eq!(parts(text, 2 + 8, 0), ["one two three\nfour five six\nseven. ", "Eight nine ten eleven."]);
        assert_eq!(parts(text, 2 + 5, 0), ["one two three\n", "four five six\nseven. ", "Eight nine ten eleven."]);
    }

    #[test]
    fn a_sentence_that_is_too_long_is_cut_between_words_and_a_word_between_characters() {
        assert_eq!(parts("one two (three) four five", 2 + 3, 0), ["one two ", "(three) ", "four five"]);
        let each = |text: &str| Ok(text.chars().count());
        let cut = |text: &'static str, max| {
            split(text, max, 0, &each).unwrap().into_iter().map(|chunk| &text[chunk.bytes]).collect::<Vec<_>>()
        };
        assert_eq!(cut("abcdefgh", 3), ["abc", "def", "gh"]);
        // A letter with its accent, a family with its joiners.
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 3), ["e\u{301}", "e\u{301}", "e\u{301}"]);
        assert_eq!(cut("👨‍👩‍👧👨‍👩‍👧", 6), ["👨‍👩‍👧", "👨‍👩‍👧"]);
        assert_eq!(cut("👨‍👩‍👧", 3).concat(), "👨‍👩‍👧");
    }

    #[test]
    fn chunks_overlap_by_whole_sentences_and_inside_of_a_long_one_by_words() {
        let text = "One two. Three four. Five six. Seven eight.";
        assert_eq!(
            parts(text, 2 + 6, 3),
            ["One two. Three four. ", "Three four. Five six. ", "Five six. Seven eight."]
        );
        // None fits into two tokens: one word does.
        assert_eq!(parts(text, 2 + 6, 2)[1], "four. Five six. ");
        assert_eq!(parts("a b c d e f g", 2 + 4, 2), ["a b c d ", "c d e f ", "e f g"]);
        // The overlap gives way to a sentence that it leaves no room for.
        assert_eq!(parts("One two. Three four five six.", 2 + 5, 3), ["One two. ", "Three four five six."]);
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let error = split("text", 2, 0, &words).unwrap_err();
        assert!(error.message().contains("no room for text"), "{error}");
        let three = |text: &str| Ok(3 * text.chars().count());
        let error = split("ab", 2, 0, &three).unwrap_err();
        assert!(error.message().contains("'a' at byte 0, which alone takes 3"), "{error}");
    }

    #[test]
    fn signs_without_end_take_no_time_without_end() {
        let start = std::time::Instant::now();
        for run in [" ", ")", ".", " \u{102b}", ". ", "\u{300}", "1", "\n", "。"] {
            let text = format!("End.{}", run.repeat(100_000));
            let ends = coarse_ends(&text);
            assert_eq!(ends.keys().next_back(), Some(&text.len()), "{run:?}");
        }
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }
}
