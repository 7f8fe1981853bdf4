"""Makes the goldens of blip-processor: what the references do with the same pictures and texts.

    python make_goldens.py --vocab ../../vocab/bert-base-uncased.txt --images ../../../../examples/images \
        --blip-repo /path/to/a/clone/of/salesforce/BLIP

writes, beside itself:

- resize.json: hashes of noise pictures of many sizes, resized by Pillow.
- decode.json: small picture files of many modes, and the RGB bytes that Pillow reads from them, with transparency
  dropped (`convert("RGB")`) and laid on white (transformers 5.23 `convert_to_rgb`).
- pixel.json: hashes and samples of the pixel values of the example pictures: torchvision's Resize, ToTensor and
  Normalize, and transformers' BlipImageProcessorPil.
- tokenizer.json: ids and decoded texts of transformers' BertTokenizer on the vocabulary file.
- text.json: what the original's `pre_caption` and `pre_question` make of texts. The two functions are read from the
  repository's commit 056a169 and run; nothing of them is stored.

The hash is 64-bit FNV-1a. Versions are stored in every file. Nothing is random: noise comes from the generator of
`noise` below, which the tests repeat.
"""

import argparse
import io
import json
import pathlib
import re
import struct
import subprocess
import zlib

import numpy as np
import PIL
import torch
import torchvision
import transformers
from PIL import Image

HERE = pathlib.Path(__file__).parent
COMMIT = "056a169437371659074aa2732649d5de3bffb4a8"
VERSIONS = {
    "pillow": PIL.__version__,
    "torch": torch.__version__,
    "torchvision": torchvision.__version__,
    "transformers": transformers.__version__,
    "salesforce/BLIP": COMMIT[:7],
}
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def fnv1a(data: bytes) -> str:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def store(name: str, golden: dict) -> None:
    golden = {"versions": VERSIONS, **golden}
    text = json.dumps(golden, ensure_ascii=True, indent=None, separators=(",", ":"))
    # One case a line, so that a change shows as such.
    text = text.replace('},{', '},\n{').replace(':[{', ':[\n{')
    (HERE / name).write_text(text + "\n")
    print(name, len(text))


def noise(width: int, height: int, seed: int) -> np.ndarray:
    """Samples from a linear congruential generator: the high byte of every state, [height, width, 3]."""
    state, samples = seed, bytearray()
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        samples.append(state >> 24)
    return np.frombuffer(bytes(samples), np.uint8).reshape(height, width, 3)


SIZES = [  # (width, height) in, (width, height) out
    ((1, 1), (1, 1)), ((1, 1), (7, 5)), ((1, 1), (384, 384)), ((2, 2), (3, 3)), ((3, 2), (2, 3)), ((7, 5), (1, 1)),
    ((5, 7), (5, 7)), ((5, 7), (5, 3)), ((5, 7), (9, 7)), ((17, 31), (16, 30)), ((16, 16), (15, 17)),
    ((31, 17), (64, 64)), ((64, 64), (31, 17)), ((100, 100), (33, 33)), ((100, 1), (10, 10)), ((1, 100), (10, 10)),
    ((1000, 2), (3, 50)), ((2, 1000), (50, 3)), ((1000, 3), (1, 1)), ((3, 1000), (1, 1)), ((200, 150), (224, 224)),
    ((224, 224), (224, 224)), ((224, 224), (384, 224)), ((224, 224), (224, 384)), ((640, 480), (384, 384)),
    ((333, 500), (384, 384)), ((500, 333), (480, 480)), ((384, 100), (384, 384)), ((100, 384), (384, 384)),
    ((255, 257), (256, 256)), ((257, 255), (256, 256)), ((13, 29), (384, 384)), ((700, 20), (24, 24)),
    ((20, 700), (24, 24)), ((1023, 5), (4, 5)), ((9, 9), (8, 500)), ((767, 3), (384, 1)), ((99, 98), (97, 96)),
    # Where Pillow 13 changes the order of the passes, and just where it does not: 2 * (60 - 40) is 40.
    ((300, 500), (384, 384)), ((60, 90), (40, 50)), ((60, 90), (40, 49)), ((60, 90), (40, 51)), ((60, 90), (90, 60)),
    ((480, 640), (384, 384)), ((225, 300), (224, 224)), ((40, 90), (40, 50)), ((60, 90), (90, 91)),
]


def make_resize() -> None:
    cases = []
    for seed, (source, target) in enumerate(SIZES, 1):
        # Every third picture is black and white, for the largest overshoot.
        samples = noise(*source, seed)
        stark = seed % 3 == 0
        if stark:
            samples = np.where(samples >= 128, 255, 0).astype(np.uint8)
        image = Image.fromarray(samples)
        resized = np.array(image.resize(target, Image.BICUBIC))
        case = {
            "from": source, "to": target, "seed": seed, "stark": stark,
            "hash": fnv1a(resized.tobytes()), "first": resized.reshape(-1)[:6].tolist(),
        }
        # Pillow 13 may choose to begin with the rows; one axis at a time is what Pillow 12 did.
        older = np.array(image.resize((target[0], source[1]), Image.BICUBIC).resize(target, Image.BICUBIC))
        if (older != resized).any():
            case["pillow_12"] = fnv1a(older.tobytes())
        cases.append(case)
    store("resize.json", {"cases": cases})


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, *extra) -> bytes:
    """A PNG of a mode that Pillow cannot write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    raw = b"".join(b"\0" + row for row in rows)
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(raw)),
                     chunk(b"IEND", b"")])


def make_decode() -> None:
    from transformers.image_transforms import convert_to_rgb

    rgb = noise(6, 5, 100)
    alpha = noise(6, 5, 101)[..., :1]
    grey = noise(6, 5, 102)[..., 0]
    files = {}

    def save(name, image, kind, **options):
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        files[name] = buffer.getvalue()

    colour = Image.fromarray(rgb)
    with_alpha = Image.fromarray(np.concatenate([rgb, alpha], -1), "RGBA")
    grey_alpha = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha[..., 0])])
    palette = colour.quantize(16)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("png rgb", colour, "PNG")
    save("png rgba", with_alpha, "PNG")
    save("png grey", Image.fromarray(grey), "PNG")
    save("png grey alpha", grey_alpha, "PNG")
    save("png 1 bit", Image.fromarray(grey).convert("1"), "PNG")
    save("png palette", palette, "PNG")
    save("png palette, one transparent", palette, "PNG", transparency=3)
    save("png palette, opacities", palette, "PNG", transparency=bytes(range(0, 256, 16)))
    save("png rgb, colour key", colour, "PNG", transparency=tuple(rgb[0, 1].tolist()))
    save("png grey, colour key", Image.fromarray(grey), "PNG", transparency=int(grey[1, 1]))
    save("png with exif orientation", colour, "PNG", exif=exif.tobytes())
    files["png interlace-free 2 bit grey"] = png(4, 2, 2, 0, [b"\x1b", b"\xe4"])
    files["png 4 bit grey"] = png(4, 2, 4, 0, [b"\x01\x8f", b"\x7a\xe5"])
    wide = noise(6, 5, 103).astype(np.uint16) * 256 + noise(6, 5, 104)
    wide[0, :3] = [[0, 255, 256], [257, 65535, 65280], [65279, 128, 127]]
    big = wide.astype(">u2")
    files["png 16 bit rgb"] = png(6, 5, 16, 2, [row.tobytes() for row in big])
    files["png 16 bit grey"] = png(6, 5, 16, 0, [row[:, 0].tobytes() for row in big])
    files["png 16 bit dark grey"] = png(6, 5, 16, 0, [(row[:, 0] % 300).astype(">u2").tobytes() for row in wide])
    files["png 16 bit dark grey, colour key"] = png(
        6, 5, 16, 0, [(row[:, 0] % 250).astype(">u2").tobytes() for row in wide],
        chunk(b"tRNS", struct.pack(">H", int(wide[1, 1, 0] % 250))))
    files["png 16 bit grey alpha"] = png(6, 5, 16, 4, [row[:, :2].tobytes() for row in big])
    opaque = np.concatenate([big, big[..., 2:]], -1)
    files["png 16 bit rgba"] = png(6, 5, 16, 6, [row.tobytes() for row in opaque])
    every = np.stack(np.meshgrid(np.arange(0, 256, 3), np.arange(0, 256, 5)), -1).astype(np.uint8)
    save("png grey alpha, many opacities", Image.merge("LA", [Image.fromarray(np.ascontiguousarray(every[..., 0])),
                                                             Image.fromarray(np.ascontiguousarray(every[..., 1]))]),
         "PNG", optimize=True)
    save("bmp rgb", colour, "BMP")
    save("bmp grey", Image.fromarray(grey), "BMP")
    save("bmp palette", palette, "BMP")
    save("bmp 1 bit", Image.fromarray(grey).convert("1"), "BMP")
    save("tiff rgb", colour, "TIFF")
    save("tiff rgba", with_alpha, "TIFF")
    save("tiff grey", Image.fromarray(grey), "TIFF")
    save("tiff 16 bit grey", Image.fromarray(wide[..., 0] % 300), "TIFF")
    save("tiff rgb lzw", colour, "TIFF", compression="tiff_lzw")
    save("tiff cmyk", colour.convert("CMYK"), "TIFF")
    save("tiff upright by its orientation", colour, "TIFF", exif=exif)
    save("gif", palette, "GIF")
    save("gif, one transparent", palette, "GIF", transparency=3)
    save("gif, two frames", palette, "GIF", save_all=True, append_images=[palette.rotate(180)])
    save("webp lossless rgb", colour, "WEBP", lossless=True)
    save("webp lossless rgba", with_alpha, "WEBP", lossless=True, exact=True)
    smooth = colour.resize((24, 20), Image.BICUBIC)
    save("webp lossy", smooth, "WEBP", quality=80)
    save("jpeg 4:2:0", smooth, "JPEG", quality=90)
    save("jpeg 4:4:4", smooth, "JPEG", quality=90, subsampling=0)
    save("jpeg progressive", smooth, "JPEG", quality=90, progressive=True)
    save("jpeg grey", smooth.convert("L"), "JPEG", quality=90)
    save("jpeg cmyk", smooth.convert("CMYK"), "JPEG", quality=90)
    save("jpeg with exif orientation", smooth, "JPEG", quality=90, exif=exif.tobytes())

    cases = []
    for name, data in files.items():
        def opened():
            return Image.open(io.BytesIO(data))
        dropped = np.array(opened().convert("RGB"))
        white = convert_to_rgb(opened(), return_numpy=True)
        case = {"name": name, "mode": opened().mode, "size": dropped.shape[1::-1], "file": data.hex(),
                "rgb": dropped.tobytes().hex() if dropped.size < 2000 else fnv1a(dropped.tobytes())}
        if (white != dropped).any():
            case["white"] = fnv1a(white.tobytes())
        cases.append(case)
    store("decode.json", {"cases": cases})


def make_pixel(images: pathlib.Path) -> None:
    from torchvision import transforms
    from torchvision.transforms.functional import InterpolationMode
    from transformers.models.blip.image_processing_blip import BlipImageProcessor
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    cases = []
    for path in sorted(images.iterdir()):
        if path.suffix not in (".png", ".jpg"):
            continue
        image = Image.open(path).convert("RGB")
        for size in (384, 224):
            resize = transforms.Resize((size, size), interpolation=InterpolationMode.BICUBIC)
            salesforce = transforms.Compose([resize, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])(image).numpy()
            sides = {"height": size, "width": size}
            hugging_face = np.asarray(BlipImageProcessorPil(size=sides)(image)["pixel_values"][0])
            fused = BlipImageProcessor(size=sides)(image)["pixel_values"][0].numpy()
            assert salesforce.dtype == hugging_face.dtype == np.float32
            print(path.name, size, "between references", np.abs(salesforce - hugging_face).max(),
                  "torchvision processor, levels", (np.abs(fused - hugging_face) / (1 / 255 / np.array(STD)[:, None, None])).max())
            places = [0, 1, size * size // 2 + 7, size * size, 2 * size * size + 99, 3 * size * size - 1]
            cases.append({
                "image": path.name, "size": size, "resized": fnv1a(np.array(resize(image)).tobytes()),
                "salesforce": fnv1a(np.ascontiguousarray(salesforce).tobytes()),
                "hugging_face_pil": fnv1a(np.ascontiguousarray(hugging_face).tobytes()),
                "mean": float(salesforce.mean(dtype=np.float64)), "places": places,
                "values": [float(salesforce.reshape(-1)[place]) for place in places],
            })
    # A picture that has the size already: what is left is the arithmetic of the two Hugging Face processors.
    samples = noise(64, 48, 7)
    sides = {"height": 48, "width": 64}
    unresized = {
        "from": [64, 48], "seed": 7,
        "pil": fnv1a(np.asarray(BlipImageProcessorPil(size=sides)(Image.fromarray(samples))["pixel_values"][0]).tobytes()),
        "torchvision": fnv1a(BlipImageProcessor(size=sides)(Image.fromarray(samples))["pixel_values"][0].numpy().tobytes()),
    }
    store("pixel.json", {"unresized": unresized, "cases": cases})


TEXTS = [
    "", " ", "a", "a picture of ", "a woman sitting on the beach with her dog", "A Woman Sitting On The Beach",
    "where is the woman sitting?", "A man's dog.", "don't, won't, can't; I'm we've they're he'd you'll",
    "it's 5 o'clock", "rock 'n' roll", "t-shirt", "mother-in-law", "state-of-the-art", "3.14159", "1,000,000", "$5.99",
    "50%", "10:30pm", "#hashtag @user", "C++ and C#", "a/b\\c", "user@example.com", "https://example.com/a?b=c&d=e",
    "café", "cafe\u0301", "naïve façade", "Ångström", "ÀÉÎÕÜ àéîõü", "Straße", "ŁÓDŹ", "İstanbul", "ﬁne ligature",
    "½ cup", "x² + y³", "日本語", "中国的狗", "a狗b猫", "한국어 문장", "ひらがな カタカナ", "Привет мир",
    "Γειά σου Κόσμε", "ΟΔΥΣΣΕΥΣ", "שלום עולם", "مرحبا بالعالم", "नमस्ते", "สวัสดี", "tiếng Việt", "mixed 中 русский mix",
    "😀", "a dog 🐕 and a 👨‍👩‍👧", "🇩🇪 flag", "♥ ★ ☎", "…", "“quoted” ‘text’", "a—b–c", "¿qué?", "!?!?", "...", "'", "' '",
    "\"", "a . b", "( a )", "[x]", "{y}", "<z>", "~`^_=+|", "tab\there", "new\nline", "carriage\r\nreturn",
    "non\u00a0breaking", "thin\u2009space", "ideographic\u3000space", "zero\u200bwidth", "bom\ufeffinside",
    "soft\u00adhyphen", "line\u2028separator", "vertical\x0btab", "form\x0cfeed", "unit\x1fseparator", "next\x85line",
    "nul\x00byte", "bell\x07", "delete\x7f", "replacement\ufffdcharacter", "private\ue000use", "unassigned\U000e0080x",
    "   leading and trailing   ", "many     spaces", "a" * 99, "a" * 100, "a" * 101, "b" * 300, "é" * 60, "e\u0301" * 60,
    "supercalifragilisticexpialidocious", "pneumonoultramicroscopicsilicovolcanoconiosis", "antidisestablishmentarianism",
    "qzxjkvw", "xxxxxxxxxxxxxxxxxxxx", "##ing", "a ##b", "# # a", "unaffable", "[CLS]", "[SEP]", "a [SEP] b", "[DEC]",
    "[ENC] what is this?", "[PAD][UNK][MASK]", "[cls] [sep]", "[ SEP ]", "[MASK]ed", "[DEC]a picture of[SEP]",
    "the quick brown fox jumps over the lazy dog", "1 2 3 4 5 6 7 8 9 10", "ａｂｃ ＡＢＣ", "𝒜𝓁𝓅𝒽𝒶", "\u0130\u0131", "ǅ", "ẞ",
]
LONG = "a dog's ball, unaffable " * 100


def make_tokenizer(vocab: pathlib.Path) -> None:
    from transformers import BertTokenizerFast

    words = vocab.read_text(encoding="utf-8").splitlines()
    tokenizer = BertTokenizerFast(vocab={word: index for index, word in enumerate(words)})
    assert len(tokenizer) == 30522, len(tokenizer)
    salesforce = BertTokenizerFast(vocab={word: index for index, word in enumerate(words)})
    salesforce.add_special_tokens({"bos_token": "[DEC]"})
    salesforce.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    assert salesforce.convert_tokens_to_ids(["[DEC]", "[ENC]"]) == [30522, 30523]

    def decode(ids):
        return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=True)

    encoded = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        case = {"text": text, "hugging_face": ids, "decoded": decode(ids)}
        for name, other in [
            ("salesforce", salesforce(text)["input_ids"]),
            ("literal", tokenizer(text, split_special_tokens=True)["input_ids"]),
        ]:
            if other != ids:
                case[name] = other
        encoded.append(case)
    truncated = []
    for max_length in (2, 3, 35, 40, 512, None):
        ids = tokenizer(LONG, truncation=max_length is not None, max_length=max_length)["input_ids"]
        truncated.append({"max_length": max_length, "length": len(ids), "first": ids[:8], "last": ids[-4:],
                          "hash": fnv1a(struct.pack(f"<{len(ids)}I", *ids))})

    def row(text):
        return tokenizer.convert_tokens_to_ids(text.split())

    rows = [
        [], [102], [101, 102, 0, 0], [30522, 1037, 3861, 1997, 1037, 3899, 102], [30523, 30522, 100, 103, 0],
        [99999, 1037, 40000, 3899], row("man ' s"), row("don ' t"), row("i ' m"), row("we ' ve they ' re you ' ll he ' d"),
        row("a . b , c ! d ? e"), row(". a"), row("' a '"), row("' ' '"), row("' s"), row("dog ' s . ' s"),
        row("##ing ##s"), row("un ##aff ##able"), row("a ##s . ##s"), row("[CLS] ##s a [SEP] ##s"), row("a [SEP] ##s"),
        row("t - shirt"), row("( a )"), row("a . . ."), row("n ' t"), row("5 . 5"), row("a ' . '"), row("x ' re ' re"),
        row("a : b ; c"), row("\" hi \""), row("rock ' n ' roll"), row("mother ' s - in - law ' s"), row("? ! ."),
        row("the man in the blue shirt is sitting on a bench ."), row("do not"), row("中 国"),
    ]
    decoded = [{"ids": ids, "text": decode(ids)} for ids in rows]
    store("tokenizer.json", {"encoded": encoded, "long": LONG[:24], "repeats": 100, "truncated": truncated,
                             "decoded": decoded})


CLEANING = [
    "", " ", "\n", "a", "A Dog.", "A dog (brown), asleep!", "a  b", "a   b    c", "a\tb", "a\t\tb", "a \tb", "a \n", "a\n ", "a\n",
    "a\n\n", "\na", " a", "a ", "a.b", "a. b", "a .b", "...", "!\"()*#:;~", "a;b:c", "a~b", "what's this?", "is it red/blue?",
    "1,000", "T-Shirt", "É À", "İstanbul", "ΟΔΥΣΣΕΥΣ", "a\u00a0b", "a\u00a0\u00a0b", "a\u2003 b", "a\x1c\x1db", "a\x85b",
    "a\x85 b", "a\u200b\u200bb", "a\u3000\u3000b", " . a . ", "one two three four five six", "one  two  three  four five",
    "one. two. three. four.", "Is the dog (left) #1?  ", "q.  ", "where is it ? ", "a  b  c  d", "\t\ta\t\t", "a\r\n", "x *y* z",
    "“Quoted” text.", "don't\nknow", "word " * 60,
]


def make_text(repository: str) -> None:
    source = subprocess.run(["git", "-C", repository, "show", f"{COMMIT}:data/utils.py"], check=True,
                            capture_output=True, text=True).stdout
    # The two functions only: the rest of the file imports what is not needed here.
    start, end = source.index("def pre_caption"), source.index("def save_result")
    original = {"re": re}
    exec(source[start:end], original)
    cases = [{"text": text, "max_words": words, "caption": original["pre_caption"](text, words),
              "question": original["pre_question"](text, words)} for text in CLEANING for words in (3, 30)]
    store("text.json", {"cases": cases})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--blip-repo", required=True)
    arguments = parser.parse_args()
    print(VERSIONS)
    make_resize()
    make_decode()
    make_pixel(arguments.images)
    make_tokenizer(arguments.vocab)
    make_text(arguments.blip_repo)
