"""The logits processors and warpers of a transformers version on seeded scores, for both generators."""

import toy_model


def processor_cases(module, torch, transformers5):
    """Scores before, settings, and scores (processors) or probabilities (warpers) after; -inf as null."""
    eos = torch.tensor([toy_model.EOS]) if transformers5 else toy_model.EOS
    words = [[3], [4, 5], [5, 6, 7], [9, 1]]
    settings = [
        ({"repetition_penalty": 1.1}, [1, 5, 6, 5]),
        ({"repetition_penalty": 0.7}, [1, 5, 6, 5, 11]),
        ({"no_repeat_ngram_size": 1}, [1, 5, 6]),
        ({"no_repeat_ngram_size": 2}, [1, 5, 6, 5, 8, 5]),
        ({"no_repeat_ngram_size": 3}, [1, 5, 6, 9, 1, 5, 6, 1, 5]),
        ({"no_repeat_ngram_size": 3}, [1, 1]),
        ({"no_repeat_ngram_size": 3}, [1, 1, 1]),
        ({"bad_words_ids": words}, [1, 4]),
        ({"bad_words_ids": words}, [5, 6]),
        ({"bad_words_ids": words}, [6]),
        ({"min_length": 4}, [1, 5, 6]),
        ({"min_length": 4}, [1, 5, 6, 7]),
        (
            {"repetition_penalty": 1.1, "no_repeat_ngram_size": 2, "bad_words_ids": words, "min_length": 9},
            [1, 4, 8, 1, 4],
        ),
    ]
    warpings = [
        {"temperature": 0.7},
        {"temperature": 2.5},
        {"top_k": 1},
        {"top_k": 5},
        {"top_k": 100},
        {"top_p": 0.3},
        {"top_p": 0.9},
        {"top_p": 0.0001},
        {"temperature": 0.5, "top_k": 4, "top_p": 0.6},
        {"temperature": 1.5, "top_k": 10, "top_p": 0.95},
    ]
    results = []
    for index, (setting, ids) in enumerate(settings):
        scores = torch.tensor([toy_model.logits(300 + index, 0, ids)])
        processors = module.LogitsProcessorList()
        if "repetition_penalty" in setting:
            processors.append(module.RepetitionPenaltyLogitsProcessor(setting["repetition_penalty"]))
        if "no_repeat_ngram_size" in setting:
            processors.append(module.NoRepeatNGramLogitsProcessor(setting["no_repeat_ngram_size"]))
        if "bad_words_ids" in setting:
            processors.append(module.NoBadWordsLogitsProcessor(setting["bad_words_ids"], eos))
        if "min_length" in setting:
            processors.append(module.MinLengthLogitsProcessor(setting["min_length"], eos))
        after = processors(torch.tensor([ids]), scores.clone())[0].tolist()
        after = [None if value == float("-inf") else value for value in after]
        results.append({"seed": 300 + index, "ids": ids, "config": setting, "scores": after})
    for index, warping in enumerate(warpings):
        ids = [1, 5]
        scores = torch.tensor([toy_model.logits(400 + index, 0, ids)])
        processors = module.LogitsProcessorList()
        if "temperature" in warping:
            processors.append(module.TemperatureLogitsWarper(warping["temperature"]))
        if "top_k" in warping:
            processors.append(module.TopKLogitsWarper(warping["top_k"]))
        if "top_p" in warping:
            processors.append(module.TopPLogitsWarper(warping["top_p"]))
        after = torch.softmax(processors(torch.tensor([ids]), scores.clone()), dim=-1)[0].tolist()
        results.append({"seed": 400 + index, "ids": ids, "config": warping, "probabilities": after})
    return results
