//! From a module's paths to a checkpoint's names, as data.
//!
//! ```text
//! vision.blocks.3.attn.qkv.weight                        path in the module
//! └table┘└─── rule ──────┘└rest─┘                        "blocks.*.attn.qkv" -> "layers.*.self_attn.qkv"
//! vision_model.encoder.layers.3.self_attn.qkv.weight     name in the checkpoint
//! ```

/// The names under which a checkpoint stores a module's parameters, and what else it may hold.
///
/// A path is looked up in the table whose module prefix is the longest that fits; there the most specific rule
/// (most segments, then fewest `*`) rewrites the start of the path and keeps the rest. Without a rule the path
/// goes over as it is, under the checkpoint's prefix; without a table it is the name.
///
/// ```
/// use blip_weights::KeyMap;
///
/// let keys = KeyMap::new()
///     .table("text", "text_decoder.bert", &[
///         // One fused projection here, three tensors there.
///         ("layers.*.attn.qkv", "encoder.layer.*.attention.self.{query,key,value}"),
///         ("layers.*.norm", "encoder.layer.*.output.LayerNorm"),
///     ])
///     .fallback("lm.decoder.weight", "text_decoder.bert.embeddings.word_embeddings.weight")
///     .leave_out("text_encoder_m.**", "momentum copy for training");
///
/// assert_eq!(keys.names("text.layers.7.norm.bias"), ["text_decoder.bert.encoder.layer.7.output.LayerNorm.bias"]);
/// assert_eq!(keys.names("text.layers.7.attn.qkv.bias").len(), 3);
/// assert_eq!(keys.names("itm_head.weight"), ["itm_head.weight"]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct KeyMap {
    tables: Vec<Table>,
    fallbacks: Vec<(String, String)>,
    left_out: Vec<(Vec<Segment>, &'static str)>,
}

#[derive(Debug, Clone)]
struct Table {
    module_prefix: Vec<Segment>,
    checkpoint_prefix: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    from: Vec<Segment>,
    /// One target, or several where the parameter is their concatenation.
    to: Vec<String>,
}

/// One step of a pattern, between two dots.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// `*`: any one segment.
    Any,
    /// `**`: any number of segments, none included.
    Rest,
}

impl KeyMap {
    /// The map under which every path is its name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the rules for one part of the module.
    ///
    /// A rule `(module pattern, checkpoint pattern)` matches the start of a path, at dots. `*` matches one
    /// segment and is carried over, in order. `{a,b}` on the checkpoint's side makes the parameter the
    /// concatenation of the tensors so named along the output axis, in equal parts. Either prefix and either
    /// pattern may be empty.
    ///
    /// # Panics
    ///
    /// Where a rule is none, whatever the checkpoint: another number of `*` on either side, `**`, or two `{}`.
    #[must_use]
    pub fn table(mut self, module_prefix: &str, checkpoint_prefix: &str, rules: &[(&str, &str)]) -> Self {
        self.tables.push(Table {
            module_prefix: segments(module_prefix),
            checkpoint_prefix: checkpoint_prefix.to_owned(),
            rules: rules.iter().map(|(from, to)| Rule::new(from, to)).collect(),
        });
        self
    }

    /// Where the checkpoint lacks `name`, `other` is read: a tied language model head is often stored once.
    ///
    /// Where it holds both and the module wants only one of them, the two must be equal, byte for byte.
    #[must_use]
    pub fn fallback(mut self, name: &str, other: &str) -> Self {
        self.fallbacks.push((name.to_owned(), other.to_owned()));
        self
    }

    /// Tensors that are known and not wanted, and the reason that the report gives: `text_encoder_m.**`,
    /// `**.position_ids`, `image_queue`. Here `**` stands for any number of segments, `*` for one. What the
    /// module wants is loaded even so.
    #[must_use]
    pub fn leave_out(mut self, pattern: &str, why: &'static str) -> Self {
        self.left_out.push((segments(pattern), why));
        self
    }

    /// The names of the tensors that make up the parameter at `path`: one, or those that it joins.
    pub fn names(&self, path: &str) -> Vec<String> {
        let path: Vec<&str> = path.split('.').collect();
        let table = self
            .tables
            .iter()
            .filter(|table| starts_with(&path, &table.module_prefix))
            // `max_by_key` takes the last of equals; the first table should win.
            .rev()
            .max_by_key(|table| table.module_prefix.len());
        let Some(table) = table else {
            return vec![path.join(".")];
        };
        let path = &path[table.module_prefix.len()..];
        let rule = table
            .rules
            .iter()
            .filter(|rule| starts_with(path, &rule.from))
            .rev()
            .max_by_key(|rule| {
                (
                    rule.from.len(),
                    rule.from.iter().filter(|&part| *part != Segment::Any).count(),
                )
            });
        match rule {
            None => vec![join(&[&table.checkpoint_prefix, &path.join(".")])],
            Some(rule) => {
                let rest = path[rule.from.len()..].join(".");
                rule.rewrite(path)
                    .map(|name| join(&[&table.checkpoint_prefix, &name, &rest]))
                    .collect()
            }
        }
    }

    /// The tensors to read, in order, where `name` is absent.
    pub(crate) fn fallbacks<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fallbacks
            .iter()
            .filter(move |(from, _)| from == name)
            .map(|(_, to)| to.as_str())
    }

    /// The tensors with which `name` shares a value, either way.
    pub(crate) fn ties<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let back = self
            .fallbacks
            .iter()
            .filter(move |(_, to)| to == name)
            .map(|(from, _)| from.as_str());
        self.fallbacks(name).chain(back)
    }

    /// Why `name` is left out, if it is.
    pub(crate) fn why_left_out(&self, name: &str) -> Option<&'static str> {
        let name: Vec<&str> = name.split('.').collect();
        self.left_out
            .iter()
            .find(|(pattern, _)| matches(&name, pattern))
            .map(|&(_, why)| why)
    }
}

impl Rule {
    fn new(from: &str, to: &str) -> Self {
        let from_segments = segments(from);
        let stars = |segments: &[Segment]| segments.iter().filter(|&part| *part == Segment::Any).count();
        let to = match to.split_once('{') {
            None => vec![to.to_owned()],
            Some((start, rest)) => {
                let (options, end) = rest
                    .split_once('}')
                    .unwrap_or_else(|| panic!("{to:?}: no closing brace"));
                options
                    .split(',')
                    .map(|option| format!("{start}{option}{end}"))
                    .collect()
            }
        };
        for target in &to {
            let target_segments = segments(target);
            assert!(
                !target.contains(['{', '}']),
                "{target:?}: one pair of braces is allowed"
            );
            assert!(
                ![&from_segments, &target_segments]
                    .iter()
                    .any(|part| part.contains(&Segment::Rest)),
                "{from:?} -> {target:?}: `**` is for leave_out alone"
            );
            assert_eq!(
                stars(&from_segments),
                stars(&target_segments),
                "{from:?} -> {target:?}: every `*` is carried over"
            );
        }
        Self {
            from: from_segments,
            to,
        }
    }

    /// The targets with their stars filled in from `path`, which starts with `self.from`.
    fn rewrite<'a>(&'a self, path: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
        self.to.iter().map(move |target| {
            let mut carried = path
                .iter()
                .zip(&self.from)
                .filter(|(_, part)| **part == Segment::Any)
                .map(|(segment, _)| *segment);
            let filled: Vec<&str> = target
                .split('.')
                .map(|segment| match segment {
                    "*" => carried.next().expect("a rule has as many stars on either side"),
                    segment => segment,
                })
                .collect();
            filled.join(".")
        })
    }
}

fn segments(pattern: &str) -> Vec<Segment> {
    pattern
        .split('.')
        .filter(|segment| !segment.is_empty())
        .map(|segment| match segment {
            "*" => Segment::Any,
            "**" => Segment::Rest,
            literal => Segment::Literal(literal.to_owned()),
        })
        .collect()
}

fn fits(segment: &str, pattern: &Segment) -> bool {
    match pattern {
        Segment::Literal(literal) => literal == segment,
        Segment::Any => true,
        Segment::Rest => false,
    }
}

fn starts_with(path: &[&str], pattern: &[Segment]) -> bool {
    pattern.len() <= path.len()
        && path
            .iter()
            .zip(pattern)
            .all(|(segment, part)| fits(segment, part))
}

fn matches(path: &[&str], pattern: &[Segment]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [Segment::Rest, rest @ ..] => (0..=path.len()).any(|skip| matches(&path[skip..], rest)),
        [part, rest @ ..] => path
            .split_first()
            .is_some_and(|(first, path)| fits(first, part) && matches(path, rest)),
    }
}

/// Joins what is not empty with dots.
fn join(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_rule_wins_whatever_the_order() {
        let keys = KeyMap::new().table(
            "",
            "m",
            &[
                ("blocks", "layers"),
                ("blocks.*.attn", "layers.*.self_attn"),
                ("blocks.*.attn.proj", "layers.*.self_attn.projection"),
                ("blocks.0.attn", "first"),
            ],
        );
        assert_eq!(
            keys.names("blocks.1.attn.proj.bias"),
            ["m.layers.1.self_attn.projection.bias"]
        );
        assert_eq!(
            keys.names("blocks.1.attn.qkv.bias"),
            ["m.layers.1.self_attn.qkv.bias"]
        );
        assert_eq!(keys.names("blocks.0.attn.qkv.bias"), ["m.first.qkv.bias"]);
        assert_eq!(keys.names("blocks.1.norm1.bias"), ["m.layers.1.norm1.bias"]);
        // At dots, not inside a segment.
        assert_eq!(keys.names("blocksy.0"), ["m.blocksy.0"]);
    }

    #[test]
    fn the_longest_module_prefix_decides_the_table() {
        let keys = KeyMap::new()
            .table("", "all", &[])
            .table("text.encoder", "", &[("norm", "LayerNorm")]);
        assert_eq!(keys.names("text.encoder.norm.weight"), ["LayerNorm.weight"]);
        assert_eq!(keys.names("text.norm.weight"), ["all.text.norm.weight"]);
    }

    #[test]
    fn braces_join_and_several_stars_keep_their_order() {
        let keys = KeyMap::new().table("", "", &[("a.*.b.*.kv", "*.{key,value}.*")]);
        assert_eq!(
            keys.names("a.1.b.2.kv.weight"),
            ["1.key.2.weight", "1.value.2.weight"]
        );
    }

    #[test]
    fn an_empty_side_adds_or_takes_off_a_level() {
        let keys = KeyMap::new()
            .table("", "", &[("inner", "")])
            .table("x", "", &[("", "deep")]);
        assert_eq!(keys.names("inner.weight"), ["weight"]);
        assert_eq!(keys.names("x.weight"), ["deep.weight"]);
    }

    #[test]
    fn left_out_patterns_match_whole_names() {
        let keys = KeyMap::new()
            .leave_out("text_encoder_m.**", "momentum")
            .leave_out("**.position_ids", "constant")
            .leave_out("*.queue", "queue");
        assert_eq!(keys.why_left_out("text_encoder_m.a.b"), Some("momentum"));
        assert_eq!(keys.why_left_out("a.b.position_ids"), Some("constant"));
        assert_eq!(keys.why_left_out("position_ids"), Some("constant"));
        assert_eq!(keys.why_left_out("image.queue"), Some("queue"));
        assert_eq!(keys.why_left_out("a.image.queue"), None);
        assert_eq!(keys.why_left_out("text_encoder.a"), None);
    }

    #[test]
    #[should_panic(expected = "every `*` is carried over")]
    fn a_rule_that_drops_an_index_is_none() {
        let _ = KeyMap::new().table("", "", &[("blocks.*", "layers")]);
    }
}
