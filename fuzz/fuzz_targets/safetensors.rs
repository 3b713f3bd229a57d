//! Model directories whose weights are any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qntx_embed_fuzz::read_with;

fuzz_target!(|bytes: &[u8]| read_with("model.safetensors", bytes));
