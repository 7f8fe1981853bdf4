//! A vocabulary of one's own.

use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, TokenizerBuilder};

use crate::ProcessorError;

/// The special tokens that stand first in a vocabulary; `[DEC]` and `[ENC]` follow it, as everywhere in BLIP.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Trains a WordPiece vocabulary of at most `vocab_size` tokens on texts: the content of a `vocab.txt`, for
/// [`BertTokenizer::from_vocab_txt`](crate::BertTokenizer::from_vocab_txt), which counts `[DEC]` and `[ENC]` on top.
///
/// # Errors
///
/// [`ProcessorError::Training`] if the texts have no words, or the trainer fails.
///
/// # Examples
///
/// ```
/// use blip_processor::{BertTokenizer, train_vocabulary};
/// use blip_traits::Tokenizer;
///
/// let texts = ["a red circle", "a blue circle", "a red star"];
/// let vocabulary = train_vocabulary(texts.iter().cycle().take(30), 60)?;
/// let tokenizer = BertTokenizer::from_vocab_txt(&vocabulary)?;
/// let ids = tokenizer.encode("a blue star", None)?;
/// assert_eq!(tokenizer.decode(&ids)?, "a blue star");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn train_vocabulary<I>(texts: I, vocab_size: usize) -> Result<String, ProcessorError>
where
    I: IntoIterator<Item: AsRef<str> + Send, IntoIter: Send>,
{
    let wrong = |what: Box<dyn std::error::Error + Send + Sync>| ProcessorError::Training {
        what: what.to_string(),
    };
    let special = SPECIAL.map(|token| AddedToken::from(token, true)).to_vec();
    let mut trainer = WordPieceTrainer::builder()
        .vocab_size(vocab_size)
        .show_progress(false)
        .special_tokens(special)
        .build();
    let mut pipeline = TokenizerBuilder::<_, _, _, BertProcessing, WordPieceDecoder>::new()
        .with_model(WordPiece::default())
        .with_normalizer(Some(BertNormalizer::default()))
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_post_processor(None)
        .with_decoder(None)
        .build()
        .map_err(wrong)?;
    pipeline.train(&mut trainer, texts.into_iter()).map_err(wrong)?;
    let mut tokens: Vec<(String, u32)> = pipeline.get_vocab(true).into_iter().collect();
    if tokens.len() <= SPECIAL.len() {
        return Err(ProcessorError::Training {
            what: "the texts have no words".to_owned(),
        });
    }
    tokens.sort_by_key(|&(_, id)| id);
    Ok(tokens.into_iter().map(|(token, _)| token + "\n").collect())
}
