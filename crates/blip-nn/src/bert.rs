//! The BERT body that reads and writes text, with cross-attention in every layer ("MED" in the original).
//!
//! ```text
//! input_ids [rows, tokens] ─ word + position ─ LayerNorm ─▶ [rows, tokens, hidden_size]
//!   each layer:  h1 = LayerNorm(h  + dense(attend(q, k, v of h)))            self-attention, causal with a cache
//!                h2 = LayerNorm(h1 + dense(attend(q of h1, context)))        only where a context is given
//!                h3 = LayerNorm(h2 + fc2(gelu(fc1(h2))))
//! ```
//!
//! One body serves the text encoder (no context, or a context) and the decoder (cache and causal mask): which it is
//! is said by the call, as in the original (`mode`, `is_decoder`), and not by the weights.
//!
//! Source: salesforce/BLIP@056a169 `models/med.py`; transformers 5.23 `models/blip/modeling_blip_text.py`.

use blip_traits::{HiddenStates, ModelError, TokenBatch};
use burn::module::{Initializer, Module, Param};
use burn::nn::Dropout;
use burn::tensor::{Bool, Device, FloatDType, Int, Tensor, TensorData, s};

use crate::{
    CrossKeyValue, KvCache, LayerNorm, Linear, Mlp, Packing, Precision, SizeError, TextDropout, attend,
    attend_with_dropout, check_sizes, hide_mask, is_packable, merge_heads, split_fused, split_heads,
};

/// Where this body's parameters stand in published checkpoints, for both layouts: `(here, there)`.
///
/// `*` is a layer's index; `{a,b}` are tensors that one of ours holds side by side.
pub const BERT_KEYS: &[(&str, &str)] = &[
    ("embeddings.norm", "embeddings.LayerNorm"),
    (
        "layers.*.attention.qkv",
        "encoder.layer.*.attention.self.{query,key,value}",
    ),
    (
        "layers.*.attention.dense",
        "encoder.layer.*.attention.output.dense",
    ),
    (
        "layers.*.attention.norm",
        "encoder.layer.*.attention.output.LayerNorm",
    ),
    (
        "layers.*.cross_attention.context.query",
        "encoder.layer.*.crossattention.self.query",
    ),
    (
        "layers.*.cross_attention.context.key_value",
        "encoder.layer.*.crossattention.self.{key,value}",
    ),
    (
        "layers.*.cross_attention.context.dense",
        "encoder.layer.*.crossattention.output.dense",
    ),
    (
        "layers.*.cross_attention.norm",
        "encoder.layer.*.crossattention.output.LayerNorm",
    ),
    ("layers.*.mlp.fc1", "encoder.layer.*.intermediate.dense"),
    ("layers.*.mlp.fc2", "encoder.layer.*.output.dense"),
    ("layers.*.norm", "encoder.layer.*.output.LayerNorm"),
];

/// The sizes of a [`Bert`], named as in Hugging Face's `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct BertConfig {
    /// Number of token ids.
    pub vocab_size: usize,
    /// Width of a token's vector.
    pub hidden_size: usize,
    /// Width of the context's vectors: the ViT's, or `hidden_size` where answers attend questions.
    pub encoder_hidden_size: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Number of positions that have an embedding.
    pub max_position_embeddings: usize,
    /// Added to the variance in every LayerNorm.
    pub layer_norm_eps: f64,
}

impl BertConfig {
    /// BERT-base as all published BLIP checkpoints have it, over a context of the given width.
    pub fn base(encoder_hidden_size: usize) -> Self {
        Self {
            vocab_size: 30524,
            hidden_size: 768,
            encoder_hidden_size,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            max_position_embeddings: 512,
            layer_norm_eps: 1e-12,
        }
    }

    /// Checks that the sizes describe a network.
    ///
    /// # Errors
    ///
    /// [`SizeError`] naming the first field that is wrong.
    pub fn check(&self) -> Result<(), SizeError> {
        check_sizes(
            "text config",
            self.hidden_size,
            self.num_attention_heads,
            &[
                ("vocab_size", self.vocab_size),
                ("encoder_hidden_size", self.encoder_hidden_size),
                ("intermediate_size", self.intermediate_size),
                ("num_hidden_layers", self.num_hidden_layers),
                ("max_position_embeddings", self.max_position_embeddings),
            ],
        )
    }

    /// Two narrow layers and a vocabulary of 64, for tests and examples.
    pub fn tiny() -> Self {
        Self {
            vocab_size: 64,
            hidden_size: 32,
            encoder_hidden_size: 32,
            intermediate_size: 64,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            max_position_embeddings: 40,
            layer_norm_eps: 1e-12,
        }
    }
}

/// Word and position embeddings. There are no token types in BLIP.
#[derive(Module, Debug)]
pub struct BertEmbeddings {
    word_embeddings: Embedding,
    position_embeddings: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
}

/// A table of vectors.
#[derive(Module, Debug)]
struct Embedding {
    weight: Param<Tensor<2>>,
}

impl Embedding {
    fn new(rows: usize, width: usize, device: &Device) -> Self {
        let normal = Initializer::Normal { mean: 0.0, std: 0.02 };
        Self {
            weight: normal.init([rows, width], device),
        }
    }

    fn rows(&self) -> usize {
        self.weight.lazy_shape()[0]
    }

    fn width(&self) -> usize {
        self.weight.lazy_shape()[1]
    }

    /// The same table in bf16, if weights are not to be `f32` and it is where they may be held so.
    fn packed(mut self, packing: Packing) -> Self {
        if packing.precision() != Precision::F32 && is_packable(&self.weight.lazy_device()) {
            self.weight = match packing.read_table(&self.weight) {
                Some(table) => Param::initialized(self.weight.id, table),
                None => self.weight.map(|weight| weight.cast(FloatDType::BF16)),
            };
        }
        self
    }

    /// Vectors of the table, in `f32`.
    ///
    /// - ids: `[tokens]`
    /// - output: `[tokens, width]`
    fn forward(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        self.weight.val().select(0, ids).cast(FloatDType::F32)
    }
}

impl BertEmbeddings {
    /// Tables with fresh weights, which stay unallocated until they are read or replaced.
    pub fn new(config: &BertConfig, device: &Device) -> Self {
        let width = config.hidden_size;
        Self {
            word_embeddings: Embedding::new(config.vocab_size, width, device),
            position_embeddings: Embedding::new(config.max_position_embeddings, width, device),
            norm: LayerNorm::new(width, config.layer_norm_eps, device),
            dropout: TextDropout::none().hidden,
        }
    }

    /// The same tables with dropout while they are trained.
    pub fn with_dropout(mut self, dropout: &TextDropout) -> Self {
        self.dropout = dropout.hidden.clone();
        self
    }

    /// The same tables for inference on a CPU: words, of which there are many, in bf16 unless the precision is `f32`.
    pub fn packed<'a>(mut self, packing: impl Into<Packing<'a>>) -> Self {
        let packing = packing.into();
        self.word_embeddings = self.word_embeddings.packed(packing);
        self
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.word_embeddings.weight.device()
    }

    /// Puts ids on the device that stand behind `past` others, after checking everything that could go wrong with them.
    ///
    /// # Shapes
    ///
    /// - input_ids, output: `[rows, tokens]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if there is no row or no token, [`ModelError::TooLong`] if there are more tokens than
    /// positions, [`ModelError::Token`] for an id that is not in the table.
    pub fn read_ids(&self, input_ids: &TokenBatch, past: usize) -> Result<Tensor<2, Int>, ModelError> {
        let [rows, tokens] = input_ids.shape();
        if rows == 0 || tokens == 0 {
            return Err(ModelError::shape(
                "input_ids",
                "[at least 1, at least 1]",
                &[rows, tokens],
            ));
        }
        let (vocab_size, limit) = (self.word_embeddings.rows(), self.position_embeddings.rows());
        let length = past + tokens;
        if length > limit {
            return Err(ModelError::TooLong {
                name: "input_ids",
                length,
                limit,
            });
        }
        let ids = input_ids.input_ids();
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(ModelError::Token { id, vocab_size });
        }
        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        Ok(Tensor::from_data(
            TensorData::new(ids, [rows, tokens]),
            &self.device(),
        ))
    }

    /// Embeds ids that stand behind `past` others.
    ///
    /// # Shapes
    ///
    /// - input_ids: `[rows, tokens]`
    /// - output: `[rows, tokens, hidden_size]`
    pub fn forward(&self, input_ids: Tensor<2, Int>, past: usize) -> Tensor<3> {
        let [rows, tokens] = input_ids.dims();
        let width = self.word_embeddings.width();
        let words = self.word_embeddings.forward(input_ids.reshape([rows * tokens]));
        let positions = self
            .position_embeddings
            .weight
            .val()
            .slice(s![past..past + tokens, ..]);
        let sum = words.reshape([rows, tokens, width]) + positions.unsqueeze();
        self.dropout.forward(self.norm.forward(sum))
    }
}

/// What a token sees of its own text.
#[derive(Debug)]
pub enum Sight<'a> {
    /// Every token: texts that are read.
    Whole,
    /// Itself and what stands before it: texts that are being learned.
    Past,
    /// The same, behind what the cache holds: texts that are being written.
    Cached(&'a mut KvCache),
}

/// Self-attention with its residual: `LayerNorm(h + dense(attend(h)))`.
#[derive(Module, Debug)]
pub struct SelfAttention {
    qkv: Linear,
    dense: Linear,
    norm: LayerNorm,
    heads: usize,
    dropout: TextDropout,
}

impl SelfAttention {
    /// A layer with fresh weights, which stay unallocated until they are read or replaced.
    pub fn new(config: &BertConfig, device: &Device) -> Self {
        let width = config.hidden_size;
        Self {
            qkv: Linear::new(width, 3 * width, device),
            dense: Linear::new(width, width, device),
            norm: LayerNorm::new(width, config.layer_norm_eps, device),
            heads: config.num_attention_heads,
            dropout: TextDropout::none(),
        }
    }

    /// The same layer with dropout while it is trained.
    pub fn with_dropout(mut self, dropout: &TextDropout) -> Self {
        self.dropout = dropout.clone();
        self
    }

    /// The same layer for inference on a CPU: see [`Linear::packed`].
    pub fn packed<'a>(self, packing: impl Into<Packing<'a>>) -> Self {
        let packing = packing.into();
        Self {
            qkv: self.qkv.packed(packing),
            dense: self.dense.packed(packing),
            ..self
        }
    }

    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - hidden, output: `[rows, tokens, hidden_size]`
    /// - hide: `[rows, 1, 1, tokens]`, true = hidden, from [`hide_mask`]
    pub fn forward(&self, hidden: Tensor<3>, hide: Option<&Tensor<4, Bool>>, sight: Sight) -> Tensor<3> {
        let [query, key, value] = split_fused(self.qkv.forward(hidden.clone()), self.heads);
        let (precision, dropout) = (self.qkv.precision(), &self.dropout.attention);
        let context = match sight {
            Sight::Whole => attend_with_dropout(query, key, value, hide, false, precision, dropout),
            Sight::Past => attend_with_dropout(query, key, value, hide, true, precision, dropout),
            Sight::Cached(cache) => {
                let (key, value) = cache.append(key, value);
                attend(query, key, value, hide, true, precision)
            }
        };
        let output = self
            .dropout
            .hidden
            .forward(self.dense.forward(merge_heads(context)));
        self.norm.forward_add(output, hidden)
    }
}

/// Attention over a context, `dense(attend(q of h, context))`, without residual and norm.
#[derive(Module, Debug)]
pub struct ContextAttention {
    query: Linear,
    key_value: Linear,
    dense: Linear,
    heads: usize,
    dropout: Dropout,
}

impl ContextAttention {
    /// A layer with fresh weights, which stay unallocated until they are read or replaced.
    pub fn new(config: &BertConfig, device: &Device) -> Self {
        let width = config.hidden_size;
        Self {
            query: Linear::new(width, width, device),
            key_value: Linear::new(config.encoder_hidden_size, 2 * width, device),
            dense: Linear::new(width, width, device),
            heads: config.num_attention_heads,
            dropout: TextDropout::none().attention,
        }
    }

    /// The same layer with dropout of its attention while it is trained.
    pub fn with_dropout(mut self, dropout: &TextDropout) -> Self {
        self.dropout = dropout.attention.clone();
        self
    }

    /// The same layer for inference on a CPU: see [`Linear::packed`].
    pub fn packed<'a>(self, packing: impl Into<Packing<'a>>) -> Self {
        let packing = packing.into();
        Self {
            query: self.query.packed(packing),
            key_value: self.key_value.packed(packing),
            dense: self.dense.packed(packing),
            ..self
        }
    }

    /// The width of the context's vectors.
    pub fn context_size(&self) -> usize {
        self.key_value.d_in()
    }

    /// Projects a context to this layer's keys and values.
    ///
    /// # Shapes
    ///
    /// - context: `[groups, tokens, encoder_hidden_size]`
    /// - hide: `[groups, 1, 1, tokens]`, true = hidden, from [`hide_mask`]
    pub fn project(&self, context: &Tensor<3>, hide: Option<&Tensor<4, Bool>>) -> CrossKeyValue {
        let fused = self.key_value.forward(context.clone());
        #[cfg(feature = "flex")]
        if self.key_value.precision() != Precision::F32
            && let Some([key, value]) = crate::cpu::keys_and_values_in_bf16(&fused, self.heads)
        {
            let hide = hide.cloned();
            return CrossKeyValue { key, value, hide };
        }
        let [groups, tokens, double] = fused.dims();
        let width = double / 2;
        let head_dim = width / self.heads;
        let part = |part: usize| {
            let part = fused.clone().slice(s![.., .., part * width..(part + 1) * width]);
            // The reshape over swapped axes copies once here, so that no step has to.
            split_heads(part, self.heads)
                .reshape([groups * self.heads, tokens, head_dim])
                .reshape([groups, self.heads, tokens, head_dim])
        };
        CrossKeyValue {
            key: part(0),
            value: part(1),
            hide: hide.cloned(),
        }
    }

    /// Applies the layer: row `r` attends the context of group `r / (rows / groups)`.
    ///
    /// # Shapes
    ///
    /// - hidden, output: `[rows, tokens, hidden_size]`; `rows` is a multiple of the context's groups
    pub fn forward(&self, hidden: Tensor<3>, context: &CrossKeyValue) -> Tensor<3> {
        let [rows, tokens, width] = hidden.dims();
        let groups = context.groups();
        let copies = rows / groups;
        // The rows of a group are folded into the query axis: [groups, heads, copies * tokens, head_dim].
        let query = self
            .query
            .forward(hidden)
            .reshape([groups, copies * tokens, width]);
        let attended = attend_with_dropout(
            split_heads(query, self.heads),
            context.key.clone(),
            context.value.clone(),
            context.hide.as_ref(),
            false,
            self.query.precision(),
            &self.dropout,
        );
        self.dense
            .forward(merge_heads(attended).reshape([rows, tokens, width]))
    }
}

/// Cross-attention with its residual: `LayerNorm(h + dense(attend(q of h, context)))`.
#[derive(Module, Debug)]
pub struct CrossAttention {
    context: ContextAttention,
    norm: LayerNorm,
    dropout: Dropout,
}

impl CrossAttention {
    fn new(config: &BertConfig, device: &Device) -> Self {
        Self {
            context: ContextAttention::new(config, device),
            norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
            dropout: TextDropout::none().hidden,
        }
    }

    /// The attention, and the norm behind it.
    pub fn into_parts(self) -> (ContextAttention, LayerNorm) {
        (self.context, self.norm)
    }

    fn with_dropout(self, dropout: &TextDropout) -> Self {
        Self {
            context: self.context.with_dropout(dropout),
            dropout: dropout.hidden.clone(),
            ..self
        }
    }

    fn forward(&self, hidden: Tensor<3>, context: &CrossKeyValue) -> Tensor<3> {
        let output = self
            .dropout
            .forward(self.context.forward(hidden.clone(), context));
        self.norm.forward_add(output, hidden)
    }
}

/// One layer: self-attention, cross-attention if a context is given, feed-forward; post-norm.
#[derive(Module, Debug)]
pub struct BertLayer {
    attention: SelfAttention,
    cross_attention: CrossAttention,
    mlp: Mlp,
    norm: LayerNorm,
    dropout: Dropout,
}

impl BertLayer {
    fn new(config: &BertConfig, device: &Device) -> Self {
        Self {
            attention: SelfAttention::new(config, device),
            cross_attention: CrossAttention::new(config, device),
            mlp: Mlp::new(config.hidden_size, config.intermediate_size, device),
            norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
            dropout: TextDropout::none().hidden,
        }
    }

    fn with_dropout(self, dropout: &TextDropout) -> Self {
        Self {
            attention: self.attention.with_dropout(dropout),
            cross_attention: self.cross_attention.with_dropout(dropout),
            dropout: dropout.hidden.clone(),
            ..self
        }
    }

    fn packed(self, packing: Packing) -> Self {
        Self {
            attention: self.attention.packed(packing),
            cross_attention: CrossAttention {
                context: self.cross_attention.context.packed(packing),
                ..self.cross_attention
            },
            mlp: self.mlp.packed(packing),
            ..self
        }
    }

    /// Self-attention, cross-attention, feed-forward part, and the norm behind that.
    pub fn into_parts(self) -> (SelfAttention, CrossAttention, Mlp, LayerNorm) {
        (self.attention, self.cross_attention, self.mlp, self.norm)
    }

    /// The same self-attention, and everything else of another layer.
    fn sharing(self, other: &Self) -> Self {
        Self {
            attention: self.attention,
            ..other.clone()
        }
    }

    fn forward(
        &self,
        hidden: Tensor<3>,
        hide: Option<&Tensor<4, Bool>>,
        sight: Sight,
        context: Option<&CrossKeyValue>,
    ) -> Tensor<3> {
        let mut hidden = self.attention.forward(hidden, hide, sight);
        if let Some(context) = context {
            hidden = self.cross_attention.forward(hidden, context);
        }
        let output = self.dropout.forward(self.mlp.forward(hidden.clone()));
        self.norm.forward_add(output, hidden)
    }
}

/// Embeddings and layers, without any head.
#[derive(Module, Debug)]
pub struct Bert {
    embeddings: BertEmbeddings,
    layers: Vec<BertLayer>,
}

impl Bert {
    /// A body with fresh weights, which stay unallocated until they are read or replaced.
    pub fn new(config: &BertConfig, device: &Device) -> Self {
        Self {
            embeddings: BertEmbeddings::new(config, device),
            layers: (0..config.num_hidden_layers)
                .map(|_| BertLayer::new(config, device))
                .collect(),
        }
    }

    /// The same body with dropout while it is trained: on an autodiff device, and nowhere else.
    pub fn with_dropout(self, dropout: &TextDropout) -> Self {
        Self {
            embeddings: self.embeddings.with_dropout(dropout),
            layers: self
                .layers
                .into_iter()
                .map(|layer| layer.with_dropout(dropout))
                .collect(),
        }
    }

    /// The same body for inference on a CPU: see [`Linear::packed`].
    pub fn packed<'a>(self, packing: impl Into<Packing<'a>>) -> Self {
        let packing = packing.into();
        let layers = self.layers.into_iter();
        Self {
            embeddings: self.embeddings.packed(packing),
            layers: layers.map(|layer| layer.packed(packing)).collect(),
        }
    }

    /// The same self-attention, and all other parameters of another body: not copies but the same parameters, until
    /// either is changed.
    ///
    /// Source: salesforce/BLIP@056a169 `models/blip_pretrain.py` `tie_encoder_decoder_weights`.
    ///
    /// # Panics
    ///
    /// If the bodies have different numbers of layers.
    pub fn sharing_all_but_self_attention(self, other: &Self) -> Self {
        assert_eq!(self.layers.len(), other.layers.len(), "bodies of one depth share");
        let layers = self.layers.into_iter().zip(&other.layers);
        Self {
            embeddings: other.embeddings.clone(),
            layers: layers.map(|(layer, other)| layer.sharing(other)).collect(),
        }
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.embeddings.device()
    }

    /// Embeddings and layers, to build another network of.
    pub fn into_parts(self) -> (BertEmbeddings, Vec<BertLayer>) {
        (self.embeddings, self.layers)
    }

    /// The part that turns ids into vectors, and checks them.
    pub fn embeddings(&self) -> &BertEmbeddings {
        &self.embeddings
    }

    /// Projects a context to the keys and values of every layer.
    ///
    /// # Shapes
    ///
    /// - context: `[groups, tokens, encoder_hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the context's width is another, or an axis is 0.
    pub fn project(&self, context: &HiddenStates) -> Result<Vec<CrossKeyValue>, ModelError> {
        check_context(context, self.context_size())?;
        let hide = context.mask().map(|mask| hide_mask(mask, &self.device()));
        let project = |layer: &BertLayer| {
            layer
                .cross_attention
                .context
                .project(context.states(), hide.as_ref())
        };
        Ok(self.layers.iter().map(project).collect())
    }

    /// The width of the context's vectors; 0 without layers.
    pub fn context_size(&self) -> usize {
        let layer = self.layers.first();
        layer.map_or(0, |layer| layer.cross_attention.context.context_size())
    }

    /// The width of a token's vector.
    pub fn hidden_size(&self) -> usize {
        self.embeddings.word_embeddings.width()
    }

    /// The number of token ids.
    pub fn vocab_size(&self) -> usize {
        self.embeddings.word_embeddings.rows()
    }

    /// Reads whole texts: every token sees every other one, and the context where one is given.
    ///
    /// # Shapes
    ///
    /// - input_ids: `[rows, tokens]`
    /// - hide: `[rows, 1, 1, tokens]`, true = hidden, from [`hide_mask`]
    /// - context: one of [`project`](Self::project) for each layer; `rows` is a multiple of its groups
    /// - output: `[rows, tokens, hidden_size]`
    pub fn forward(
        &self,
        input_ids: Tensor<2, Int>,
        hide: Option<&Tensor<4, Bool>>,
        context: Option<&[CrossKeyValue]>,
    ) -> Tensor<3> {
        let mut hidden = self.embeddings.forward(input_ids, 0);
        for (index, layer) in self.layers.iter().enumerate() {
            hidden = layer.forward(hidden, hide, Sight::Whole, context.map(|context| &context[index]));
        }
        hidden
    }

    /// Reads whole texts as they would be written: a token sees what stands before it, itself, and the context. What
    /// fills rows stands behind all of them, so that nothing has to be hidden.
    ///
    /// # Shapes
    ///
    /// - input_ids: `[rows, tokens]`
    /// - context: one for each layer; `rows` is a multiple of its groups
    /// - output: `[rows, tokens, hidden_size]`
    pub fn forward_forced(&self, input_ids: Tensor<2, Int>, context: &[CrossKeyValue]) -> Tensor<3> {
        let mut hidden = self.embeddings.forward(input_ids, 0);
        for (layer, context) in self.layers.iter().zip(context) {
            hidden = layer.forward(hidden, None, Sight::Past, Some(context));
        }
        hidden
    }

    /// Continues texts: a token sees what was written before it, itself, and the context.
    ///
    /// # Shapes
    ///
    /// - input_ids: `[rows, tokens]`, written behind what the caches hold
    /// - context, caches: one for each layer; `rows` is a multiple of the context's groups
    /// - output: `[rows, tokens, hidden_size]`
    pub fn forward_causal(
        &self,
        input_ids: Tensor<2, Int>,
        context: &[CrossKeyValue],
        caches: &mut [KvCache],
    ) -> Tensor<3> {
        let past = caches.first().map_or(0, KvCache::length);
        let mut hidden = self.embeddings.forward(input_ids, past);
        for ((layer, context), cache) in self.layers.iter().zip(context).zip(caches) {
            hidden = layer.forward(hidden, None, Sight::Cached(cache), Some(context));
        }
        hidden
    }

    /// The table of word embeddings, `[vocab_size, hidden_size]`.
    pub fn word_embeddings(&self) -> Tensor<2> {
        self.embeddings.word_embeddings.weight.val().cast(FloatDType::F32)
    }

    /// The number of attention heads; 0 without layers.
    pub fn num_attention_heads(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.attention.heads)
    }

    /// What is added to the variance in every LayerNorm.
    pub fn layer_norm_eps(&self) -> f64 {
        self.embeddings.norm.epsilon()
    }

    /// The number of layers.
    pub fn num_hidden_layers(&self) -> usize {
        self.layers.len()
    }
}

/// Checks a context before it is projected.
///
/// # Errors
///
/// [`ModelError::Shape`] if its width is not `context_size`, or an axis is 0.
pub fn check_context(context: &HiddenStates, context_size: usize) -> Result<(), ModelError> {
    let shape = context.shape();
    if shape[2] != context_size || shape.contains(&0) {
        let expected = format!("[groups, tokens, {context_size}]");
        return Err(ModelError::shape("context", expected, &shape));
    }
    Ok(())
}
