"""Makes the small checkpoint files that the tests of blip-weights read.

One seeded state dict of two "layers", in every container and element type that published BLIP weights use, as
torch and safetensors themselves write them. Nothing here comes from a published model.

    python make_checkpoints.py OUT_FOLDER

Deterministic for the same versions, but for `legacy.pth`, which names storages by their address; `versions.json`
says which versions made the files that are here.
"""

import collections
import json
import pathlib
import sys

import safetensors
import safetensors.torch
import torch

HIDDEN = 6
LAYERS = 2


def state_dict():
    """Names and shapes in BLIP's manner, values that tell every element from every other."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    state = collections.OrderedDict()
    state["visual_encoder.cls_token"] = normal(1, 1, HIDDEN)
    state["visual_encoder.patch_embed.proj.weight"] = normal(HIDDEN, 3, 2, 2)
    state["visual_encoder.patch_embed.proj.bias"] = normal(HIDDEN)
    for layer in range(LAYERS):
        prefix = f"visual_encoder.blocks.{layer}."
        state[prefix + "attn.qkv.weight"] = normal(3 * HIDDEN, HIDDEN)
        state[prefix + "attn.qkv.bias"] = normal(3 * HIDDEN)
        state[prefix + "norm1.weight"] = normal(HIDDEN)
        state[prefix + "norm1.bias"] = normal(HIDDEN)
    state["text_decoder.bert.embeddings.position_ids"] = torch.arange(4).expand((1, -1))
    state["text_decoder.bert.embeddings.word_embeddings.weight"] = normal(5, HIDDEN)
    for name in ["query", "key", "value"]:
        prefix = f"text_decoder.bert.encoder.layer.0.attention.self.{name}."
        state[prefix + "weight"] = normal(4, HIDDEN)
        state[prefix + "bias"] = normal(4)
    state["text_decoder.cls.predictions.bias"] = normal(5)
    # Tied: the same storage under two names.
    state["text_decoder.cls.predictions.decoder.weight"] = state["text_decoder.bert.embeddings.word_embeddings.weight"]
    state["text_decoder.cls.predictions.decoder.bias"] = state["text_decoder.cls.predictions.bias"]
    return state


def cast(state, dtype):
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}


def contiguous(state):
    """safetensors refuses shared storages and strides."""
    return {name: value.clone().contiguous() for name, value in state.items()}


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    state = state_dict()

    # As the original training scripts save: a wrapper, with the optimizer beside the weights.
    parameters = [torch.nn.Parameter(value.clone()) for value in list(state.values())[:3]]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5)
    sum(parameter.sum() for parameter in parameters).backward()
    optimizer.step()
    wrapped = {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "config": {"image_size": 4, "vit": "base", "lr": 1e-5, "names": ["a", "b"]},
        "epoch": 4,
    }
    torch.save(wrapped, out / "wrapped.pth")
    torch.save(wrapped, out / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": state}, out / "state_dict.pt")
    torch.save(state, out / "pytorch_model.bin")
    torch.save(cast(state, torch.float16), out / "f16.bin")
    torch.save(cast(state, torch.bfloat16), out / "bf16.bin")
    torch.save(cast(state, torch.float64), out / "f64.bin")

    # Views: transposed, offset into a larger storage, every second column; and parameters instead of tensors.
    base = torch.arange(24, dtype=torch.float32)
    torch.save(
        {
            "transposed": base[:12].view(3, 4).t(),
            "offset": base[5:9],
            "strided": base.view(4, 6)[:, ::2],
            "broadcast": torch.tensor([7.0]).expand(3),
            "parameter": torch.nn.Parameter(base[:2]),
            "scalar": torch.tensor(0.07),
            "empty": torch.zeros(2, 0),
        },
        out / "views.bin",
    )

    # Pickles that are no checkpoint.
    torch.save([1, 2, 3], out / "list.pt")
    torch.save({"epoch": 3, "config": {"a": 1}}, out / "no_tensors.pt")

    safetensors.torch.save_file(contiguous(state), out / "model.safetensors", metadata={"format": "pt"})
    for name, dtype in [("f16", torch.float16), ("bf16", torch.bfloat16), ("f64", torch.float64)]:
        safetensors.torch.save_file(contiguous(cast(state, dtype)), out / f"{name}.safetensors")

    sharded = out / "sharded"
    sharded.mkdir(exist_ok=True)
    names = list(state)
    shards = [names[: len(names) // 2], names[len(names) // 2 :]]
    weight_map = {}
    for index, shard in enumerate(shards):
        file = f"model-{index + 1:05}-of-{len(shards):05}.safetensors"
        safetensors.torch.save_file(contiguous({name: state[name] for name in shard}), sharded / file)
        weight_map |= {name: file for name in shard}
    total = sum(value.numel() * value.element_size() for value in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")

    # What torch read back, for the tests to compare with: values as float64, exact for every type here.
    expected = {name: [list(value.shape), value.double().flatten().tolist()] for name, value in state.items()}
    views = torch.load(out / "views.bin", weights_only=True)
    expected_views = {name: [list(v.shape), v.detach().double().flatten().tolist()] for name, v in views.items()}
    (out / "expected.json").write_text(json.dumps({"state": expected, "views": expected_views}) + "\n")

    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "safetensors": safetensors.__version__}
    (out / "versions.json").write_text(json.dumps(versions) + "\n")
    print(versions)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
