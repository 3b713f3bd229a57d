//! Model directories one of whose configuration files is any bytes. The first byte, a digit, says which.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qntx_embed_fuzz::read_with;

const FILES: [&str; 6] = [
    "config.json",
    "modules.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
];

fuzz_target!(|input: &[u8]| {
    let Some((digit, bytes)) = input.split_first() else { return };
    read_with(FILES[digit.wrapping_sub(b'0') as usize % FILES.len()], bytes);
});
