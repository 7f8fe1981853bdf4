"""Weights that `train` saved, read by transformers: captions must be the same, token for token.

    cargo build --release --examples
    pip install torch==2.14.1 transformers==5.23.0 safetensors pillow
    python weights-tools/parity/trained.py

It fine-tunes the recorded model of crates/blip-core/tests/goldens for a few steps on the goldens' pictures, loads what comes
out in transformers (no tensor missing, none unexpected), and lets both caption the pictures, greedily and with three beams.
"""

import json
import pathlib
import subprocess
import tempfile

import torch
import transformers
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipImageProcessorPil

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDENS = ROOT / "crates/blip-core/tests/goldens"
PROGRAMS = ROOT / "target/release/examples"
TEXTS = ["a red car on the road", "two dogs in the snow", "a man riding a horse"]


def train(folder: pathlib.Path) -> pathlib.Path:
    """A few steps of captioning; the folder that was saved."""
    records = [
        {"image": f"picture_{index}.png", "caption": TEXTS[index % len(TEXTS)], "image_id": index} for index in range(6)
    ]
    data = folder / "captions.json"
    data.write_text(json.dumps(records))
    command = [
        PROGRAMS / "train", "captioning", "--model", GOLDENS / "hf_caption", "--data", data, "--image-root", GOLDENS,
        "--batch-size", "3", "--epochs", "10", "--lr", "1e-3", "--prompt", "", "--no-augmentation",
        "--out", folder / "run",
    ]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return folder / "run" / "model"


def ours(model: pathlib.Path, picture: pathlib.Path, beams: int) -> list[int]:
    """The ids of our caption."""
    command = [
        PROGRAMS / "caption", "--model", model, picture, "--json", "--num-beams", str(beams), "--min-length", "0",
    ]
    output = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
    return json.loads(output)["captions"][0]["token_ids"]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        model = train(pathlib.Path(name))
        network, report = BlipForConditionalGeneration.from_pretrained(model, output_loading_info=True)
        network.eval()
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            assert not report[kind], (kind, report[kind])
        processor = BlipImageProcessorPil.from_pretrained(model)
        config = network.config.text_config
        captions = set()
        for index in range(6):
            picture = GOLDENS / f"picture_{index}.png"
            pixels = processor(images=Image.open(picture), return_tensors="pt")["pixel_values"]
            for beams in (1, 3):
                with torch.no_grad():
                    ids = network.generate(pixels, num_beams=beams, max_length=20)[0].tolist()
                if config.sep_token_id in ids:
                    ids = ids[: ids.index(config.sep_token_id) + 1]
                got = ours(model, picture, beams)
                assert got == ids, (picture.name, beams, got, ids)
                captions.add(tuple(ids))
        print(f"transformers {transformers.__version__}: 6 pictures, greedy and 3 beams, equal ids; "
              f"{len(captions)} different captions")


if __name__ == "__main__":
    main()
