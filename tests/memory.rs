//! What an open model costs, in memory of the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

mod common;

use std::path::Path;

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

/// What opening a model with so many workers adds.
fn cost(directory: &Path, threads: usize) -> (Embedder, f64) {
    let before = resident();
    let options = ModelOptions { threads, ..common::options() };
    let model = Embedder::open(directory, &options).unwrap();
    model.embed("a cat", &EmbedOptions::default()).unwrap();
    settle();
    (model, resident() - before)
}

/// A worker of its own has its graph, its buffers and what the allocator keeps: 2 to 5 MiB.
fn workers_cost_little(directory: &Path) {
    let (_one, of_one) = cost(directory, 1);
    let (_many, of_many) = cost(directory, 17);
    println!("1 worker: {of_one:.0} MiB, 17 workers: {of_many:.0} MiB");
    let of_a_worker = (of_many - of_one) / 16.0;
    assert!(of_a_worker < 10.0, "1 worker: {of_one:.0} MiB, 17 workers: {of_many:.0} MiB");
}

// One test: they measure the whole process.
#[test]
fn the_weights_are_in_memory_once_whatever_the_number_of_workers() {
    // 41 MiB of weights in layers.
    workers_cost_little(&common::model_directory());
    let onnx = tempfile::tempdir().unwrap();
    onnx::write(onnx.path());
    workers_cost_little(onnx.path());
}

/// A model whose ONNX file has 64 MiB of weights, in two matrices.
mod onnx {
    use std::path::Path;

    const WIDE: usize = 131_072;
    const NARROW: usize = 64;

    pub fn write(directory: &Path) {
        for file in super::common::fixture("tiny-mean-onnx").read_dir().unwrap() {
            let file = file.unwrap().path();
            // Without modules.json hidden states are pooled by their mean.
            if file.is_file() && !file.ends_with("modules.json") {
                std::fs::copy(&file, directory.join(file.file_name().unwrap())).unwrap();
            }
        }
        std::fs::write(directory.join("model.onnx"), model()).unwrap();
    }

    /// onnx.proto3: `x W1 W2`, each row of x a token's id times some numbers.
    fn model() -> Vec<u8> {
        let narrow: Vec<f32> = (0..NARROW).map(|i| i as f32 / 100.0).collect();
        let wide: Vec<f32> = (0..WIDE * NARROW).map(|i| (i % 7) as f32 / 1e4).collect();
        let mut graph = Vec::new();
        for (op, inputs, output, attributes) in [
            ("Cast", vec!["input_ids"], "numbers", vec![integer("to", 1)]),
            ("Unsqueeze", vec!["numbers", "last"], "column", vec![]),
            ("Mul", vec!["column", "narrow"], "x", vec![]),
            ("MatMul", vec!["x", "w1"], "middle", vec![]),
            ("MatMul", vec!["middle", "w2"], "last_hidden_state", vec![]),
        ] {
            let mut node: Vec<u8> = inputs.iter().flat_map(|input| bytes(1, input.as_bytes())).collect();
            node.extend(bytes(2, output.as_bytes()));
            node.extend(bytes(4, op.as_bytes()));
            node.extend(attributes.iter().flat_map(|attribute| bytes(5, attribute)));
            graph.extend(bytes(1, &node));
        }
        graph.extend(bytes(2, b"graph"));
        graph.extend(bytes(5, &tensor("narrow", 1, &[NARROW], &raw(&narrow))));
        graph.extend(bytes(5, &tensor("w1", 1, &[NARROW, WIDE], &raw(&wide))));
        graph.extend(bytes(5, &tensor("w2", 1, &[WIDE, NARROW], &raw(&wide))));
        graph.extend(bytes(5, &tensor("last", 7, &[1], &(-1i64).to_le_bytes())));
        graph.extend(bytes(11, &value("input_ids", 7, &[None, None])));
        graph.extend(bytes(11, &value("attention_mask", 7, &[None, None])));
        graph.extend(bytes(12, &value("last_hidden_state", 1, &[None, None, Some(NARROW)])));
        let mut model = number(1, 8);
        model.extend(bytes(7, &graph));
        model.extend(bytes(8, &number(2, 17)));
        model
    }

    fn raw(floats: &[f32]) -> Vec<u8> {
        floats.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    fn integer(name: &str, value: u64) -> Vec<u8> {
        [bytes(1, name.as_bytes()), number(3, value), number(20, 2)].concat()
    }

    fn tensor(name: &str, kind: u64, dims: &[usize], data: &[u8]) -> Vec<u8> {
        let mut tensor: Vec<u8> = dims.iter().flat_map(|&d| number(1, d as u64)).collect();
        tensor.extend([number(2, kind), bytes(8, name.as_bytes()), bytes(9, data)].concat());
        tensor
    }

    fn value(name: &str, kind: u64, dims: &[Option<usize>]) -> Vec<u8> {
        let dim = |d: &Option<usize>| bytes(1, &d.map_or_else(|| bytes(2, b"any"), |d| number(1, d as u64)));
        let shape: Vec<u8> = dims.iter().flat_map(dim).collect();
        let tensor = [number(1, kind), bytes(2, &shape)].concat();
        [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
    }

    fn varint(mut n: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while n >= 128 {
            out.push(n as u8 | 128);
            n >>= 7;
        }
        out.push(n as u8);
        out
    }

    fn number(field: u64, n: u64) -> Vec<u8> {
        [varint(field << 3), varint(n)].concat()
    }

    fn bytes(field: u64, data: &[u8]) -> Vec<u8> {
        [varint(field << 3 | 2), varint(data.len() as u64), data.to_vec()].concat()
    }
}
