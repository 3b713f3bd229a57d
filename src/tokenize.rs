//! Texts to token ids; the only file that names `tokenizers`.
//!
//! `tokenizer.json` may carry truncation and padding of its own. Both are ignored: a text is tokenised whole, cut to
//! the model's limit with its special tokens kept, and never padded.

use tokenizers::pipeline::{EncodeOptions, Override, PipelineToken, PipelineTokenizer};

use crate::error::{Code, Error, Result, fail};

/// Turns texts into the ids that the model was trained on. May be called from any number of threads.
pub struct Tokenizer {
    inner: PipelineTokenizer,
    /// Special tokens before and after a text, such as `[CLS]` and `[SEP]`.
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    max_tokens: usize,
    truncate_left: bool,
}

/// Which end of a text goes where it has more tokens than the model takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Truncate {
    /// That which the directory says; mostly its end.
    #[default]
    Default,
    /// Its end.
    Right,
    /// Its beginning.
    Left,
    /// None: the text is refused with [`Code::TooLong`].
    Error,
}

/// What the directory says beside `tokenizer.json`.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Special tokens counted.
    pub max_tokens: usize,
    pub lower_case: bool,
    pub truncate_left: bool,
}

/// The ids of one text, special tokens included.
#[derive(Debug)]
pub struct Tokens {
    /// At least one, at most the limit.
    pub ids: Vec<u32>,
    /// How many these are.
    pub used: usize,
    /// How many there were before the text was cut.
    pub full: usize,
}

impl Tokenizer {
    /// Reads a `tokenizer.json` of any version.
    pub fn new(mut json: serde_json::Value, settings: Settings) -> Result<Self> {
        let invalid =
            |e: &dyn std::fmt::Display| Error::new(Code::ModelInvalid, format!("tokenizer.json cannot be read: {e}"));
        if settings.lower_case {
            // Before the other normalisers, and after special tokens were found: those keep their case.
            let normalizers = [serde_json::json!({"type": "Lowercase"}), json["normalizer"].take()];
            let normalizers: Vec<_> = normalizers.into_iter().filter(|n| !n.is_null()).collect();
            json["normalizer"] = serde_json::json!({"type": "Sequence", "normalizers": normalizers});
        }
        tokenizers::canonicalize_value(&mut json).map_err(|e| invalid(&e))?;
        let inner = tokenizers::from_json(&json.to_string()).map_err(|e| invalid(&e))?;
        let template = &inner.get_post_processor().single;
        let ids = |run: &[(PipelineToken, u8)]| run.iter().map(|(id, _)| u32::from(*id)).collect::<Vec<_>>();
        let (prefix, suffix) = (ids(&template.prefix), ids(&template.suffix));
        let special = prefix.len() + suffix.len();
        let Settings { max_tokens, truncate_left, .. } = settings;
        if special >= max_tokens {
            fail!(
                InvalidArgument,
                "max_tokens {max_tokens} leaves no room for text: the model adds {special} special tokens"
            );
        }
        Ok(Self { inner, prefix, suffix, max_tokens, truncate_left })
    }

    /// Tokenises one text.
    pub fn encode(&self, text: &str, truncate: Truncate) -> Result<Tokens> {
        let tokens = self.bare(text)?;
        let special = self.prefix.len() + self.suffix.len();
        let full = tokens.len() + special;
        let room = self.max_tokens - special;
        let kept = match truncate {
            _ if tokens.len() <= room => &tokens[..],
            Truncate::Left => &tokens[tokens.len() - room..],
            Truncate::Default if self.truncate_left => &tokens[tokens.len() - room..],
            Truncate::Default | Truncate::Right => &tokens[..room],
            Truncate::Error => fail!(
                TooLong,
                "a text has {full} tokens, the model takes {}; shorten it, split it, or allow truncation",
                self.max_tokens
            ),
        };
        let mut ids = Vec::with_capacity(kept.len() + special);
        ids.extend(&self.prefix);
        ids.extend(kept.iter().map(|&t| u32::from(t)));
        ids.extend(&self.suffix);
        if ids.is_empty() {
            fail!(EmptyText, "the text has no tokens, and this model adds none, so there is nothing to embed");
        }
        Ok(Tokens { used: ids.len(), ids, full })
    }

    /// Tokens that the whole text has, special ones counted.
    pub fn count(&self, text: &str) -> Result<usize> {
        Ok(self.prefix.len() + self.bare(text)?.len() + self.suffix.len())
    }

    /// Tokens at the beginning of a text that are its prompt's: those of the prompt alone, less a special one at its
    /// end (as sentence-transformers counts them).
    pub fn prompt_tokens(&self, prompt: &str) -> Result<usize> {
        Ok(self.count(prompt)?.min(self.max_tokens) - usize::from(!self.suffix.is_empty()))
    }

    /// Some id of the vocabulary, to run a network with.
    pub fn any_token(&self) -> Result<u32> {
        match self.prefix.first().or(self.suffix.first()) {
            Some(&id) => Ok(id),
            None => Ok(self.bare("a")?.first().map_or(0, |&t| u32::from(t))),
        }
    }

    fn bare(&self, text: &str) -> Result<Vec<PipelineToken>> {
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
        Ok(tokens)
    }
}
