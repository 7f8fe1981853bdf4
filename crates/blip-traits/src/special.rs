//! The tokens with a job.

/// The ids of BLIP's special tokens.
///
/// BLIP puts one of three first tokens on the same BERT: `[CLS]` for text alone, `[ENC]` for text grounded in an
/// image, `[DEC]` for generation. They stand on position 0 of an ordinarily tokenized text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `[PAD]`, 0: fills rows on the right.
    pub pad: u32,
    /// `[UNK]`, 100: a word that the vocabulary cannot spell.
    pub unk: u32,
    /// `[CLS]`, 101: first token of a text on its own.
    pub cls: u32,
    /// `[SEP]`, 102: last token of every text; generation ends with it.
    pub sep: u32,
    /// `[MASK]`, 103: unused by BLIP.
    pub mask: u32,
    /// `[DEC]`, 30522: first token of a generated text (`bos_token`).
    pub dec: u32,
    /// `[ENC]`, 30523: first token of a text that is grounded in an image.
    pub enc: u32,
}

impl SpecialTokens {
    /// The ids with the `bert-base-uncased` vocabulary and BLIP's two additions, as every published checkpoint has
    /// them (salesforce/BLIP@056a169 `models/blip.py` `init_tokenizer`).
    pub const BERT_BASE_UNCASED: Self = Self {
        pad: 0,
        unk: 100,
        cls: 101,
        sep: 102,
        mask: 103,
        dec: 30522,
        enc: 30523,
    };

    /// All of them, in ascending order of the standard vocabulary.
    pub fn all(&self) -> [u32; 7] {
        [
            self.pad, self.unk, self.cls, self.sep, self.mask, self.dec, self.enc,
        ]
    }
}
