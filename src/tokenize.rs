//! Texts to token ids; the only file that names `tokenizers`.
//!
//! `tokenizer.json` may carry truncation and padding of its own. Both are ignored: a text is tokenised whole, cut to
//! the model's limit with its special tokens kept, and never padded.

use tokenizers::pipeline::{EncodeOptions, Override, PipelineToken, PipelineTokenizer};

use crate::error::{Code, Error, Result};

/// Turns texts into the ids that the model was trained on. May be called from any number of threads.
pub struct Tokenizer {
    inner: PipelineTokenizer,
    /// Special tokens before and after a text, such as `[CLS]` and `[SEP]`.
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    max_tokens: usize,
}

/// The ids of one text, special tokens included.
#[derive(Debug)]
pub struct Tokens {
    /// At most the limit, never empty.
    pub ids: Vec<u32>,
    /// How many there were before the text was cut.
    pub full: usize,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of any version. `max_tokens` counts special tokens.
    pub fn new(json: &str, max_tokens: usize) -> Result<Self> {
        let invalid =
            |e: &dyn std::fmt::Display| Error::new(Code::ModelInvalid, format!("tokenizer.json cannot be read: {e}"));
        let json = tokenizers::canonicalize_str(json).map_err(|e| invalid(&e))?;
        let inner = tokenizers::from_json(&json).map_err(|e| invalid(&e))?;
        let template = &inner.get_post_processor().single;
        let ids = |run: &[(PipelineToken, u8)]| run.iter().map(|(id, _)| u32::from(*id)).collect::<Vec<_>>();
        let (prefix, suffix) = (ids(&template.prefix), ids(&template.suffix));
        let special = prefix.len() + suffix.len();
        if special >= max_tokens {
            let message =
                format!("max_tokens {max_tokens} leaves no room for text: the model adds {special} special tokens");
            return Err(Error::new(Code::InvalidArgument, message));
        }
        Ok(Self { inner, prefix, suffix, max_tokens })
    }

    /// Tokenises one text.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        let options = EncodeOptions {
            add_special_tokens: false,
            padding: Override::Off,
            truncation: Override::Off,
            ..EncodeOptions::default()
        };
        let mut tokens = Vec::with_capacity(text.len() / 4 + 2);
        self.inner
            .encode_into(text, &options, &mut tokens)
            .map_err(|e| Error::new(Code::InvalidArgument, format!("text cannot be tokenised: {e}")))?;
        let special = self.prefix.len() + self.suffix.len();
        let full = tokens.len() + special;
        let kept = tokens.len().min(self.max_tokens - special);
        let mut ids = Vec::with_capacity(kept + special);
        ids.extend(&self.prefix);
        ids.extend(tokens[..kept].iter().map(|&t| u32::from(t)));
        ids.extend(&self.suffix);
        Ok(Tokens { ids, full })
    }
}
