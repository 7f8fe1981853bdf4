"""Makes the goldens of transformers' BLIP: tiny seeded captioning models and what transformers computes with them.

    pip install torch==2.14.1 torchvision==0.29.2 transformers==5.23.0
    python make_hugging_face.py [--out FOLDER]

Writes beside itself, or into FOLDER:
  picture_0.png …   the three pictures that are captioned
  hf_caption/       a model as `save_pretrained` lays it out (config.json, model.safetensors, …)
  hf_caption_bin/   the same weights as the oldest published repositories have them: pytorch_model.bin, with the
                    position_ids buffers and both names of the tied tensors, and their config.json
  hf_wide/          other sizes, in shards, with a config.json that leaves out what equals a default
  hf_caption.safetensors, hf_wide.safetensors   the recorded values
README.md beside this file names every tensor. Running it twice gives the same bytes.
"""

import argparse
import json
import pathlib
import shutil
import warnings

import torch
import transformers
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

import golden

IDS = {
    "vocab_size": golden.VOCAB_SIZE,
    "bos_token_id": golden.DEC,
    "sep_token_id": golden.SEP,
    "pad_token_id": golden.PAD,
}
CAPTION = BlipConfig(
    vision_config={
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 32,
        "patch_size": 8,
    },
    text_config={
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        **IDS,
    },
)
# The heads are left to the defaults, 12 and 8, and the decoder's encoder_hidden_size to the vision's width.
WIDE = {
    "architectures": ["BlipForConditionalGeneration"],
    "model_type": "blip",
    "vision_config": {
        "model_type": "blip_vision_model",
        "hidden_size": 96,
        "intermediate_size": 160,
        "num_hidden_layers": 2,
        "image_size": 32,
        "patch_size": 4,
    },
    "text_config": {
        "model_type": "blip_text_model",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "max_position_embeddings": 40,
        **IDS,
    },
}
SEEDS = {"hf_caption": 30, "hf_wide": 5}
SAMPLES = 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    out = parser.parse_args().out
    golden.setup()
    warnings.filterwarnings("ignore", category=UserWarning)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    versions = golden.versions(transformers=transformers.__version__)

    golden.write_pictures(out)
    model = golden.seed_weights(BlipForConditionalGeneration(CAPTION), SEEDS["hf_caption"], sep_bias=5.0)
    processor = BlipImageProcessorPil(size={"height": 32, "width": 32})
    write_caption(out / "hf_caption", model, processor)
    write_bin(out / "hf_caption_bin", model, processor)
    record(model, processor, golden.Golden(versions, model="hf_caption")).save(out / "hf_caption.safetensors")

    model = BlipForConditionalGeneration(BlipConfig(**WIDE))
    model = golden.seed_weights(model, SEEDS["hf_wide"], sep_bias=5.0)
    write_wide(out / "hf_wide", model, processor)
    record(model, processor, golden.Golden(versions, model="hf_wide"), brief=True).save(out / "hf_wide.safetensors")


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    golden.write_vocab(folder)


def reloads(folder, model):
    """What was written is what the recorded values come from."""
    again = BlipForConditionalGeneration.from_pretrained(folder).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())


def write_caption(folder, model, processor):
    fresh(folder)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    reloads(folder, model)


def write_bin(folder, model, processor):
    fresh(folder)
    config = model.config.to_dict()
    for text_only in ("encoder_hidden_size", "label_smoothing"):
        del config["text_config"][text_only]
    config["torch_dtype"] = config.pop("dtype", "float32")
    config["transformers_version"] = "4.26.0.dev0"
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    processor.save_pretrained(folder)
    positions = torch.arange(model.config.text_config.max_position_embeddings)[None]
    state = {**model.state_dict(), "text_decoder.bert.embeddings.position_ids": positions}
    torch.save(state, folder / "pytorch_model.bin")
    reloads(folder, model)


def write_wide(folder, model, processor):
    fresh(folder)
    model.save_pretrained(folder, max_shard_size="300KB")
    (folder / "config.json").write_text(json.dumps(WIDE, indent=2) + "\n")
    (folder / "generation_config.json").unlink()
    processor.save_pretrained(folder)
    reloads(folder, model)


def record(model, processor, values, brief=False):
    """All recorded values of one model; `brief` leaves out most ways to generate."""
    tokenizer = BertTokenizer(vocab=dict(zip(golden.VOCAB, range(len(golden.VOCAB)))))
    pictures = golden.pictures()
    pixels = processor(list(pictures), return_tensors="pt").pixel_values
    values.add("pixel_values", pixels)
    record_vision(model, values, "vision", pixels)
    record_decoder(model, values, pixels[:2])

    def case(name, pixel_name="pixel_values", prompt=None, **settings):
        generate(model, tokenizer, values, name, pixel_name, prompt, settings)

    case("greedy", max_length=20)
    case("beam_3", num_beams=3, max_length=20)
    if brief:
        return values
    case("greedy_prompt_default_length", prompt=golden.PROMPT)
    case("greedy_prompt", prompt=golden.PROMPT, max_length=20)
    case("greedy_repetition_penalty", repetition_penalty=1.3, max_length=20)
    case("greedy_min_length", min_length=9, max_length=20)
    case("beam_1", num_beams=1, max_length=20)
    case("beam_3_prompt", prompt=golden.PROMPT, num_beams=3, max_length=20)
    case("beam_3_short", num_beams=3, max_length=12, min_length=6)
    case("beam_3_early_stopping", num_beams=3, max_length=20, early_stopping=True)
    case("beam_3_repetition_penalty", num_beams=3, max_length=20, repetition_penalty=1.3)
    case("beam_3_length_penalty_low", num_beams=3, max_length=20, length_penalty=0.5)
    case("beam_3_length_penalty_high", num_beams=3, max_length=20, length_penalty=2.0)
    case("beam_3_no_repeat_ngram", num_beams=3, max_length=20, no_repeat_ngram_size=2)
    greedy = golden.rows(values.tensors["greedy.ids"], 1)
    case("beam_3_bad_words", num_beams=3, max_length=20, bad_words_ids=[[greedy[0][1]], greedy[1][2:4]])
    case("beam_5", num_beams=5, max_length=20)
    case("beam_5_return_3", num_beams=5, max_length=20, num_return_sequences=3)

    settings = {"temperature": 1.2, "top_k": 20, "top_p": 0.9, "repetition_penalty": 1.2, "max_length": 20}
    golden.record_samples(
        values,
        model.text_decoder.cls,
        prompt_length=1,
        seed=SAMPLES,
        settings=settings,
        sample=lambda: model.generate(
            pixel_values=pixels, do_sample=True, return_dict_in_generate=True, output_scores=True, **settings
        ),
    )

    # Three sizes that are not the trained one: larger, not square, and not square with as many patches as before.
    for height, width in ((48, 48), (32, 48), (16, 64)):
        name = f"interpolate_{height}x{width}"
        sized = BlipImageProcessorPil(size={"height": height, "width": width})
        values.add(f"{name}.pixel_values", sized(list(pictures[:2]), return_tensors="pt").pixel_values)
        record_vision(model, values, name, values.tensors[f"{name}.pixel_values"], interpolate_pos_encoding=True)
        case(f"{name}_greedy", f"{name}.pixel_values", max_length=20, interpolate_pos_encoding=True)
    return values


def record_vision(model, values, name, pixels, **flags):
    output = model.vision_model(pixels, output_hidden_states=True, **flags)
    for index, hidden in enumerate(output.hidden_states):
        values.add(f"{name}.hidden_states.{index}", hidden)
    values.add(f"{name}.last_hidden_state", output.last_hidden_state)


def record_decoder(model, values, pixels):
    ids = golden.teacher_forced(seed=11)
    whole = model(pixel_values=pixels, input_ids=ids)
    past, steps = None, []
    # A prompt of four tokens at once and then one token at a time, on the cache.
    for start, end in [(0, 4)] + [(at, at + 1) for at in range(4, ids.shape[1])]:
        output = model.text_decoder(
            input_ids=ids[:, start:end],
            attention_mask=torch.ones(len(ids), end, dtype=torch.int64),
            encoder_hidden_states=whole.image_embeds,
            past_key_values=past,
            use_cache=True,
        )
        past = output.past_key_values
        steps.append(output.logits)
    cached = torch.cat(steps, dim=1)
    assert torch.allclose(whole.logits, cached, atol=1e-4), (whole.logits - cached).abs().max()
    values.add("decoder.input_ids", ids)
    values.add("decoder.logits", whole.logits)
    values.add("decoder.logits_cached", cached)
    wide = model.double()(pixel_values=pixels.double(), input_ids=ids).logits
    model.float()
    values.metadata["rounding"] = f"{(whole.logits - wide).abs().max().item():.1e}"


def generate(model, tokenizer, values, name, pixel_name, prompt, settings):
    """Runs and records one call of `generate`, after proving that it does not hang on a rounding error."""
    pixels = values.tensors[pixel_name]
    prompt_ids = golden.PROMPT_IDS if prompt else [golden.DEC]

    def run(pixels):
        # As the processor gives it: [CLS] … [SEP]. The model turns the first into [DEC] and drops the last.
        text = tokenizer([prompt] * len(pixels), return_tensors="pt").input_ids if prompt else None
        return model.generate(
            pixel_values=pixels, input_ids=text, return_dict_in_generate=True, output_scores=True, **settings
        )

    output = run(pixels)
    ids, found = output.sequences, golden.rows(output.sequences, len(prompt_ids))
    alone = [row for one in pixels for row in golden.rows(run(one[None]).sequences, len(prompt_ids))]
    assert found == alone, f"{name}: a batch differs from its rows: {found} {alone}"
    for seed in range(4):
        with golden.noise(model.text_decoder.cls, seed):
            shaken = golden.rows(run(pixels).sequences, len(prompt_ids))
        assert found == shaken, f"{name}: not robust: {found} {shaken}"
    assert all(row[: len(prompt_ids)] == prompt_ids for row in found)

    copies = settings.get("num_return_sequences", 1)
    flags = {flag: on for flag, on in settings.items() if flag == "interpolate_pos_encoding"}
    logits = model(pixel_values=pixels.repeat_interleave(copies, 0), input_ids=ids[:, :-1], **flags).logits
    values.case(
        name,
        ids,
        [tokenizer.decode(row, skip_special_tokens=True) for row in found],
        golden.token_log_probs(logits, ids, len(prompt_ids)),
        output.get("sequences_scores"),
        pixels=pixel_name,
        prompt=prompt,
        prompt_ids=prompt_ids,
        settings=settings,
    )


if __name__ == "__main__":
    main()
