//! The crate fastembed, as a measured program.

#[path = "../../program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use fastembed::{InitOptionsUserDefined, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use program::{Program, place};

/// What the crate is asked for; `None` is its own default.
struct Settings {
    batch: Option<usize>,
    max_tokens: Option<usize>,
}

/// `embed` takes `&mut self`: callers in threads need a lock around it.
struct Fastembed {
    model: Mutex<TextEmbedding>,
    batch: Option<usize>,
}

impl Fastembed {
    fn open(directory: &Path, settings: Settings) -> Self {
        let read = |name: &str| fs::read(directory.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let files = TokenizerFiles {
            tokenizer_file: read("tokenizer.json"),
            config_file: read("config.json"),
            special_tokens_map_file: read("special_tokens_map.json"),
            tokenizer_config_file: read("tokenizer_config.json"),
        };
        let mut options = InitOptionsUserDefined::new();
        if let Some(max_tokens) = settings.max_tokens {
            options = options.with_max_length(max_tokens);
        }
        let model = UserDefinedEmbeddingModel::new(read("model.onnx"), files);
        let model = TextEmbedding::try_new_from_user_defined(model, options).expect("the model opens");
        Self { model: Mutex::new(model), batch: settings.batch }
    }
}

impl Program for Fastembed {
    fn batch(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        self.model.lock().expect("no caller panics").embed(texts, self.batch).expect("texts are embedded")
    }

    fn one(&self, text: &str) -> Vec<f32> {
        self.batch(&[text]).pop().expect("one text gives one vector")
    }
}

fn main() {
    let settings = match std::env::var_os("BENCH_DEFAULTS") {
        Some(_) => Settings { batch: None, max_tokens: None },
        None => Settings { batch: Some(32), max_tokens: Some(max_tokens()) },
    };
    program::main(|| Fastembed::open(&place("BENCH_ONNX"), settings));
}

fn max_tokens() -> usize {
    place("BENCH_MAX_TOKENS").to_str().and_then(|n| n.parse().ok()).expect("BENCH_MAX_TOKENS is a number")
}
