//! This library, as a measured program.

#[path = "../../program.rs"]
mod program;

use program::{Program, place};
use qntx_embed::{EmbedOptions, Embedder, ModelOptions, Precision};

struct Qntx(Embedder);

impl Program for Qntx {
    fn batch(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        let embeddings = self.0.embed_batch(texts, &EmbedOptions::default()).expect("texts are embedded");
        embeddings.iter().map(|e| e.vector().to_vec()).collect()
    }

    fn one(&self, text: &str) -> Vec<f32> {
        self.0.embed(text, &EmbedOptions::default()).expect("a text is embedded").vector().to_vec()
    }
}

fn main() {
    program::main(|| {
        let precision = match std::env::var("BENCH_PRECISION").as_deref() {
            Ok("int8") => Precision::Int8,
            _ => Precision::Float32,
        };
        let options =
            ModelOptions { onnxruntime: Some(place("BENCH_ONNXRUNTIME")), precision, ..Default::default() };
        Qntx(Embedder::open(&place("BENCH_MODEL"), &options).expect("the model opens"))
    });
}
