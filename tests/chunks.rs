//! Chunks: they cover a text, and each is embedded whole.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use std::path::Path;

use common::{fixture, golden, minilm, options, repository};
use qntx_embed::{
    Chunk, Code, EmbedOptions, Embedder, Prompt, Query, Record, SearchOptions, SplitOptions, Store, Truncate,
};

/// Splits, and checks all that is promised of chunks but for their embeddings.
#[track_caller]
fn split(model: &Embedder, text: &str, options: &SplitOptions<'_>) -> Vec<Chunk> {
    let chunks = model.split(text, options).unwrap();
    let most = options.max_tokens.unwrap_or(model.info().max_tokens);
    let (mut last, mut begin, mut characters) = (0, 0, 0);
    for (i, chunk) in chunks.iter().enumerate() {
        let bytes = &chunk.bytes;
        assert!(bytes.start <= last && bytes.end > last, "chunk {i} is {bytes:?}, the one before ends at {last}");
        assert!(i == 0 || bytes.start > begin, "chunk {i} begins at {}, the one before at {begin}", bytes.start);
        assert!(options.overlap > 0 || bytes.start == last, "chunk {i} overlaps");
        characters += text[begin..bytes.start].chars().count();
        let length = text[bytes.clone()].chars().count();
        assert_eq!(chunk.characters, characters..characters + length, "chunk {i}");
        assert!(chunk.tokens <= most, "chunk {i} has {} tokens, at most {most}", chunk.tokens);
        (last, begin) = (bytes.end, bytes.start);
    }
    assert_eq!(last, text.len(), "the chunks do not reach the end");
    chunks
}

/// Embeds chunks so that one that is cut fails, and compares their tokens.
#[track_caller]
fn embeds_whole(model: &Embedder, text: &str, chunks: &[Chunk], prompt: Prompt<'_>) {
    let parts: Vec<&str> = chunks.iter().map(|chunk| &text[chunk.bytes.clone()]).collect();
    let whole = EmbedOptions { prompt, truncate: Truncate::Error, ..EmbedOptions::default() };
    for (chunk, embedding) in chunks.iter().zip(model.embed_batch(&parts, &whole).unwrap()) {
        assert_eq!(embedding.full_tokens(), chunk.tokens, "{:?}", &text[chunk.bytes.clone()]);
    }
}

/// Texts of many kinds, most of them much longer than a model takes.
fn texts() -> Vec<String> {
    let golden = golden(&repository().join("tests/fixtures/golden/golden.jsonl"));
    let all: Vec<&str> = golden.iter().map(|g| g.text.as_str()).collect();
    let mut texts = vec![all.join(" "), all.join("\n"), all.join("\n\n"), all.concat()];
    for (part, times) in [
        ("Donaudampfschifffahrtsgesellschaftskapitän", 40),
        ("3.14159265", 60),
        ("我们明天早上八点在车站见面，请不要迟到。", 60),
        ("今日はとても良い天気ですね", 60),
        ("วันนี้อากาศดีมาก", 60),
        ("आज मौसम बहुत अच्छा है। ", 40),
        ("🙂", 300),
        ("👩‍👩‍👧‍👦🏳️‍🌈🇦🇹", 60),
        ("e\u{301}\u{302}\u{303}\u{304}", 200),
        ("\u{fdfa}", 20),
        (" ", 700),
        ("\n", 700),
        ("\r\n\r\n", 200),
        ("\0\u{200b}\u{202e}", 200),
        ("...", 200),
        ("a b ", 300),
        ("One. ", 200),
        ("word, (word) \"word\" ", 60),
    ] {
        texts.push(part.repeat(times));
    }
    // Any order of these.
    let pieces =
        ["a", " ", "\n", "\n\n", ". ", "é", "字", "🙂", "\u{301}", "Word", "long-ish", ",", "1", "。", "\r", "\t"];
    let mut random = 1u64;
    for _ in 0..30 {
        let mut text = String::new();
        for _ in 0..600 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            text.push_str(pieces[(random >> 33) as usize % pieces.len()]);
        }
        texts.push(text);
    }
    texts
}

#[test]
fn every_chunk_of_any_text_is_embedded_whole() {
    for name in ["mpnet", "roberta", "xlm-roberta", "tiny-mean"] {
        let model = Embedder::open(&fixture(name), &options()).unwrap();
        for text in texts() {
            for (max_tokens, overlap) in [(None, 0), (Some(32), 0), (Some(32), 10), (Some(32), 31)] {
                let options = SplitOptions { max_tokens, overlap, ..SplitOptions::default() };
                let chunks = split(&model, &text, &options);
                embeds_whole(&model, &text, &chunks, options.prompt);
            }
        }
    }
}

#[test]
fn every_chunk_is_embedded_whole_with_its_prompt() {
    let model = Embedder::open(&fixture("roberta"), &options()).unwrap();
    for text in texts() {
        for prompt in [Prompt::Named("passage"), Prompt::Text("in other words: ")] {
            let options = SplitOptions { overlap: 8, prompt, ..SplitOptions::default() };
            let chunks = split(&model, &text, &options);
            embeds_whole(&model, &text, &chunks, prompt);
        }
    }
}

#[test]
fn a_real_models_chunks_are_embedded_whole_and_full() {
    let model = minilm();
    for text in texts().iter().take(8) {
        let chunks = split(&model, text, &SplitOptions::default());
        embeds_whole(&model, text, &chunks, Prompt::Default);
    }
    let golden = &texts()[0];
    let chunks = split(&model, golden, &SplitOptions { max_tokens: Some(128), ..SplitOptions::default() });
    let tokens: usize = chunks.iter().map(|chunk| chunk.tokens).sum();
    let mean = tokens / chunks.len();
    assert!(mean >= 80, "chunks of at most 128 tokens have {mean} in the mean");
}

#[test]
fn a_line_of_a_megabyte_is_split() {
    let sentence = "The valve at the end of the third pipe is opened by a quarter turn to the left, ";
    let spaced = sentence.repeat((1 << 20) / sentence.len());
    let solid = "valve".repeat((1 << 20) / 5);
    let ideographs = "阀门在管道末端".repeat((1 << 20) / 21);
    for name in ["xlm-roberta", "roberta"] {
        let model = Embedder::open(&fixture(name), &options()).unwrap();
        for text in [&spaced, &solid, &ideographs] {
            let chunks = split(&model, text, &SplitOptions { overlap: 5, ..SplitOptions::default() });
            embeds_whole(&model, text, &chunks, Prompt::Default);
        }
    }
    let model = minilm();
    let chunks = split(&model, &spaced, &SplitOptions::default());
    assert!(chunks.len() > 500, "{}", chunks.len());
    let some: Vec<Chunk> = chunks.into_iter().step_by(50).collect();
    embeds_whole(&model, &spaced, &some, Prompt::Default);
}

#[test]
fn chunks_overlap_by_no_more_than_was_asked() {
    let model = Embedder::open(&fixture("xlm-roberta"), &options()).unwrap();
    let tokens = |text: &str| model.embed(text, &EmbedOptions::default()).unwrap().full_tokens();
    let around = tokens("");
    let text = &texts()[0];
    for overlap in [1, 8, 20] {
        let chunks = split(&model, text, &SplitOptions { overlap, ..SplitOptions::default() });
        let mut overlapping = 0;
        for pair in chunks.windows(2).filter(|pair| pair[1].bytes.start < pair[0].bytes.end) {
            overlapping += 1;
            let shared = tokens(&text[pair[1].bytes.start..pair[0].bytes.end]) - around;
            assert!(shared <= overlap, "{shared} tokens, {overlap} were asked for");
        }
        assert!(overlap < 8 || overlapping > chunks.len() / 4, "{overlapping} of {} overlap", chunks.len());
    }
}

#[test]
fn what_cannot_be_split_is_refused() {
    let model = Embedder::open(&fixture("xlm-roberta"), &options()).unwrap();
    for (max_tokens, overlap, part) in [
        (Some(41), 0, "takes at most 40"),
        (Some(20), 20, "must be less than the 20"),
        (Some(2), 0, "no room for text"),
        (Some(0), 0, "must be less than the 0"),
    ] {
        let options = SplitOptions { max_tokens, overlap, ..SplitOptions::default() };
        let error = model.split("some text", &options).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(part), "'{part}' is not in: {error}");
    }
    assert!(model.split("", &SplitOptions::default()).unwrap().is_empty());
}

#[test]
fn a_fact_in_the_middle_of_a_long_text_is_found_with_its_range() {
    const FACT: &str = "The combination of the safe in the harbour office is written on the back of the tide table.";
    let model = minilm();
    let filler = |topic: &str| {
        let sentence = |i: usize| format!("Note {i} about {topic} says that nothing unusual was seen on that day. ");
        (0..60).map(sentence).collect::<String>()
    };
    let mut long = filler("the weather in the mountains");
    let middle = long.len() / 2;
    let middle = middle + long[middle..].find("Note").unwrap();
    long.insert_str(middle, &format!("{FACT} Für später: 😀. "));
    let other = filler("the breeding of sheep");
    let whole = model.embed(&long, &EmbedOptions::default()).unwrap();
    assert!(whole.truncated());

    let store = Store::open(Path::new(":memory:")).unwrap();
    let info = model.info();
    for (source_id, text) in [("long", &long), ("other", &other)] {
        let options = SplitOptions { max_tokens: Some(64), overlap: 16, prompt: Prompt::Named("document") };
        let chunks = split(&model, text, &options);
        let parts: Vec<&str> = chunks.iter().map(|chunk| &text[chunk.bytes.clone()]).collect();
        let embeddings = model.embed_batch(&parts, &EmbedOptions::default()).unwrap();
        let records: Vec<Record> = (1u32..)
            .zip(&chunks)
            .zip(parts.iter().zip(&embeddings))
            .map(|((number, chunk), (part, embedding))| Record {
                source_type: "note",
                source_id,
                chunk: number,
                chunk_start: chunk.characters.start as u64,
                chunk_end: chunk.characters.end as u64,
                text: part,
                model: &info.name,
                fingerprint: &info.fingerprint,
                vector: embedding.vector(),
                ..Record::default()
            })
            .collect();
        store.put_sources(&records).unwrap();
    }

    let query = model.embed("where do I find the code that opens the strongbox?", &EmbedOptions::default()).unwrap();
    let options = SearchOptions { fingerprint: &info.fingerprint, group_by_source: true, ..SearchOptions::default() };
    let hits = store.search(&Query::Vector(query.vector()), &options).unwrap().hits;
    assert_eq!(hits.len(), 2, "one chunk of each source");
    let best = &hits[0].row;
    assert_eq!(best.source_id, "long");
    assert!(best.text.contains(FACT), "{}", best.text);
    let range = (best.chunk_end - best.chunk_start) as usize;
    let by_range: String = long.chars().skip(best.chunk_start as usize).take(range).collect();
    assert_eq!(by_range, best.text);
}
