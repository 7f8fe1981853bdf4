"""Makes the goldens of transformers' BLIP beyond captions: tiny seeded models for questions and for matching.

    pip install torch==2.14.1 torchvision==0.29.2 transformers==5.23.0
    python make_hugging_face_tasks.py [--out FOLDER]

Writes beside itself, or into FOLDER:
  hf_vqa/   a BlipForQuestionAnswering as `save_pretrained` lays it out
  hf_itm/   a BlipForImageTextRetrieval
  hf_vqa.safetensors, hf_itm.safetensors   the recorded values
README.md beside this file names every tensor. Running it twice gives the same bytes.
"""

import argparse
import contextlib
import copy
import pathlib
import warnings

import torch
import transformers
from transformers import BertTokenizer, BlipForImageTextRetrieval, BlipForQuestionAnswering
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

import golden
import make_hugging_face

TOKENIZER = BertTokenizer(vocab=dict(zip(golden.VOCAB, range(len(golden.VOCAB)))))
SEEDS = {"hf_vqa": 90, "hf_itm": 5}
# The width of what picture and text are compared in.
SHARED_WIDTH = 24
QUESTIONS = ["is it snow?", "who is riding the brown horse near the river?", "are there two dogs or cats?"]
TEXTS = [
    "snow",
    "a photo of a small boat on the lake",
    "Two Dogs, sleeping on the Beach!",
    "a man with an umbrella next to a red car - and a cat",
]
BEAM_3 = {"num_beams": 3, "max_length": 10}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    out = parser.parse_args().out
    golden.setup()
    warnings.filterwarnings("ignore", category=UserWarning)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    versions = golden.versions(transformers=transformers.__version__)

    processor = BlipImageProcessorPil(size={"height": 32, "width": 32})
    model = answerer(SEEDS["hf_vqa"])
    write(out / "hf_vqa", model, processor)
    record_answers(model, processor, golden.Golden(versions, model="hf_vqa")).save(out / "hf_vqa.safetensors")

    model = matcher(SEEDS["hf_itm"])
    write(out / "hf_itm", model, processor)
    record_matches(model, processor, golden.Golden(versions, model="hf_itm")).save(out / "hf_itm.safetensors")


def answerer(seed):
    model = BlipForQuestionAnswering(copy.deepcopy(make_hugging_face.CAPTION))
    return golden.seed_weights(model, seed, sep_bias=5.0)


def matcher(seed):
    config = copy.deepcopy(make_hugging_face.CAPTION)
    config.image_text_hidden_size = SHARED_WIDTH
    return golden.seed_weights(BlipForImageTextRetrieval(config), seed, sep_bias=0.0)


def write(folder, model, processor):
    make_hugging_face.fresh(folder)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    again = type(model).from_pretrained(folder).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())


def tokenize(texts):
    """As BlipProcessor asks for it: padded to the longest, [CLS] first, and no token types."""
    return TOKENIZER(texts, padding=True, return_token_type_ids=False, return_tensors="pt")


def record_answers(model, processor, values):
    """One question about each of three pictures, as a batch and one by one."""
    pixels = processor(list(golden.pictures()), return_tensors="pt").pixel_values
    text = tokenize(QUESTIONS)
    assert len(set(text.attention_mask.sum(1).tolist())) == len(QUESTIONS), "the questions are to differ in length"
    values.metadata["questions"] = QUESTIONS
    values.add("pixel_values", pixels)
    values.add("question.input_ids", text.input_ids)
    values.add("question.attention_mask", text.attention_mask)
    image = model.vision_model(pixels).last_hidden_state
    values.add("image.last_hidden_state", image)
    states = question_states(model, text, pixels)
    values.add("question.hidden_states", states)
    for index, length in enumerate(text.attention_mask.sum(1)):
        one = tokenize([QUESTIONS[index]])
        alone = question_states(model, one, pixels[index : index + 1])
        golden.assert_close(states[index, :length], alone[0], "a question alone")
    wide = question_states(model.double(), text, pixels.double())
    values.metadata["rounding"] = f"{(states - wide).abs().max().item():.1e}"
    model.float()

    answer(model, values, "greedy", [0, 1, 2])
    answer(model, values, "beam_3", [0, 1, 2], **BEAM_3)
    answer(model, values, "beam_3_return_3", [0, 1, 2], **BEAM_3, num_return_sequences=3)
    for index in range(len(QUESTIONS)):
        answer(model, values, f"alone_{index}_beam_3", [index], **BEAM_3)
    with cross_attention_masks(model):
        answer(model, values, "masked_beam_3", [0, 1, 2], masked=True, **BEAM_3)

    kept, ones = (
        decode(model, values.tensors["beam_3.ids"], states, mask)
        for mask in (text.attention_mask, torch.ones_like(text.attention_mask))
    )
    assert torch.equal(kept, ones), "this transformers no longer drops the mask"
    batch, masked = (golden.rows(values.tensors[f"{name}.ids"], 1) for name in ("beam_3", "masked_beam_3"))
    alone = [golden.rows(values.tensors[f"alone_{index}_beam_3.ids"], 1)[0] for index in range(len(QUESTIONS))]
    assert masked == alone, f"masked, a batch differs from its rows: {masked} {alone}"
    assert batch != alone, f"padding is to matter where it is not masked: {batch}"
    return values


def question_states(model, text, pixels):
    """What the class gives to its decoder: `generate` up to there."""
    image = model.vision_model(pixels).last_hidden_state
    return model.text_encoder(
        input_ids=text.input_ids,
        attention_mask=text.attention_mask,
        encoder_hidden_states=image,
        encoder_attention_mask=torch.ones(image.shape[:-1], dtype=torch.int64),
    ).last_hidden_state


def decode(model, ids, states, mask):
    return model.text_decoder(input_ids=ids, encoder_hidden_states=states, encoder_attention_mask=mask).logits


@contextlib.contextmanager
def cross_attention_masks(model):
    """Lets the decoder's cross-attention see its mask.

    transformers 5.23 drops it: BlipTextAttention hands it on as `attention_mask`, where a BlipTextSelfAttention that
    crosses reads `encoder_attention_mask`. Nothing else says what a masked question's answer is.
    """

    def hand_over(_module, arguments, settings):
        return arguments, {**settings, "encoder_attention_mask": settings["attention_mask"]}

    hooks = [
        layer.crossattention.self.register_forward_pre_hook(hand_over, with_kwargs=True)
        for layer in model.text_decoder.bert.encoder.layer
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def answer(model, values, name, questions, masked=False, **settings):
    """Runs and records one call of `generate`, after proving that it does not hang on a rounding error.

    The class lets the decoder attend to the padding of shorter questions. `masked` calls the decoder as the class
    does, but with the mask of the question.
    """
    pixels = values.tensors["pixel_values"][questions]
    text = tokenize([QUESTIONS[index] for index in questions])
    states = question_states(model, text, pixels)
    mask = text.attention_mask if masked else torch.ones(states.shape[:-1], dtype=torch.int64)
    flags = {"return_dict_in_generate": True, "output_scores": True, **settings}

    def run():
        if not masked:
            return model.generate(pixel_values=pixels, **text, **flags)
        return model.text_decoder.generate(
            input_ids=torch.full((len(states), 1), golden.DEC),
            eos_token_id=golden.SEP,
            pad_token_id=golden.PAD,
            encoder_hidden_states=states,
            encoder_attention_mask=mask,
            **flags,
        )

    output = run()
    ids, found = output.sequences, golden.rows(output.sequences, 1)
    for seed in range(4):
        with golden.noise(model.text_decoder.cls, seed):
            shaken = golden.rows(run().sequences, 1)
        assert found == shaken, f"{name}: not robust: {found} {shaken}"
    assert all(row[0] == golden.DEC for row in found)

    copies = settings.get("num_return_sequences", 1)
    logits = decode(model, ids[:, :-1], states.repeat_interleave(copies, 0), mask.repeat_interleave(copies, 0))
    log_probs, scores = golden.token_log_probs(logits, ids, 1), output.get("sequences_scores")
    if scores is not None:
        # [DEC] does not count, [SEP] does.
        lengths = torch.tensor([len(row) - 1 for row in found])
        golden.assert_close(log_probs.sum(1) / lengths, scores, f"{name}: the score")
    values.case(
        name,
        ids,
        [TOKENIZER.decode(row, skip_special_tokens=True) for row in found],
        log_probs,
        scores,
        pixels="pixel_values",
        questions=questions,
        masked=masked,
        prompt=None,
        prompt_ids=[golden.DEC],
        settings=settings,
    )


def record_matches(model, processor, values):
    """Each of three pictures with each of four texts."""
    pixels = processor(list(golden.pictures()), return_tensors="pt").pixel_values
    text = tokenize(TEXTS)
    assert len(set(text.attention_mask.sum(1).tolist())) == len(TEXTS), "the texts are to differ in length"
    values.metadata["texts"] = TEXTS
    values.add("pixel_values", pixels)
    values.add("text.input_ids", text.input_ids)
    values.add("text.attention_mask", text.attention_mask)

    itc = model(pixel_values=pixels, **text, use_itm_head=False)
    values.add("image.last_hidden_state", itc.last_hidden_state)
    values.add("text.hidden_states", itc.question_embeds)
    values.add("itc.similarity", itc.itm_score)
    image_features = torch.nn.functional.normalize(model.vision_proj(itc.last_hidden_state[:, 0]), dim=-1)
    text_features = torch.nn.functional.normalize(model.text_proj(itc.question_embeds[:, 0]), dim=-1)
    golden.assert_close(image_features @ text_features.T, itc.itm_score, "the features")
    values.add("image_features", image_features)
    values.add("text_features", text_features)

    def match(pixels, text):
        # The class wants as many pictures as texts.
        pairs = [model(pixel_values=one.expand(len(text.input_ids), -1, -1, -1), **text) for one in pixels]
        return torch.stack([pair.question_embeds for pair in pairs]), torch.stack([pair.itm_score for pair in pairs])

    hidden, logits = match(pixels, text)
    values.add("multimodal.hidden_states", hidden)
    values.add("itm.logits", logits)
    for index, length in enumerate(text.attention_mask.sum(1)):
        one = tokenize([TEXTS[index]])
        hidden_alone, logits_alone = match(pixels, one)
        golden.assert_close(hidden[:, index, :length], hidden_alone[:, 0], "a text alone")
        golden.assert_close(logits[:, index], logits_alone[:, 0], "a text alone")
        alone = model(pixel_values=pixels, **one, use_itm_head=False)
        golden.assert_close(itc.itm_score[:, index], alone.itm_score[:, 0], "a text alone")
    model.double()
    values.metadata["rounding"] = f"{(logits - match(pixels.double(), text)[1]).abs().max().item():.1e}"
    model.float()
    golden.assert_varied(logits, "itm.logits")
    golden.assert_varied(itc.itm_score, "itc.similarity")
    return values


if __name__ == "__main__":
    main()
