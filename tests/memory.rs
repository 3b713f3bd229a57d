//! What an open model costs, in memory of the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use qntx_embed::{EmbedOptions, Embedder, ModelOptions};

/// Resident memory of this process in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Waits until this process computes nothing: the workers make their sessions after the model is open.
fn settle() {
    let ticks = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let mut last = ticks();
    loop {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let now = ticks();
        if now == last {
            return;
        }
        last = now;
    }
}

/// What opening the real model adds.
fn cost(threads: usize) -> (Embedder, f64) {
    let before = resident();
    let options = ModelOptions { threads, ..common::options() };
    let model = Embedder::open(&common::model_directory(), &options).unwrap();
    model.embed("a cat", &EmbedOptions::default()).unwrap();
    settle();
    (model, resident() - before)
}

#[test]
fn the_weights_are_in_memory_once_whatever_the_number_of_workers() {
    let start = std::time::Instant::now();
    let (_one, of_one) = cost(1);
    println!("1 worker: {of_one:.0} MiB, {:?}", start.elapsed());
    let start = std::time::Instant::now();
    let (_many, of_many) = cost(17);
    println!("17 workers: {of_many:.0} MiB, {:?}", start.elapsed());
    // The weights are 41 MiB. A worker of its own has its graph, its buffers and what the allocator keeps: 3 to 5 MiB.
    let of_a_worker = (of_many - of_one) / 16.0;
    assert!(of_a_worker < 10.0, "1 worker: {of_one:.0} MiB, 17 workers: {of_many:.0} MiB");
}
