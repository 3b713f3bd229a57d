//! The modes of a measured program (see ../README.md), for those that are written in Rust.

#[path = "figures.rs"]
mod figures;

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

use serde_json::{Value, json};

use figures::{milliseconds, number, percentile, status};

const ONE_TEXT: &str = "how do I stop the pump before it floods";
const ONE_TEXT_RUNS: usize = 200;
const CALLERS_WARM_UP: Duration = Duration::from_secs(1);
const MEMORY_CALL: usize = 1_000;

/// What is measured.
pub trait Program: Sync {
    fn batch(&self, texts: &[&str]) -> Vec<Vec<f32>>;
    fn one(&self, text: &str) -> Vec<f32>;
}

/// A place that the driver tells by an environment variable.
pub fn place(name: &str) -> PathBuf {
    env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: start this by `make bench`")).into()
}

pub fn main<P: Program>(open: impl FnOnce() -> P) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [mode, corpus, rest @ ..] = &arguments[..] else { panic!("usage: MODE CORPUS …, see benches/README.md") };
    let corpus = Corpus::read(corpus);

    let start = Instant::now();
    let program = open();
    let load = milliseconds(start.elapsed());
    let rss_open = status("VmRSS:");

    let mut result = match (*mode, rest) {
        ("batch", [vectors]) => batch(&program, &corpus, vectors),
        ("callers", [callers, seconds]) => callers_of_one(&program, &corpus, number(callers), number(seconds)),
        ("memory", [texts]) => memory(&program, &corpus, number(texts)),
        _ => panic!("no mode {mode} with {} more arguments, see benches/README.md", rest.len()),
    };
    result["load_ms"] = json!(load);
    result["rss_open_mb"] = json!(rss_open);
    println!("{result}");
}

fn batch(program: &impl Program, corpus: &Corpus, vectors_file: &str) -> Value {
    let texts: Vec<&str> = corpus.texts.iter().map(String::as_str).collect();
    program.batch(&texts);
    let start = Instant::now();
    let vectors = program.batch(&texts);
    let seconds = start.elapsed().as_secs_f64();

    let mut one: Vec<Duration> = (0..ONE_TEXT_RUNS + ONE_TEXT_RUNS / 10)
        .map(|_| {
            let start = Instant::now();
            black_box(program.one(ONE_TEXT));
            start.elapsed()
        })
        .skip(ONE_TEXT_RUNS / 10)
        .collect();
    let rss = status("VmRSS:");
    let bytes: Vec<u8> = vectors.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
    fs::write(vectors_file, bytes).expect("the vectors can be written");
    json!({
        "seconds": seconds,
        "one_p50_ms": percentile(&mut one, 0.5),
        "one_p99_ms": percentile(&mut one, 0.99),
        "rss_mb": rss,
    })
}

/// Callers in threads of their own, each with one text at a time. What ends within the window counts; in the latencies
/// also what still waits then, or one who is never served would not be seen.
fn callers_of_one(program: &impl Program, corpus: &Corpus, callers: usize, seconds: f64) -> Value {
    let next = AtomicUsize::new(0);
    let begin = Instant::now() + CALLERS_WARM_UP;
    let end = begin + Duration::from_secs_f64(seconds);
    let caller = || {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed) % corpus.texts.len();
            let start = Instant::now();
            black_box(program.one(&corpus.texts[i]));
            let now = Instant::now();
            if now >= begin {
                done.push((i, now - start, now < end));
            }
            if now >= end {
                return done;
            }
        }
    };
    let done: Vec<(usize, Duration, bool)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(caller)).collect();
        threads.into_iter().flat_map(|t| t.join().expect("a caller does not panic")).collect()
    });
    let counted: Vec<u64> = done.iter().filter(|d| d.2).map(|d| corpus.tokens[d.0]).collect();
    let mut latencies: Vec<Duration> = done.into_iter().map(|d| d.1).collect();
    json!({
        "seconds": seconds,
        "texts": counted.len(),
        "tokens": counted.iter().sum::<u64>(),
        "p50_ms": percentile(&mut latencies, 0.5),
        "p99_ms": percentile(&mut latencies, 0.99),
        "rss_mb": status("VmRSS:"),
    })
}

/// Memory while many different texts are embedded, call by call, and the vectors are dropped.
fn memory(program: &impl Program, corpus: &Corpus, texts: usize) -> Value {
    let mut first = 0.0;
    let start = Instant::now();
    for from in (0..texts).step_by(MEMORY_CALL) {
        // The number makes each of them a new text, also where something remembers those it has seen.
        let numbered: Vec<String> = (from..texts.min(from + MEMORY_CALL))
            .map(|i| format!("{i} {}", corpus.texts[i % corpus.texts.len()]))
            .collect();
        let numbered: Vec<&str> = numbered.iter().map(String::as_str).collect();
        black_box(program.batch(&numbered));
        if from == 0 {
            first = status("VmRSS:");
            // Forgets the peak of loading (proc(5), clear_refs); without that right the peak is the whole process's.
            let _ = fs::write("/proc/self/clear_refs", "5");
        }
    }
    json!({
        "seconds": start.elapsed().as_secs_f64(),
        "texts": texts,
        "rss_first_mb": first,
        "rss_peak_mb": status("VmHWM:"),
        "rss_mb": status("VmRSS:"),
    })
}

struct Corpus {
    texts: Vec<String>,
    tokens: Vec<u64>,
}

impl Corpus {
    fn read(file: &str) -> Self {
        let bytes = fs::read(file).unwrap_or_else(|e| panic!("corpus {file}: {e}"));
        let mut value: Value = serde_json::from_slice(&bytes).expect("the corpus is JSON");
        Self {
            texts: serde_json::from_value(value["texts"].take()).expect("texts"),
            tokens: serde_json::from_value(value["tokens"].take()).expect("tokens"),
        }
    }
}
