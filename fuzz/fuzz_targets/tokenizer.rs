//! Model directories whose tokenizer is any bytes. What a good tokenizer does with any text is the target `text`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qntx_embed_fuzz::read_with;

fuzz_target!(|bytes: &[u8]| read_with("tokenizer.json", bytes));
