"""A toy language model and the configurations that the generation goldens are made with.

The logits of the next token are a hash of (seed, context id, token prefix), so the Rust tests compute the very same
numbers and nothing but the results has to be stored. Every logit is a multiple of 2^-17 below 8: exact in f32.
"""

MASK = (1 << 64) - 1
VOCAB_SIZE = 24
PAD, EOS = 0, 2
CONTEXTS = [0, 1, 2]


def mix(z):
    """The finaliser of SplitMix64."""
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def logits(seed, context, prefix):
    """`VOCAB_SIZE` logits in [-4, 4); the end token stands 1.5 higher."""
    state = mix(mix(seed) ^ context)
    for token in prefix:
        state = mix(state ^ token)
    row = [(mix(state ^ (token << 32)) >> 44) / 2.0**17 - 4.0 for token in range(VOCAB_SIZE)]
    row[EOS] += 1.5
    return row


def cases(never):
    """The configurations; `never` adds `early_stopping="never"`, which transformers 4.15 does not have."""
    variations = [
        {},
        {"min_length": 7},
        {"max_length": 7},
        {"repetition_penalty": 1.1},
        {"repetition_penalty": 1.5, "min_length": 5},
        {"length_penalty": 0.5},
        {"length_penalty": 2.0},
        {"length_penalty": -1.0, "min_length": 6},
        {"no_repeat_ngram_size": 2, "min_length": 9},
        {"no_repeat_ngram_size": 1},
        {"bad_words_ids": [[3], [4, 5], [7, 8, 9]], "min_length": 6},
        {"early_stopping": True},
        {"early_stopping": True, "length_penalty": 2.0, "min_length": 5},
        {
            "repetition_penalty": 1.1,
            "no_repeat_ngram_size": 2,
            "bad_words_ids": [[3], [4, 5]],
            "min_length": 6,
            "max_length": 11,
            "length_penalty": 0.5,
        },
        {"num_return_sequences": "all", "min_length": 5},
    ]
    if never:
        variations += [
            {"early_stopping": "never"},
            {"early_stopping": "never", "length_penalty": 2.0, "min_length": 5},
        ]
    for num_beams in (1, 3, 5):
        for prompt in ([1], [1, 5, 6, 7]):
            for index, variation in enumerate(variations):
                beam_only = {"length_penalty", "early_stopping", "num_return_sequences"}
                if num_beams == 1 and beam_only & variation.keys():
                    continue
                for seed in (100 + index, 200 + index):
                    case = {"num_beams": num_beams, "max_length": 14, "num_return_sequences": 1, **variation}
                    if case["num_return_sequences"] == "all":
                        case["num_return_sequences"] = num_beams
                    yield {"seed": seed, "prompt": prompt, "config": case}


def strip(row):
    """A row up to its first end token after the first token, without padding."""
    for position in range(1, len(row)):
        if row[position] == EOS:
            return row[: position + 1]
    return row
