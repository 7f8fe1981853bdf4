"""Makes the goldens of blip-data: what the original's augmentations and data sets do, and torchvision's crops.

    python make_goldens.py --blip-repo /path/to/a/clone/of/salesforce/BLIP --images ../../../../examples/images

The clone must be at commit 056a169. Needs numpy 1.26.4, opencv-python-headless 4.5.5.64 (of BLIP's time; 4.14.0.94 gives
the same bytes, 5.0 does not), pillow 13.0.0, torch 2.14.1 and torchvision 0.29.2. It writes, beside itself:

- augmentation.json: cases, each an operation of `transform/randaugment.py` with its arguments; the hash of what each
  makes of two noise pictures; and the arguments that the original gives an operation at a level.
- augmentation_0.png, augmentation_1.png: a picture and, below it, what each case in turn makes of it.
- crop.json: the boxes that `RandomResizedCrop.get_params` makes of the numbers it draws, and the whole of
  `transform_train` short of its last two steps with given choices.
- crop.png: what torchvision's `resized_crop` makes of given boxes.
- record.json: what the original's data sets return for annotations: texts, weights, numbers and orders of pictures.

The hash is 64-bit FNV-1a. Nothing is random: noise comes from the generator of `noise` below, which the tests repeat,
and torch is seeded. A second run gives the same bytes.
"""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import types
import warnings
from unittest import mock

import cv2
import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as F

HERE = pathlib.Path(__file__).parent
COMMIT = "056a169437371659074aa2732649d5de3bffb4a8"
VERSIONS = {
    "salesforce/BLIP": COMMIT,
    "numpy": np.__version__,
    "opencv": cv2.__version__,
    "pillow": PIL.__version__,
    "torch": torch.__version__,
    "torchvision": torchvision.__version__,
}
FILL = (128, 128, 128)
LEVELS = [1, 5, 10]
OPERATIONS = [
    "Identity",
    "AutoContrast",
    "Brightness",
    "Sharpness",
    "Equalize",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Rotate",
]


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    return f"{value:016x}"


def noise(width, height, seed, low, high):
    """Samples of low..=high, from a linear congruential generator that the tests repeat."""
    state = seed
    samples = []
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        samples.append(low + (state >> 16) % (high - low + 1))
    return np.array(samples, dtype=np.uint8).reshape(height, width, 3)


def crop_of(path, left, top, width, height):
    picture = Image.open(path).convert("RGB").crop((left, top, left + width, top + height))
    return np.array(picture)


def exact(number):
    """A number as a text, since JSON readers may be off by a bit. None stays."""
    return None if number is None else repr(float(number))


def write_json(name, value):
    (HERE / name).write_text(json.dumps(value, indent=1) + "\n")


def write_sheet(name, pictures):
    """One picture below the other; all are of one size."""
    Image.fromarray(np.concatenate(pictures)).save(HERE / name, optimize=True)


def arguments(randaugment, name, level):
    """What the original calls an operation with at a level, for either outcome of its coin."""
    result = []
    for coin in (0.0, 1.0):
        with mock.patch("numpy.random.random", return_value=coin):
            given = list(randaugment.arg_dict[name](level))
        given = [exact(value) for value in given if value != FILL]
        if given not in result:
            result.append(given)
    return result


def augmentation(randaugment, images):
    levels = [
        {"operation": name, "level": level, "arguments": arguments(randaugment, name, level)}
        for name in OPERATIONS
        for level in LEVELS
    ]
    cases = [{"operation": "Identity", "argument": None}]
    for case in levels:
        for given in case["arguments"]:
            new = {"operation": case["operation"], "argument": given[0] if given else None}
            if new not in cases:
                cases.append(new)
    cases += [
        {"operation": "Sharpness", "argument": exact(0)},
        {"operation": "TranslateX", "argument": exact(2.53125)},
        {"operation": "TranslateY", "argument": exact(-60.0)},
        {"operation": "Rotate", "argument": exact(90.0)},
        {"operation": "Rotate", "argument": exact(-173.0)},
        # What the original says it equals; it does where the darkest sample is 0.
        {"operation": "PillowAutoContrast", "argument": None},
    ]

    def apply(case, picture):
        name, argument = case["operation"], case["argument"]
        if name == "PillowAutoContrast":
            return np.array(ImageOps.autocontrast(Image.fromarray(picture)))
        given = () if argument is None else (float(argument),)
        if name.startswith(("Shear", "Translate", "Rotate")):
            given += (FILL,)
        return np.ascontiguousarray(randaugment.func_dict[name](picture.copy(), *given))

    pictures = [
        crop_of(images / "coffee.png", 230, 130, 48, 40),
        crop_of(images / "astronaut.png", 200, 60, 33, 57),
    ]
    for index, picture in enumerate(pictures):
        write_sheet(f"augmentation_{index}.png", [apply(case, picture) for case in cases])
    noises = [
        {"width": 61, "height": 43, "seed": 1, "low": 0, "high": 255},
        {"width": 30, "height": 75, "seed": 2, "low": 20, "high": 190},
    ]
    for case in cases:
        case["noise"] = [fnv1a(apply(case, noise(**numbers)).tobytes()) for numbers in noises]
    write_json(
        "augmentation.json",
        {
            "versions": VERSIONS,
            "pictures": [[picture.shape[1], picture.shape[0]] for picture in pictures],
            "noise": noises,
            "levels": levels,
            "cases": cases,
        },
    )


def drawn_box(seed, width, height, scale, ratio):
    """A box of `get_params`, and the share of the area and the aspect ratio of every attempt."""
    picture = Image.new("RGB", (width, height))
    torch.manual_seed(seed)
    top, left, box_height, box_width = RandomResizedCrop.get_params(picture, scale, ratio)
    log_ratio = torch.log(torch.tensor(ratio))
    torch.manual_seed(seed)
    attempts = []
    for _ in range(10):
        share = torch.empty(1).uniform_(scale[0], scale[1]).item()
        aspect = torch.exp(torch.empty(1).uniform_(log_ratio[0], log_ratio[1])).item()
        attempts.append([exact(share), exact(aspect)])
        new_width = int(round((height * width * share * aspect) ** 0.5))
        new_height = int(round((height * width * share / aspect) ** 0.5))
        if 0 < new_width <= width and 0 < new_height <= height:
            break
    else:
        attempts.append(None)
    return {
        "width": width,
        "height": height,
        "ratio": list(ratio),
        "attempts": attempts,
        "box": {"top": top, "left": left, "height": box_height, "width": box_width},
    }


def crop(randaugment, images):
    ratio = (3.0 / 4.0, 4.0 / 3.0)
    boxes = [
        drawn_box(seed, width, height, scale, ratio)
        for width, height in [(48, 40), (33, 57), (640, 427), (20, 90)]
        for scale in [(0.5, 1.0), (0.2, 1.0)]
        for seed in range(4)
    ]
    # No attempt can fit: the fallback.
    boxes += [
        drawn_box(0, width, height, (1.0, 1.0), ratio)
        for width, height in [(10, 400), (400, 10), (7, 30), (31, 8), (1, 900)]
    ]
    boxes += [drawn_box(0, 40, 50, (4.0, 4.0), ratio), drawn_box(0, 51, 40, (4.0, 4.0), ratio)]

    picture = Image.fromarray(crop_of(images / "coffee.png", 200, 100, 96, 80))
    given = [
        {"top": 0, "left": 0, "height": 80, "width": 96},
        {"top": 3, "left": 17, "height": 61, "width": 70},
        {"top": 40, "left": 60, "height": 32, "width": 32},
        {"top": 79, "left": 95, "height": 1, "width": 1},
        {"top": 10, "left": 20, "height": 20, "width": 15},
        {"top": 0, "left": 90, "height": 80, "width": 6},
    ]
    size = [32, 32]

    def resized(box):
        return F.resized_crop(
            picture, box["top"], box["left"], box["height"], box["width"], size, InterpolationMode.BICUBIC
        )

    plan = np.array(F.hflip(resized(given[1])))
    plan = randaugment.shear_x_func(plan, -0.15, FILL)
    plan = randaugment.equalize_func(plan)
    sheet = [np.array(resized(box)) for box in given] + [plan]
    write_sheet("crop.png", sheet)
    picture.save(HERE / "crop_input.png", optimize=True)
    write_json("crop.json", {"versions": VERSIONS, "drawn": boxes, "given": given, "size": size})


@contextlib.contextmanager
def original_data():
    """The original's data sets. What they import for evaluation and downloads is left out."""
    names = ["pycocotools", "pycocotools.coco", "pycocoevalcap", "pycocoevalcap.eval"]
    with mock.patch.dict(sys.modules, {name: types.ModuleType(name) for name in names}):
        sys.modules["pycocotools.coco"].COCO = None
        sys.modules["pycocoevalcap.eval"].COCOEvalCap = None
        import data  # noqa: F401  Its names hide those of its modules: `data.nlvr_dataset` is a class.

        modules = {
            name: sys.modules[f"data.{name}_dataset"] for name in ["coco_karpathy", "nlvr", "vqa"]
        }
        with contextlib.ExitStack() as stack:
            for module in modules.values():
                stack.enter_context(mock.patch.object(module, "download_url", lambda url, root: None))
            yield types.SimpleNamespace(**modules)


def record():
    def name(image):
        # Pictures are 1 x 1 files; their red says which one it is.
        return np.array(image)[0, 0, 0].item()

    long = " ".join(f"w{number}" for number in range(60))
    captions = [
        {"caption": "A woman (left) wearing a net;  eating.", "image": "a/COCO_val2014_000000000007.png", "image_id": "coco_7"},
        {"caption": "Two dogs\n", "image": "b.png", "image_id": "coco_8"},
        {"caption": long, "image": "a/COCO_val2014_000000000007.png", "image_id": "coco_7", "extra": [1, {"a": None}]},
        {"caption": "third", "image": "c_12.png", "image_id": 9},
        {"caption": "Two dogs again.", "image": "b.png", "image_id": "coco_8"},
    ]
    pictures = {image: value for value, image in enumerate(["a/COCO_val2014_000000000007.png", "b.png", "c_12.png"])}
    questions = [
        {"image": "b.png", "question": "Is this (a) Dog? ", "question_id": 12, "dataset": "vqa",
         "answer": ["yes", "no", "yes", "maybe", "yes", "no", "yes", "yes", "yes", "Yes"]},
        {"image": "b.png", "question": "how many:  two!", "question_id": 13, "dataset": "vqa", "answer": ["2"] * 3},
        {"image": "c_12.png", "question": "what is it", "question_id": 14, "dataset": "vg", "answer": "a Lamp"},
        {"image": "b.png", "question": long, "question_id": 15, "dataset": "vqa", "answer": ["a", "b", "c"]},
    ]
    pairs = [
        {"images": ["b.png", "c_12.png"], "sentence": "There are two dogs.", "label": "True"},
        {"images": ["b.png", "c_12.png"], "sentence": "The LEFT image has more than the right; leftmost right-hand.", "label": "False"},
        {"images": ["c_12.png", "b.png"], "sentence": long + " left", "label": "True"},
        {"images": ["c_12.png", "b.png"], "sentence": "left left right, right", "label": "True"},
    ]
    with tempfile.TemporaryDirectory() as folder, original_data() as data:
        root = pathlib.Path(folder)
        (root / "a").mkdir()
        for image, value in pictures.items():
            Image.new("RGB", (1, 1), (value, 0, 0)).save(root / image)

        def store(file, value):
            (root / file).write_text(json.dumps(value))

        store("coco_karpathy_train.json", captions)
        store("vqa_train.json", questions)
        store("nlvr_train.json", pairs)
        train = data.coco_karpathy.coco_karpathy_train(name, folder, folder)
        vqa = data.vqa.vqa_dataset(name, folder, folder, folder, ["vqa_train"], "train")
        nlvr = data.nlvr.nlvr_dataset(name, folder, folder, "train")
        _, _, answers, weights, counts = data.vqa.vqa_collate_fn(
            [(torch.zeros(1), *vqa[index][1:]) for index in range(len(vqa))]
        )
        images = ["a/COCO_val2014_000000000007.jpg", "x/12.jpg", "p_jpg_0031.jpg", "77"]
        result = {
            "versions": VERSIONS,
            "captions": [{"record": ann, "sample": train[index]} for index, ann in enumerate(captions)],
            "questions": [{"record": ann, "question": vqa[index][1]} for index, ann in enumerate(questions)],
            # All questions' answers in a row, as they are collated; weights as 32-bit floats.
            "answers": {"answers": answers, "weights": weights.tolist(), "counts": counts},
            "pairs": [],
            "image_ids": [],
        }
        for index, ann in enumerate(pairs):
            outcomes = {}
            for outcome, coin in [("kept", 0.0), ("swapped", 0.9)]:
                with mock.patch("random.random", return_value=coin):
                    outcomes[outcome] = nlvr[index]
            result["pairs"].append({"record": ann, **outcomes})
        result["pictures"] = pictures
        for image in images:
            (root / image).parent.mkdir(exist_ok=True)
            Image.new("RGB", (1, 1)).save(root / image, "PNG")
            store("coco_karpathy_val.json", [{"image": image, "caption": ["a"]}])
            evaluation = data.coco_karpathy.coco_karpathy_caption_eval(name, folder, folder, "val")
            result["image_ids"].append({"image": image, "image_id": evaluation[0][1]})
    write_json("record.json", result)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--blip-repo", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=pathlib.Path, required=True)
    options = parser.parse_args()
    head = subprocess.run(
        ["git", "-C", options.blip_repo, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert head == COMMIT, f"the clone is at {head}"
    sys.path.insert(0, str(options.blip_repo))
    sys.dont_write_bytecode = True
    # The original negates an unsigned number, see `AutoContrast`.
    warnings.simplefilter("ignore", RuntimeWarning)
    import transform.randaugment as randaugment

    augmentation(randaugment, options.images)
    crop(randaugment, options.images)
    record()


if __name__ == "__main__":
    main()
