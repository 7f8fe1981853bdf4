"""What the generators share: a small vocabulary, seeded weights and pictures, and the file that holds a golden."""

import contextlib
import itertools
import json
import pathlib
import platform
import struct

import numpy
import torch
from PIL import Image

# Entries of bert-base-uncased, so that a caption of a random model is still made of words.
WORDS = """
a an the picture photo photograph drawing painting of and or with without in on at by to from over under near next
behind beside is are was there it this that two three four one many some no her his their who
man men woman women person people child boy girl baby dog dogs cat cats horse horses cow sheep bird birds bear elephant
fish beach sea ocean water river lake sand sky sun snow rain grass tree trees forest mountain field park garden street
road city town building house room kitchen bed table chair couch door window wall floor bridge tower
car cars bus train truck boat ship plane bicycle
red blue green yellow black white brown gray orange pink dark bright big small large little old young long short tall
happy wet sitting standing walking running playing eating sleeping holding riding looking watching wearing flying
swimming driving jumping reading lying
ball book cup plate food cake apple banana bread pizza cheese coffee tea glass bottle hat shirt dress shoes umbrella
phone camera computer clock flower flowers light fire
. , ' - ? ! ##s ##ing ##ed ##er ##ly ##y
""".split()
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS
PAD, UNK, CLS, SEP, MASK = range(5)
# As in the published checkpoints, the two additions of BLIP are not in vocab.txt: they follow its last entry.
DEC, ENC = len(VOCAB), len(VOCAB) + 1
VOCAB_SIZE = len(VOCAB) + 2
PROMPT = "a picture of"
PROMPT_IDS = [DEC] + [VOCAB.index(word) for word in PROMPT.split()]

# Logits are disturbed by this much, several times, to prove that no recorded id hangs on a rounding error.
NOISE = 1e-3


def setup():
    """One thread, one seed and no nondeterministic kernel: the same file on every run."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.set_grad_enabled(False)


def versions(**packages):
    """The versions that made a golden, printed and stored."""
    found = {"python": platform.python_version(), "torch": torch.__version__, **packages}
    print(", ".join(f"{name} {version}" for name, version in found.items()))
    return found


def write_vocab(folder):
    """`vocab.txt` as bert-base-uncased has it: one entry a line, the line number is the id."""
    pathlib.Path(folder, "vocab.txt").write_text("\n".join(VOCAB) + "\n", encoding="utf-8")


def seed_weights(model, seed, sep_bias):
    """Draws every parameter, in the order of the names, wide enough that attention, biases and norms all matter.

    The language model's bias keeps special tokens out of captions and says, by `sep_bias`, how soon they end.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        normal = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim == 0:
            continue  # The temperature keeps its value.
        if parameter.ndim == 1:
            parameter.copy_(1 + 0.2 * normal if name.endswith(".weight") else 0.1 * normal)
        elif "position_emb" in name or "pos_embed" in name:
            parameter.copy_(0.6 * normal)
        elif "embeddings" in name and "patch" not in name or "cls_token" in name:
            parameter.copy_(0.4 * normal)
        else:
            # Residual branches stay small, so that every token still says which word and which position it was.
            gain = 0.9 if "crossattention.output" in name else 0.5 if "output.dense" in name else 1.5
            parameter.copy_(gain * normal / parameter[0].numel() ** 0.5)
        if name.endswith("cls.predictions.bias"):
            parameter[[PAD, UNK, CLS, MASK, DEC, ENC]] = -12.0
            parameter[SEP] = sep_bias
    return model.eval()


def pictures(seed=7):
    """Three pictures of coloured blocks with some grain, [3, 40, 48, 3] u8."""
    random = numpy.random.default_rng(seed)
    blocks = random.integers(0, 256, (3, 5, 6, 3))
    blocks = blocks.repeat(8, axis=1).repeat(8, axis=2)
    return (blocks + random.integers(-20, 21, blocks.shape)).clip(0, 255).astype(numpy.uint8)


def more_pictures():
    """Three others for the tasks that want six."""
    return pictures(seed=8)


def write_pictures(folder, some=None, first=0):
    """`picture_0.png` and so on."""
    for index, picture in enumerate(pictures() if some is None else some, first):
        Image.fromarray(picture).save(pathlib.Path(folder, f"picture_{index}.png"))


def teacher_forced(seed, rows=2, length=9):
    """[DEC] and then words at random, [rows, length]."""
    ids = torch.randint(MASK + 1, DEC, (rows, length), generator=torch.Generator().manual_seed(seed))
    ids[:, 0] = DEC
    return ids


@contextlib.contextmanager
def noise(language_model_head, seed):
    """Disturbs every logit by a little."""
    generator = torch.Generator().manual_seed(seed)
    hook = language_model_head.register_forward_hook(
        lambda _module, _inputs, logits: logits + NOISE * torch.randn(logits.shape, generator=generator)
    )
    try:
        yield
    finally:
        hook.remove()


def rows(ids, prompt_length):
    """The rows of a batch without what fills them up: each ends with its [SEP], or with its last token."""
    found = []
    for row in ids.tolist():
        ends = [index for index in range(prompt_length, len(row)) if row[index] == SEP]
        row = row[: ends[0] + 1] if ends else row
        found.append([token for token in row if token != PAD])
    return found


def token_log_probs(logits, ids, prompt_length):
    """log p of each generated token under the bare model; 0 for the prompt and after the first [SEP].

    `logits` [rows, length - 1, vocab] come from feeding `ids` [rows, length] back, teacher forced.
    """
    picked = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    found = torch.zeros(ids.shape)
    for index, row in enumerate(rows(ids, prompt_length)):
        found[index, prompt_length : len(row)] = picked[index, prompt_length - 1 : len(row) - 1]
    return found


def assert_close(found, expected, what, tolerance=1e-4):
    """Two ways to the same values, which may differ by rounding alone."""
    difference = (found - expected).abs().max().item()
    assert difference <= tolerance, f"{what}: differ by {difference}"


def assert_varied(scores, what, least=0.05):
    """[pictures, texts, …]: any two pictures and any two texts score differently, far beyond rounding."""
    for axis, name in enumerate(("pictures", "texts")):
        for one, other in itertools.combinations(scores.unbind(axis), 2):
            difference = (one - other).abs().max().item()
            assert difference >= least, f"{what}: two {name} differ by {difference}"


def record_samples(values, language_model_head, prompt_length, seed, settings, sample):
    """Sampled ids and the probabilities that each was drawn from, which another random generator can be held to."""

    def run():
        torch.manual_seed(seed)
        output = sample()
        probabilities = torch.stack(output.scores, dim=1).softmax(-1)
        for index, row in enumerate(rows(output.sequences, prompt_length)):
            probabilities[index, len(row) - prompt_length :] = 0
        return output.sequences, probabilities

    ids, probabilities = run()
    for disturbance in range(4):
        with noise(language_model_head, disturbance):
            shaken, others = run()
        assert torch.equal(ids, shaken) and torch.equal(probabilities > 0, others > 0), "sample: not robust"
    for row in rows(ids, prompt_length):
        print("  sample:", " ".join(VOCAB[token] for token in row[prompt_length:]))
    values.add("sample.ids", ids)
    values.add("sample.probabilities", probabilities)
    values.metadata["sample"] = settings


class Golden:
    """Named tensors and texts, written as one safetensors file with the same bytes on every run."""

    def __init__(self, versions, **metadata):
        self.tensors = {}
        self.cases = []
        self.metadata = {"versions": versions, **metadata}

    def add(self, name, tensor):
        assert name not in self.tensors, name
        self.tensors[name] = torch.as_tensor(tensor).contiguous()

    def case(self, name, ids, texts, log_probs, scores=None, **settings):
        """One call of `generate`: its ids as returned, its texts, and what was asked for."""
        self.add(f"{name}.ids", ids)
        self.add(f"{name}.token_log_probs", log_probs)
        if scores is not None:
            self.add(f"{name}.sequence_scores", scores)
        self.cases.append({"name": name, **settings, "texts": texts})
        for text in texts:
            print(f"  {name}: {text}")

    def save(self, path):
        # safetensors.torch.save_file writes the metadata in an order that differs from run to run.
        metadata = {**self.metadata, "cases": self.cases}
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}
        header, offset, data = {"__metadata__": dict(sorted(texts.items()))}, 0, []
        for name, tensor in sorted(self.tensors.items()):
            dtype = {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype]
            data.append(tensor.numpy().tobytes())
            header[name] = {
                "dtype": dtype,
                "shape": list(tensor.shape),
                "data_offsets": [offset, offset + len(data[-1])],
            }
            offset += len(data[-1])
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))
        print(f"{path}: {8 + len(text) + offset} bytes, {len(self.tensors)} tensors")
