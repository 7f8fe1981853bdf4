"""Compares this project with a reference at full size: what it computes with a checkpoint, and how near we are.

    weights-tools random --task caption --preset base --layout huggingface --out base
    python full_size.py base picture.png --out reference.safetensors [--ours ours.safetensors]

    weights-tools random --task caption --preset base --layout salesforce --out base.pth
    python full_size.py base.pth picture.png --blip BLIP --transformers transformers-4.15.0 --timm timm-0.4.12 \\
        --vocab vocab.txt --out reference.safetensors [--ours ours.safetensors]

A folder runs in transformers 5.23.0. A `.pth` file runs in the original, salesforce/BLIP@056a169, with transformers
4.15.0 and timm 0.4.12: `crates/blip-core/tests/goldens/make_salesforce.py` says how to get them; `--vocab` is
bert-base-uncased's vocab.txt.

Both files hold pixel_values [1, 3, H, W], image_embeds [1, tokens, width], logits [length, vocab] of the text below
(or of `input_ids` [length], where ours has them), greedy_ids and beam3_ids [length]. The ids come from at most 20
tokens and at least 5, with three beams for beam3_ids; from [DEC] alone in transformers, from [DEC] and the prompt
"a picture of " in the original. What follows [SEP] is not compared.

Prints a table of the greatest absolute differences, and leaves with status 1 where one is beyond the tolerance or
where ids differ: but for greedy ids that part where the reference's own best two logits are within the tolerance.
"""

import argparse
import pathlib
import sys

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

DEC, SEP = 30522, 102
# "a picture of a woman sitting on the beach with her dog"
TEXT = [DEC, 1037, 3861, 1997, 1037, 2450, 3564, 2006, 1996, 3509, 2007, 2014, 3899]
LENGTHS = {"max_length": 20, "min_length": 5}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path, help="a folder in Hugging Face layout or an original .pth file")
    parser.add_argument("image", type=pathlib.Path)
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
    ours = load_file(arguments.ours) if arguments.ours else {}
    ids = ours.get("input_ids", torch.tensor(TEXT)).reshape(1, -1).long()
    image = Image.open(arguments.image).convert("RGB")
    reference = hugging_face if arguments.model.is_dir() else salesforce
    theirs = {name: tensor.contiguous() for name, tensor in reference(arguments, image, ids).items()}
    if arguments.out:
        save_file(theirs, arguments.out)
    if ours and not agree(theirs, ours, arguments.tolerance):
        sys.exit(1)


def hugging_face(arguments, image, ids):
    from transformers import BlipForConditionalGeneration
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    model = BlipForConditionalGeneration.from_pretrained(arguments.model, dtype=torch.float32).eval()
    processor = BlipImageProcessorPil.from_pretrained(arguments.model)
    pixels = processor(image, return_tensors="pt").pixel_values
    output = model(pixel_values=pixels, input_ids=ids)

    def generate(num_beams):
        return model.generate(pixel_values=pixels, num_beams=num_beams, **LENGTHS)[0]

    def next_logits(ids):
        return model(pixel_values=pixels, input_ids=ids).logits[0]

    return results(pixels, output.image_embeds, output.logits[0], generate, next_logits)


def salesforce(arguments, image, ids):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "crates/blip-core/tests/goldens"))
    import reference_shim

    reference_shim.install(arguments.blip, arguments.transformers, arguments.timm)
    from models.blip import BLIP_Decoder, load_checkpoint
    from torchvision import transforms
    from torchvision.transforms.functional import InterpolationMode
    from transformers import BertTokenizer

    BertTokenizer.from_pretrained = lambda _name: BertTokenizer(str(arguments.vocab))
    positions = torch.load(arguments.model, map_location="cpu")["model"]["visual_encoder.pos_embed"]
    size = 16 * round((positions.shape[1] - 1) ** 0.5)
    vit = {768: "base", 1024: "large"}[positions.shape[2]]
    model = BLIP_Decoder(str(arguments.blip / "configs/med_config.json"), image_size=size, vit=vit).eval()
    model, loaded = load_checkpoint(model, str(arguments.model))
    assert not loaded.missing_keys, loaded.missing_keys
    prepare = transforms.Compose([
        transforms.Resize((size, size), interpolation=InterpolationMode.BICUBIC),
        transforms.ToTensor(),
        transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ])
    pixels = prepare(image)[None]
    image_embeds = model.visual_encoder(pixels)
    # Not the captions but the ids behind them.
    decode, outputs = model.text_decoder.generate, []
    model.text_decoder.generate = lambda **settings: outputs.append(decode(**settings)) or outputs[-1]

    def generate(num_beams):
        model.generate(pixels, num_beams=num_beams, **LENGTHS)
        return outputs[-1][0]

    def next_logits(ids):
        return model.text_decoder(ids, encoder_hidden_states=image_embeds, return_dict=True).logits[0]

    return results(pixels, image_embeds, next_logits(ids), generate, next_logits)


def results(pixels, image_embeds, logits, generate, next_logits):
    greedy = until_sep(generate(num_beams=1))
    logits_after = next_logits(greedy[None])
    logits_after[: LENGTHS["min_length"] - 1, SEP] = -torch.inf
    best = logits_after.topk(2).values
    return {
        "pixel_values": pixels,
        "image_embeds": image_embeds,
        "logits": logits,
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
    print(f"{'':<14}{'shape':<20}{'greatest':>10}{'difference':>12}")
    for name in ("pixel_values", "image_embeds", "logits"):
        one, other = theirs[name], ours[name].float().reshape(theirs[name].shape)
        difference = (one - other).abs().max().item()
        print(f"{name:<14}{list(one.shape)!s:<20}{one.abs().max().item():>10.3g}{difference:>12.2e}")
        agreed &= difference <= tolerance
    for name in ("greedy_ids", "beam3_ids"):
        one, other = theirs[name].tolist(), until_sep(ours[name]).tolist()
        if one == other:
            print(f"{name:<14}{len(one)} equal")
            continue
        at = next((at for at, pair in enumerate(zip(one, other)) if pair[0] != pair[1]), min(len(one), len(other)))
        gap = theirs["greedy_gaps"][at - 1].item() if name == "greedy_ids" and at < len(one) else None
        print(f"{name:<14}differ from {at} on: {one} and {other}" + (f", gap {gap:.1e}" if gap is not None else ""))
        agreed &= gap is not None and gap <= tolerance
    print("within" if agreed else "beyond", f"the tolerance of {tolerance:g}")
    return agreed


if __name__ == "__main__":
    main()
