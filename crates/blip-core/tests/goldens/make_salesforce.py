"""Makes the goldens of the original BLIP: tiny seeded checkpoints and what salesforce/BLIP@056a169 computes with them.

    git clone https://github.com/salesforce/BLIP && git -C BLIP checkout 056a169
    pip install torch==2.14.1 torchvision==0.29.2
    pip download --no-deps transformers==4.15.0 timm==0.4.12
    unzip -d transformers-4.15.0 transformers-4.15.0-*.whl && unzip -d timm-0.4.12 timm-0.4.12-*.whl
    python make_salesforce.py --blip BLIP --transformers transformers-4.15.0 --timm timm-0.4.12 [--out FOLDER]

Writes beside itself, or into FOLDER:
  salesforce_caption.pth    a captioner, {"model": state_dict} with the original's names
  salesforce_pretrain.pth   a pre-training checkpoint: beside the captioner's tensors the text encoder, projections,
                            momentum copies and queues, which a captioner leaves out by their names
  salesforce_caption.safetensors, salesforce_pretrain.safetensors   the recorded values
README.md beside this file names every tensor. Running it twice gives the same bytes.
"""

import argparse
import json
import pathlib
import tempfile
import warnings

import torch

import golden
import reference_shim

# The original's sizes can be read from the names and shapes of its tensors, but for the heads: they are 64 wide.
CAPTION = {"width": 128, "depth": 2, "text": {"hidden_size": 128, "num_hidden_layers": 2, "intermediate_size": 256}}
PRETRAIN = {"width": 64, "depth": 1, "text": {"hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 128}}
HEAD_DIM, IMAGE_SIZE, PATCH_SIZE, MLP_RATIO = 64, 32, 8, 2
SEEDS = {"salesforce_caption": 50, "salesforce_pretrain": 4}
SAMPLES = 2
CAPTIONS = ["a picture of a man riding a horse", "a picture of two dogs on the beach, sleeping", "a picture of snow"]
# How `BLIP_Decoder.generate` is called for COCO, by its own defaults, for NoCaps, and with little room.
SETTINGS = {
    "coco": {"max_length": 20, "min_length": 5},
    "defaults": {"max_length": 30, "min_length": 10},
    "nocaps": {"max_length": 20, "min_length": 5, "repetition_penalty": 1.1},
    "short": {"max_length": 12, "min_length": 8},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blip", type=pathlib.Path, required=True, help="checkout of salesforce/BLIP@056a169")
    parser.add_argument("--transformers", type=pathlib.Path, required=True, help="unpacked wheel of 4.15.0")
    parser.add_argument("--timm", type=pathlib.Path, required=True, help="unpacked wheel of 0.4.12")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    arguments = parser.parse_args()
    out = arguments.out
    golden.setup()
    reference_shim.install(arguments.blip, arguments.transformers, arguments.timm)
    warnings.filterwarnings("ignore")
    import timm
    import transformers

    versions = golden.versions(
        blip="salesforce/BLIP@056a169", transformers=transformers.__version__, timm=timm.__version__
    )
    with tempfile.TemporaryDirectory() as folder:
        model = captioner(pathlib.Path(folder), CAPTION)
        golden.seed_weights(model, SEEDS["salesforce_caption"], sep_bias=7.0)
        torch.save({"model": model.state_dict()}, out / "salesforce_caption.pth")
        values = golden.Golden(versions, model="salesforce_caption.pth", prompt=model.prompt)
        record(model, values).save(out / "salesforce_caption.safetensors")

        pretrained = pretrainer(pathlib.Path(folder), PRETRAIN)
        golden.seed_weights(pretrained, SEEDS["salesforce_pretrain"], sep_bias=5.0)
        # As `pretrain.py` saves it.
        checkpoint = {
            "model": pretrained.state_dict(),
            "optimizer": torch.optim.AdamW(pretrained.parameters(), lr=3e-4).state_dict(),
            "config": {"vit": "base", "image_size": IMAGE_SIZE, "init_lr": 3e-4, "laion_path": "", "train_file": []},
            "epoch": 19,
        }
        torch.save(checkpoint, out / "salesforce_pretrain.pth")
        model = captioner(pathlib.Path(folder), PRETRAIN)
        # As `load_checkpoint` does: whatever the captioner has no place for is left out.
        left_out = model.load_state_dict(pretrained.state_dict(), strict=False)
        assert not left_out.missing_keys and left_out.unexpected_keys
        values = golden.Golden(
            versions, model="salesforce_pretrain.pth", prompt=model.prompt, left_out=left_out.unexpected_keys
        )
        record(model.eval(), values, brief=True).save(out / "salesforce_pretrain.safetensors")


def small(folder, sizes):
    """Puts the small vocabulary and the small networks where the original looks for bert-base-uncased and ViT-B."""
    import models.blip
    import models.blip_pretrain
    from models.med import BertLMHeadModel, BertModel
    from transformers import BertTokenizer

    golden.write_vocab(folder)
    BertTokenizer.from_pretrained = lambda _name: BertTokenizer(str(folder / "vocab.txt"))
    for networks in (models.blip, models.blip_pretrain):
        networks.create_vit = lambda _name, image_size, *_: (vision_transformer(sizes, image_size), sizes["width"])
    for network in (BertModel, BertLMHeadModel):
        network.from_pretrained = lambda _name, network=network, **settings: network(**settings)
    heads = sizes["text"]["hidden_size"] // HEAD_DIM
    fixed = {"vocab_size": golden.VOCAB_SIZE, "max_position_embeddings": 64, "add_cross_attention": True}
    config = folder / "med_config.json"
    config.write_text(json.dumps({**sizes["text"], **fixed, "num_attention_heads": heads}))
    return {"med_config": str(config), "image_size": IMAGE_SIZE}


def vision_transformer(sizes, image_size):
    from models.vit import VisionTransformer

    return VisionTransformer(
        img_size=image_size,
        patch_size=PATCH_SIZE,
        embed_dim=sizes["width"],
        depth=sizes["depth"],
        num_heads=sizes["width"] // HEAD_DIM,
        mlp_ratio=MLP_RATIO,
    )


def captioner(folder, sizes):
    from models.blip import BLIP_Decoder

    return BLIP_Decoder(**small(folder, sizes))


def pretrainer(folder, sizes):
    from models.blip_pretrain import BLIP_Pretrain

    # Neither "base" nor "large": those download.
    return BLIP_Pretrain(**small(folder, sizes), vit="small", embed_dim=16, queue_size=12)


def pixel_values(pictures, size):
    """The original's `demo.ipynb`: bicubic resize by Pillow, then ToTensor and Normalize."""
    from PIL import Image
    from torchvision import transforms
    from torchvision.transforms.functional import InterpolationMode

    prepare = transforms.Compose([
        transforms.Resize((size, size), interpolation=InterpolationMode.BICUBIC),
        transforms.ToTensor(),
        transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ])
    return torch.stack([prepare(Image.fromarray(picture)) for picture in pictures])


def record(model, values, brief=False):
    """All recorded values of one captioner; `brief` leaves out most ways to generate."""
    pictures = golden.pictures()
    pixels = pixel_values(pictures, IMAGE_SIZE)
    values.add("pixel_values", pixels)
    record_vision(model.visual_encoder, values, "vision", pixels)
    record_decoder(model, values, pixels[:2])
    record_loss(model, values, pixels)

    def case(name, **settings):
        generate(model, values, name, settings)

    case("greedy_coco", num_beams=1, **SETTINGS["coco"])
    case("beam_3_coco", num_beams=3, **SETTINGS["coco"])
    if brief:
        return values
    for setting in ("defaults", "nocaps", "short"):
        case(f"greedy_{setting}", num_beams=1, **SETTINGS[setting])
        case(f"beam_3_{setting}", num_beams=3, **SETTINGS[setting])
    case("beam_5_coco", num_beams=5, **SETTINGS["coco"])
    case("beam_5_defaults", num_beams=5, **SETTINGS["defaults"])
    # Asked for top_p alone; the repetition penalty is written into the original and top_k is transformers' default.
    settings = {"top_p": 0.9, "max_length": 20, "min_length": 5}
    golden.record_samples(
        values,
        model.text_decoder.cls,
        prompt_length=len(golden.PROMPT_IDS),
        seed=SAMPLES,
        settings={**settings, "repetition_penalty": 1.1, "top_k": 50},
        sample=lambda: captions_of(model, pixels, sample=True, **settings)[1],
    )
    record_larger(model.visual_encoder, values, pictures)
    return values


def record_vision(encoder, values, name, pixels):
    hidden = []
    first = encoder.pos_drop.register_forward_hook(lambda _module, _inputs, output: hidden.append(output))
    others = [
        block.register_forward_hook(lambda _module, _inputs, output: hidden.append(output)) for block in encoder.blocks
    ]
    last = encoder(pixels)
    for hook in (first, *others):
        hook.remove()
    for index, tensor in enumerate(hidden):
        values.add(f"{name}.hidden_states.{index}", tensor)
    values.add(f"{name}.last_hidden_state", last)


def record_larger(encoder, values, pictures):
    """The original has no dynamic resolution: another size is another encoder, its table interpolated on loading."""
    from models.vit import interpolate_pos_embed

    size = IMAGE_SIZE * 3 // 2
    larger = vision_transformer(CAPTION, size).eval()
    table = interpolate_pos_embed(encoder.pos_embed, larger)
    larger.load_state_dict({**encoder.state_dict(), "pos_embed": table})
    name = f"interpolate_{size}x{size}"
    values.add(f"{name}.pixel_values", pixel_values(pictures[:2], size))
    values.add(f"{name}.pos_embed", table)
    record_vision(larger, values, name, values.tensors[f"{name}.pixel_values"])


def record_decoder(model, values, pixels):
    ids = golden.teacher_forced(seed=11)
    ids[:, : len(golden.PROMPT_IDS)] = torch.tensor(golden.PROMPT_IDS)
    image = model.visual_encoder(pixels)
    whole = model.text_decoder(ids, encoder_hidden_states=image, return_dict=True).logits
    past, steps = None, []
    # The prompt at once and then one token at a time, on the cache.
    for start, end in [(0, 4)] + [(at, at + 1) for at in range(4, ids.shape[1])]:
        output = model.text_decoder(
            ids[:, start:end],
            attention_mask=torch.ones(len(ids), end),
            encoder_hidden_states=image,
            past_key_values=past,
            use_cache=True,
            return_dict=True,
        )
        past = output.past_key_values
        steps.append(output.logits)
    cached = torch.cat(steps, dim=1)
    assert torch.allclose(whole, cached, atol=1e-4), (whole - cached).abs().max()
    values.add("decoder.input_ids", ids)
    values.add("decoder.logits", whole)
    values.add("decoder.logits_cached", cached)


def record_loss(model, values, pixels):
    """The training loss in evaluation mode: rows padded on the right, [DEC] first, the prompt no target."""
    inputs = {}

    def keep(_module, arguments, settings):
        inputs.update(settings, input_ids=arguments[0])

    hook = model.text_decoder.register_forward_pre_hook(keep, with_kwargs=True)
    loss = model(pixels, CAPTIONS)
    hook.remove()
    per_row = model.text_decoder(**{**inputs, "reduction": "none"}).loss
    values.add("loss.input_ids", inputs["input_ids"])
    values.add("loss.attention_mask", inputs["attention_mask"])
    values.add("loss.labels", inputs["labels"])
    values.add("loss.mean", loss)
    values.add("loss.sum_per_row", per_row)
    values.metadata["loss.captions"] = CAPTIONS


def captions_of(model, pixels, **settings):
    """`BLIP_Decoder.generate`, and beside its captions what the decoder gave it."""
    decode, outputs = model.text_decoder.generate, []

    def spy(**arguments):
        outputs.append(decode(**arguments, return_dict_in_generate=True, output_scores=True))
        return outputs[-1].sequences

    model.text_decoder.generate = spy
    captions = model.generate(pixels, **settings)
    del model.text_decoder.generate
    return captions, outputs[-1]


def generate(model, values, name, settings):
    """Runs and records `BLIP_Decoder.generate`, after proving that it does not hang on a rounding error."""
    pixels = values.tensors["pixel_values"]

    def run(pixels):
        captions, output = captions_of(model, pixels, **settings)
        return captions, output, golden.rows(output.sequences, len(golden.PROMPT_IDS))

    captions, output, found = run(pixels)
    ids = output.sequences
    alone = [row for one in pixels for row in run(one[None])[2]]
    assert found == alone, f"{name}: a batch differs from its rows: {found} {alone}"
    for seed in range(4):
        with golden.noise(model.text_decoder.cls, seed):
            shaken = run(pixels)[2]
        assert found == shaken, f"{name}: not robust: {found} {shaken}"
    assert all(row[: len(golden.PROMPT_IDS)] == golden.PROMPT_IDS for row in found)

    image = model.visual_encoder(pixels)
    logits = model.text_decoder(ids[:, :-1], encoder_hidden_states=image, return_dict=True).logits
    values.case(
        name,
        ids,
        captions,
        golden.token_log_probs(logits, ids, len(golden.PROMPT_IDS)),
        output.get("sequences_scores"),
        pixels="pixel_values",
        prompt=model.prompt,
        prompt_ids=golden.PROMPT_IDS,
        settings=settings,
    )


if __name__ == "__main__":
    main()
