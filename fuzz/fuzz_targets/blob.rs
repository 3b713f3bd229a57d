//! Blobs of any bytes: read, or refused; what was read is written again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qntx_embed::blob;

fuzz_target!(|bytes: &[u8]| {
    match blob::from_bytes(bytes) {
        Ok(vector) => {
            assert_eq!(blob::to_bytes(&vector), bytes);
            if let Ok(similarity) = blob::similarity(&vector, &vector) {
                assert!((-1.0..=1.0).contains(&similarity), "{similarity}");
            }
        }
        Err(e) => assert!(!bytes.len().is_multiple_of(4), "{e}"),
    }
});
