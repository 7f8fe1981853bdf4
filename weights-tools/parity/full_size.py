"""Compares this project with a reference at full size: what it computes with a checkpoint, and how near we are.

    weights-tools random --task caption --preset base --layout huggingface --out base
    weights-tools record base picture.png --out ours.safetensors
    python full_size.py base picture.png --ours ours.safetensors [--out reference.safetensors]

    weights-tools random --task caption --preset base --layout salesforce --out base.pth
    weights-tools record base.pth picture.png --out ours.safetensors
    python full_size.py base.pth picture.png --blip BLIP --transformers transformers-4.15.0 --timm timm-0.4.12 \\
        --vocab vocab.txt --ours ours.safetensors

A folder runs in transformers 5.23.0. A `.pth` file runs in the original, salesforce/BLIP@056a169, with transformers
4.15.0 and timm 0.4.12: `crates/blip-core/tests/goldens/make_salesforce.py` says how to get them; `--vocab` is
bert-base-uncased's vocab.txt. The task is told by config.json or by the names of the tensors:

  caption   logits of a text, greedy_ids and beam3_ids of at most 20 tokens and at least 5
  vqa       question_states, greedy_ids and beam3_ids of at most 10 tokens; in the original rank_scores of a list
  itm       image_features, text_features, itc_similarity, itm_cls; in the original also itm_enc, text_embeds and
            multimodal_embeds
  nlvr      logits of a sentence about IMAGE and --second (the original alone)

and for each of them pixel_values and image_embeds. The texts stand below and in `weights-tools/src/record.rs`.

Prints a table of the greatest absolute differences, and leaves with status 1 where one is beyond the tolerance or
where ids differ: but for greedy ids that part where the reference's own best two logits are within the tolerance.
"""

import argparse
import json
import pathlib
import sys

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

DEC, SEP, ENC = 30522, 102, 30523
# "a picture of a woman sitting on the beach with her dog"
CAPTION = [DEC, 1037, 3861, 1997, 1037, 2450, 3564, 2006, 1996, 3509, 2007, 2014, 3899]
LENGTHS = {"caption": {"max_length": 20, "min_length": 5}, "vqa": {"max_length": 10, "min_length": 1}}
QUESTION = "how many dogs are in the picture?"
ANSWERS = ["yes", "no", "two dogs", "two", "on the beach", "an astronaut"]
TEXTS = ["a woman sitting on the beach with her dog", "an astronaut", "a cup of coffee on a wooden table"]
SENTENCE = "both pictures show an animal."


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path, help="a folder in Hugging Face layout or an original .pth file")
    parser.add_argument("image", type=pathlib.Path)
    parser.add_argument("--second", type=pathlib.Path, help="the second picture, for nlvr; default: the first again")
    parser.add_argument("--out", type=pathlib.Path, help="where to write what the reference computes (.safetensors)")
    parser.add_argument("--ours", type=pathlib.Path, help="what this project computes (.safetensors)")
    parser.add_argument("--tolerance", type=float, default=2e-3)
    original = parser.add_argument_group("for a .pth file")
    for name in ("--blip", "--transformers", "--timm", "--vocab"):
        original.add_argument(name, type=pathlib.Path)
    arguments = parser.parse_args()
    needed = (arguments.blip, arguments.transformers, arguments.timm, arguments.vocab)
    if arguments.model.is_file() and None in needed:
        parser.error("a .pth file needs --blip, --transformers, --timm and --vocab")

    torch.set_grad_enabled(False)
    reference = hugging_face if arguments.model.is_dir() else salesforce
    theirs = {name: tensor.contiguous() for name, tensor in reference(arguments).items()}
    if arguments.out:
        save_file(theirs, arguments.out)
    if arguments.ours and not agree(theirs, load_file(arguments.ours), arguments.tolerance):
        sys.exit(1)


def opened(path):
    return Image.open(path).convert("RGB")


# transformers


def hugging_face(arguments):
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    processor = BlipImageProcessorPil.from_pretrained(arguments.model)
    pixels = processor(opened(arguments.image), return_tensors="pt").pixel_values
    name = json.loads((arguments.model / "config.json").read_text())["architectures"][0]
    tasks = {
        "BlipForConditionalGeneration": hugging_face_caption,
        "BlipForQuestionAnswering": hugging_face_vqa,
        "BlipForImageTextRetrieval": hugging_face_itm,
    }
    import transformers

    model = getattr(transformers, name).from_pretrained(arguments.model, dtype=torch.float32).eval()
    tokenizer = transformers.BertTokenizer(vocab=str(arguments.model / "vocab.txt"))
    image_embeds = model.vision_model(pixels).last_hidden_state
    return {"pixel_values": pixels, "image_embeds": image_embeds, **tasks[name](model, tokenizer, pixels)}


def hugging_face_caption(model, _tokenizer, pixels):
    def generate(num_beams):
        return model.generate(pixel_values=pixels, num_beams=num_beams, **LENGTHS["caption"])[0]

    def next_logits(ids):
        return model(pixel_values=pixels, input_ids=ids).logits[0]

    return {"logits": next_logits(torch.tensor([CAPTION])), **generated("caption", generate, next_logits)}


def hugging_face_vqa(model, tokenizer, pixels):
    question = tokenizer(QUESTION, return_tensors="pt").input_ids
    image_embeds = model.vision_model(pixels).last_hidden_state
    states = model.text_encoder(input_ids=question, encoder_hidden_states=image_embeds).last_hidden_state

    def generate(num_beams):
        return model.generate(input_ids=question, pixel_values=pixels, num_beams=num_beams, **LENGTHS["vqa"])[0]

    def next_logits(ids):
        return model.text_decoder(input_ids=ids, encoder_hidden_states=states).logits[0]

    return {"question_states": states, **generated("vqa", generate, next_logits)}


def hugging_face_itm(model, tokenizer, pixels):
    similarities, logits, features = [], [], []
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt").input_ids
        similarities.append(model(input_ids=ids, pixel_values=pixels, use_itm_head=False).itm_score[0, 0])
        logits.append(model(input_ids=ids, pixel_values=pixels).itm_score[0])
        states = model.text_encoder(input_ids=ids).last_hidden_state
        features.append(torch.nn.functional.normalize(model.text_proj(states[0, 0]), dim=-1))
    image = model.vision_proj(model.vision_model(pixels).last_hidden_state[:, 0])
    return {
        "image_features": torch.nn.functional.normalize(image, dim=-1),
        "text_features": torch.stack(features),
        "itc_similarity": torch.stack(similarities),
        "itm_cls": torch.stack(logits),
    }


# The original


def salesforce(arguments):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "crates/blip-core/tests/goldens"))
    import reference_shim

    reference_shim.install(arguments.blip, arguments.transformers, arguments.timm)
    from torchvision import transforms
    from torchvision.transforms.functional import InterpolationMode
    from transformers import BertTokenizer

    BertTokenizer.from_pretrained = lambda _name: BertTokenizer(str(arguments.vocab))
    state = torch.load(arguments.model, map_location="cpu")["model"]
    positions = state["visual_encoder.pos_embed"]
    size = 16 * round((positions.shape[1] - 1) ** 0.5)
    settings = {
        "med_config": str(arguments.blip / "configs/med_config.json"),
        "image_size": size,
        "vit": {768: "base", 1024: "large"}[positions.shape[2]],
    }
    prepare = transforms.Compose([
        transforms.Resize((size, size), interpolation=InterpolationMode.BICUBIC),
        transforms.ToTensor(),
        transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ])
    pixels = prepare(opened(arguments.image))[None]
    if "itm_head.weight" in state:
        model, results = salesforce_itm(settings, arguments.model, pixels)
    elif "cls_head.0.weight" in state:
        second = prepare(opened(arguments.second or arguments.image))[None]
        model, results = salesforce_nlvr(settings, state, pixels, second)
    elif any(name.startswith("text_encoder.") for name in state):
        model, results = salesforce_vqa(settings, arguments.model, pixels)
    else:
        model, results = salesforce_caption(settings, arguments.model, pixels)
    return {"pixel_values": pixels, "image_embeds": model.visual_encoder(pixels), **results}


def loaded(model, path):
    from models.blip import load_checkpoint

    model, message = load_checkpoint(model.eval(), str(path))
    assert not message.missing_keys, message.missing_keys
    return model


def spied(decoder):
    """What `generate` gave, which the original decodes at once."""
    decode, outputs = decoder.generate, []
    decoder.generate = lambda **settings: outputs.append(decode(**settings)) or outputs[-1]
    return outputs


def salesforce_caption(settings, path, pixels):
    from models.blip import BLIP_Decoder

    model = loaded(BLIP_Decoder(**settings), path)
    image_embeds = model.visual_encoder(pixels)
    outputs = spied(model.text_decoder)

    def generate(num_beams):
        model.generate(pixels, num_beams=num_beams, **LENGTHS["caption"])
        return outputs[-1][0]

    def next_logits(ids):
        return model.text_decoder(ids, encoder_hidden_states=image_embeds, return_dict=True).logits[0]

    logits = next_logits(torch.tensor([CAPTION]))
    return model, {"logits": logits, **generated("caption", generate, next_logits)}


def salesforce_vqa(settings, path, pixels):
    from models.blip_vqa import BLIP_VQA

    model = loaded(BLIP_VQA(**settings), path)
    question = model.tokenizer(QUESTION, return_tensors="pt").input_ids
    question[:, 0] = model.tokenizer.enc_token_id
    image_embeds = model.visual_encoder(pixels)
    states = model.text_encoder(question, encoder_hidden_states=image_embeds, return_dict=True).last_hidden_state
    outputs = spied(model.text_decoder)

    def generate(num_beams):
        if num_beams == 3:
            # The original's own call, whose three beams are fixed.
            model(pixels, [QUESTION], train=False, inference="generate")
        else:
            start = torch.tensor([[DEC]])
            ids = {"eos_token_id": SEP, "pad_token_id": 0}
            model.text_decoder.generate(
                input_ids=start, num_beams=num_beams, encoder_hidden_states=states, **LENGTHS["vqa"], **ids
            )
        return outputs[-1][0]

    def next_logits(ids):
        return model.text_decoder(ids, encoder_hidden_states=states, return_dict=True).logits[0]

    scores = []
    for answer in ANSWERS:
        ids = model.tokenizer(answer, return_tensors="pt").input_ids
        ids[:, 0] = DEC
        settings = {"encoder_hidden_states": states, "labels": ids, "return_dict": True, "reduction": "none"}
        scores.append(-model.text_decoder(ids, **settings).loss.sum())
    answers = model.tokenizer(ANSWERS, padding="longest", return_tensors="pt")
    answers.input_ids[:, 0] = DEC
    best = model(pixels, [QUESTION], answers, train=False, inference="rank", k_test=len(ANSWERS))
    assert best.item() == torch.stack(scores).argmax().item()
    results = {"question_states": states, "rank_scores": torch.stack(scores)}
    return model, {**results, **generated("vqa", generate, next_logits)}


def salesforce_itm(settings, path, pixels):
    from models.blip_itm import BLIP_ITM

    model = loaded(BLIP_ITM(**settings), path)
    many = pixels.repeat(len(TEXTS), 1, 1, 1)
    text = model.tokenizer(TEXTS, padding="longest", return_tensors="pt")
    image_embeds = model.visual_encoder(pixels)
    alone = model.text_encoder(text.input_ids, attention_mask=text.attention_mask, return_dict=True, mode="text")
    features = torch.nn.functional.normalize(model.text_proj(alone.last_hidden_state[:, 0]), dim=-1)
    image = torch.nn.functional.normalize(model.vision_proj(image_embeds[:, 0]), dim=-1)
    grounded = text.input_ids.clone()
    grounded[:, 0] = ENC
    states = model.text_encoder(
        grounded,
        attention_mask=text.attention_mask,
        encoder_hidden_states=image_embeds.repeat(len(TEXTS), 1, 1),
        return_dict=True,
    ).last_hidden_state
    first = text.attention_mask[0].sum()
    return model, {
        "image_features": image,
        "text_features": features,
        "text_embeds": alone.last_hidden_state[:1, :first],
        "multimodal_embeds": states[:1, :first],
        "itc_similarity": model(pixels, TEXTS, match_head="itc")[0],
        "itm_cls": model(many, TEXTS, match_head="itm"),
        "itm_enc": model.itm_head(states[:, 0]),
    }


def salesforce_nlvr(settings, state, first, second):
    from models.blip_nlvr import BLIP_NLVR

    model = BLIP_NLVR(**settings).eval()
    # The original's own loader lacks an import.
    message = model.load_state_dict(state, strict=False)
    assert not message.missing_keys, message.missing_keys
    logits = model(torch.cat([first, second]), [SENTENCE], targets=torch.tensor([1]), train=False)
    return model, {"logits": logits[0]}


# What they share


def generated(task, generate, next_logits):
    greedy = until_sep(generate(num_beams=1))
    logits_after = next_logits(greedy[None])
    logits_after[: LENGTHS[task]["min_length"] - 1, SEP] = -torch.inf
    best = logits_after.topk(2).values
    return {
        "greedy_ids": greedy,
        "beam3_ids": until_sep(generate(num_beams=3)),
        # [i] is by how much the choice of greedy_ids[i + 1] won.
        "greedy_gaps": best[:, 0] - best[:, 1],
    }


def until_sep(ids):
    ids = ids.flatten().long()
    ends = (ids == SEP).nonzero()
    return ids[: ends[0] + 1] if len(ends) else ids


def agree(theirs, ours, tolerance):
    """Prints the table; whether all of it is within the tolerance."""
    agreed = True
    print(f"{'':<19}{'shape':<20}{'greatest':>10}{'difference':>12}")
    for name, one in theirs.items():
        if name == "greedy_gaps":
            continue
        if name.endswith("_ids"):
            agreed &= ids_agree(name, one, ours[name], theirs["greedy_gaps"], tolerance)
            continue
        difference = (one - ours[name].float().reshape(one.shape)).abs().max().item()
        print(f"{name:<19}{list(one.shape)!s:<20}{one.abs().max().item():>10.3g}{difference:>12.2e}")
        agreed &= difference <= tolerance
    print("within" if agreed else "beyond", f"the tolerance of {tolerance:g}")
    return agreed


def ids_agree(name, one, other, gaps, tolerance):
    one, other = one.tolist(), until_sep(other).tolist()
    if one == other:
        print(f"{name:<19}{len(one)} equal")
        return True
    at = next((at for at, pair in enumerate(zip(one, other)) if pair[0] != pair[1]), min(len(one), len(other)))
    gap = gaps[at - 1].item() if name == "greedy_ids" and at < len(one) else None
    print(f"{name:<19}differ from {at} on: {one} and {other}" + (f", gap {gap:.1e}" if gap is not None else ""))
    return gap is not None and gap <= tolerance


if __name__ == "__main__":
    main()
