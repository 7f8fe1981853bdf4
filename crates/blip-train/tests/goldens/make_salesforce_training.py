"""Makes the goldens of BLIP's training: what salesforce/BLIP@056a169 loses, where to, and where that takes its weights.

    git clone https://github.com/salesforce/BLIP && git -C BLIP checkout 056a169
    pip install torch==2.14.1 torchvision==0.29.2 safetensors==0.8.0
    pip download --no-deps transformers==4.15.0 timm==0.4.12
    unzip -d transformers-4.15.0 transformers-4.15.0-*.whl && unzip -d timm-0.4.12 timm-0.4.12-*.whl
    python make_salesforce_training.py --blip BLIP --transformers transformers-4.15.0 --timm timm-0.4.12 [--out FOLDER]

Writes beside itself, or into FOLDER:
  pretrain_weights.safetensors, retrieval_weights.safetensors, caption_weights.safetensors, vqa_weights.safetensors,
  nlvr_weights.safetensors   what each model starts from, with the original's names
  pretrain_1.safetensors, pretrain_1_after.safetensors, pretrain_2.safetensors   two steps of BLIP_Pretrain
  retrieval.safetensors      one step of BLIP_Retrieval
  caption.safetensors, caption_after.safetensors   three steps of BLIP_Decoder
  vqa.safetensors, nlvr.safetensors   one step of BLIP_VQA and of BLIP_NLVR
  schedule.json              learning rates and alpha
README.md beside this file names every tensor. Running it twice gives the same bytes.
"""

import argparse
import contextlib
import copy
import dataclasses
import io
import itertools
import json
import pathlib
import re
import sys
import tempfile
import types

import safetensors.torch
import torch
from torch.nn.functional import normalize

# The models are made small, and the original is made to run, as for what it computes without training.
sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "blip-core" / "tests" / "goldens"))
import golden  # noqa: E402
import make_salesforce_tasks  # noqa: E402
from make_salesforce import pixel_values  # noqa: E402

# As in make_salesforce.py: heads are 64 wide and the vision's MLP is twice as wide as its tokens.
PRETRAIN = {"width": 64, "depth": 1, "text": {"hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 64}}
RETRIEVAL = {"width": 64, "depth": 1, "text": {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 64}}
CAPTION = {"width": 64, "depth": 2, "text": {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 64}}
VQA = {"width": 64, "depth": 1, "text": {"hidden_size": 64, "num_hidden_layers": 1, "intermediate_size": 64}}
NLVR = {"width": 64, "depth": 1, "text": {"hidden_size": 64, "num_hidden_layers": 8, "intermediate_size": 16}}
POSITIONS, EMBED_DIM, QUEUE_SIZE = 40, 16, 12
SEEDS = {"pretrain": 1, "retrieval": 2, "caption": 3, "vqa": 4, "nlvr": 5}
WEIGHT_DECAY, LEARNING_RATE, CAPTION_LEARNING_RATE = 0.05, 1e-3, 1e-4

# The fourth has more tokens than the 30 that pre-training keeps, and the last more than the 35 of retrieval.
CAPTIONS = [
    "a picture of a man riding a horse",
    "two dogs on the beach, sleeping",
    "snow",
    "a man and a woman and a boy and a girl with three dogs and two cats and a horse and four birds are walking by the "
    "river in the park",
    "an old train near the bridge",
    "the boys' hats are red",
]
RETRIEVAL_TEXTS = [
    "a dog",
    "a picture of two horses in the snow",
    "the boys' hats are red, and her shoes are black?",
    "a man and a woman and a boy and a girl with three dogs and two cats and a horse and four birds are walking by the "
    "river in the park near the old bridge under the dark sky",
]
PROMPTED = [
    "a picture of a man riding a horse",
    "a picture of two dogs on the beach, sleeping",
    "a picture of snow",
]
QUESTIONS = ["what is it?", "who is riding the brown horse near the river?", "are there two dogs or cats?"]
ANSWERS = [["red", "red and white"], ["a man"], ["dogs", "two dogs", "in the boys' room"]]
ANSWER_WEIGHTS = [[0.7, 0.3], [0.2], [0.6, 0.3, 0.1]]
PAIRS = [[0, 1], [1, 2], [2, 3], [4, 4]]
STATEMENTS = [
    "there are two dogs.",
    "one picture is of a red car, and the other is of people sitting at a table near the beach!",
    "no bird is flying in the snow",
    "the cat is the same",
]
TARGETS = [1, 0, 1, 0]

# A gradient hangs on rounding alone where it is less than this.
NO_GRADIENT = 1e-6
# An element of a gradient says where AdamW takes its weight if it is so many times the rounding in its tensor.
SURE = 30


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blip", type=pathlib.Path, required=True, help="checkout of salesforce/BLIP@056a169")
    parser.add_argument("--transformers", type=pathlib.Path, required=True, help="unpacked wheel of 4.15.0")
    parser.add_argument("--timm", type=pathlib.Path, required=True, help="unpacked wheel of 0.4.12")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    arguments = parser.parse_args()
    versions = make_salesforce_tasks.setup(arguments.blip, arguments.transformers, arguments.timm)
    alone_in_the_world()
    double_precision()
    with tempfile.TemporaryDirectory() as folder:
        for record in (record_pretrain, record_retrieval, record_caption, record_vqa, record_nlvr):
            record(pathlib.Path(folder), arguments.out, versions)
    record_schedules(arguments.blip, arguments.out, versions)


# ---- The original, small, without dropout, in one process


def alone_in_the_world():
    """One process, in which gathering is copying."""

    def all_gather(gathered, tensor, **_settings):
        gathered[0].copy_(tensor)

    torch.distributed.get_world_size = lambda: 1
    torch.distributed.get_rank = lambda: 0
    torch.distributed.all_gather = all_gather


def double_precision():
    """Lets transformers 4.15 mask cross-attention in f64 as it does in f32."""
    from transformers.modeling_utils import ModuleUtilsMixin

    invert = ModuleUtilsMixin.invert_attention_mask

    def invert_attention_mask(self, mask):
        if self.dtype == torch.float64:
            return (1 - mask[:, None, None, :].double()) * -1e9
        return invert(self, mask)

    ModuleUtilsMixin.invert_attention_mask = invert_attention_mask


def small(folder, sizes, **changes):
    settings = make_salesforce_tasks.small(folder, sizes)
    config = pathlib.Path(settings["med_config"])
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "max_position_embeddings": POSITIONS}
    config.write_text(json.dumps({**json.loads(config.read_text()), **still, **changes}))
    return settings


def seeded(model, name, temperature=None):
    """Weights that f16 holds, so that a file of them is small; queues and temperature as after some steps."""
    golden.seed_weights(model, SEEDS[name], sep_bias=0.0)
    generator = torch.Generator().manual_seed(SEEDS[name])
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("cls.predictions.bias"):
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        if parameter.ndim > 0:
            parameter.copy_(parameter.half())
    if temperature is not None:
        model.temp.fill_(temperature)
        for queue in (model.image_queue, model.text_queue):
            queue.copy_(normalize(torch.randn(queue.shape, generator=generator), dim=0))
    for module in model.modules():
        assert type(module).__name__ != "DropPath", "nothing is to be dropped"
        assert not isinstance(module, torch.nn.Dropout) or module.p == 0, "nothing is to be dropped"
    return model.train()


def save_weights(model, path):
    """The state dict, whatever is shared under each of its names: parameters in f16, the rest as it is."""
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    state = {}
    for name, tensor in model.state_dict().items():
        state[name] = tensor.half() if name in parameters and tensor.ndim > 0 else tensor.clone()
        assert torch.equal(state[name].to(tensor.dtype), tensor), name
    path.write_bytes(safetensors.torch.save(state))
    print(f"{path}: {path.stat().st_size} bytes, {len(state)} tensors")


def names(model):
    """Parameters that are trained, each under one name, and the other names of those that are shared."""
    found = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter.requires_grad:
            found.setdefault(id(parameter), (parameter, []))[1].append(name)
    parameters, tied = {}, {}
    for parameter, aliases in found.values():
        # `min` keeps the first of equals.
        name = min(aliases, key=lambda alias: (not alias.startswith("text_decoder.bert."), len(alias)))
        parameters[name] = parameter
        if len(aliases) > 1:
            tied[name] = [alias for alias in aliases if alias != name]
    return dict(sorted(parameters.items())), dict(sorted(tied.items()))


# ---- Steps

# What they are called in the original.
LOSSES = ("loss_i2t", "loss_t2i", "loss_ita", "loss_itm", "loss_lm")
LOGITS = ("sim_i2t", "sim_t2i", "sim_i2t_m", "sim_t2i_m", "vl_output", "prediction")


@dataclasses.dataclass
class Step:
    """What one call of the model and one of the optimizer did."""

    losses: dict
    locals: dict
    draws: list
    drawn_from: list
    gradients: dict
    after: dict


@contextlib.contextmanager
def locals_of(function, found):
    """Keeps the variables with which a function returned: most of what a loss is made of has no other way out."""

    def profile(frame, event, _argument):
        if event == "return" and frame.f_code is function.__code__:
            found.update(frame.f_locals)

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


@contextlib.contextmanager
def enqueueing(model, found):
    """Keeps the variables with which the model went to fill its queues: retrieval assigns to some again."""
    enqueue = getattr(model, "_dequeue_and_enqueue", None)

    def keep(*features):
        found.update({name: value for name, value in sys._getframe(1).f_locals.items() if name.startswith("sim_")})
        return enqueue(*features)

    if enqueue is not None:
        model._dequeue_and_enqueue = keep
    try:
        yield
    finally:
        if enqueue is not None:
            del model._dequeue_and_enqueue


@contextlib.contextmanager
def multinomial(given, draws, drawn_from):
    """Keeps what was drawn, in the order of the calls; where `given` has it, that is drawn."""
    draw = torch.multinomial

    def keep(weights, samples):
        drawn_from.append(weights.detach().clone())
        draws.append(int(draw(weights, samples)) if given is None else given[len(draws)])
        assert weights[draws[-1]] > 0
        return torch.tensor([draws[-1]])

    torch.multinomial = keep
    try:
        yield
    finally:
        torch.multinomial = draw


def in_precision(value, dtype):
    return value.to(dtype) if torch.is_tensor(value) and value.is_floating_point() else value


def run(model, batches, rates, given=None, noise=None):
    """Trains a copy of the model: `batches` are the arguments of its calls, `rates` the learning rates.

    `given` are the draws of each step, and `noise` is how much each gradient is disturbed.
    """
    model = copy.deepcopy(model)
    parameters, _ = names(model)
    dtype = next(iter(parameters.values())).dtype
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0 if noise is None else noise[0])
    steps = []
    for index, (batch, rate) in enumerate(zip(batches, rates)):
        found, before, draws, drawn_from = {}, {}, [], []
        batch = {name: in_precision(value, dtype) for name, value in batch.items()}
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.enable_grad())
            stack.enter_context(locals_of(type(model).forward, found))
            stack.enter_context(enqueueing(model, before))
            stack.enter_context(multinomial(given and given[index], draws, drawn_from))
            result = model(**batch)
            parts = result if isinstance(result, tuple) else (result,)
            loss = sum(parts[1:], parts[0])
        optimizer.zero_grad()
        loss.backward()
        gradients = {name: parameter.grad.clone() for name, parameter in parameters.items()}
        if noise is not None:
            for name, parameter in parameters.items():
                parameter.grad += noise[1][index][name] * torch.randn(parameter.shape, generator=generator)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        losses = {name: found[name].detach() for name in LOSSES if name in found} if len(parts) > 1 else {}
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        kept = {
            name: value.detach() if torch.is_tensor(value) else value for name, value in {**found, **before}.items()
        }
        steps.append(Step({**losses, "loss": loss.detach()}, kept, draws, drawn_from, gradients, state))
    return steps


def difference(some, others):
    """The greatest of all values of the same names, or of the first tensors."""
    if torch.is_tensor(some):
        return (some.double() - others.double()).abs().max().item()
    return max(difference(some[name], others[name]) for name in some)


class Training:
    """Some steps in f32, and the same in f64 and disturbed, which say how much of them is rounding.

    Disturbed is each element of each gradient, by some times what it is wrong by itself.
    """

    def __init__(self, model, batches, rates=(LEARNING_RATE,)):
        self.model, self.rates = model, rates
        self.steps = run(model, batches, rates)
        given = [step.draws for step in self.steps]
        self.exact = run(copy.deepcopy(model).double(), batches, rates, given)
        again = run(model, batches, rates, given)
        assert all(difference(one.after, other.after) == 0 for one, other in zip(self.steps, again))
        self.parameters, self.tied = names(model)
        self.disturbed = []
        if len(self.steps) > 1:
            noise = [
                {name: 4 * (step.gradients[name] - exact.gradients[name]).abs().float() for name in self.parameters}
                for step, exact in zip(self.steps, self.exact)
            ]
            self.disturbed = [run(model, batches, rates, given, (seed, noise)) for seed in range(4)]
        others = (self.exact, *self.disturbed)
        self.noise = [
            {
                name: max(difference(gradient, other[index].gradients[name]) for other in others)
                for name, gradient in step.gradients.items()
            }
            for index, step in enumerate(self.steps)
        ]

    def rounding(self, index):
        """How far f32 is from f64 at this step, and how far from itself where gradients before were disturbed."""
        step, exact = self.steps[index], self.exact[index]
        scale = {name: gradient.abs().max().item() for name, gradient in exact.gradients.items()}
        large = {name: value for name, value in scale.items() if value >= NO_GRADIENT}
        relative = {name: difference(step.gradients[name], exact.gradients[name]) / large[name] for name in large}
        worst = max(relative, key=relative.get)
        found = {
            "loss": difference(step.losses, exact.losses),
            "gradient": difference(step.gradients, exact.gradients),
            "relative": relative[worst],
            "relative_of": worst,
        }
        for name in LOGITS:
            if name in step.locals:
                found[name] = difference(step.locals[name], exact.locals[name])
        if index > 0:
            others = [other[index] for other in self.disturbed]
            found["loss_disturbed"] = max(difference(step.losses, other.losses) for other in others)
            found["gradient_disturbed"] = max(difference(step.gradients, other.gradients) for other in others)
            found["relative_disturbed"] = max(
                difference(step.gradients[name], other.gradients[name]) / large[name]
                for other in others
                for name in large
            )
        return {name: value if isinstance(value, str) else float(f"{value:.1e}") for name, value in found.items()}

    def no_gradient(self, index):
        """The parameters whose gradient is rounding alone, wherever it is not zero."""
        gradients = self.exact[index].gradients
        return [name for name, gradient in gradients.items() if gradient.abs().max() < NO_GRADIENT]

    def sure(self, name, index):
        """The elements of a parameter that AdamW takes to the same place whatever the rounding.

        Its first steps are as long for a small gradient as for a large one, so what counts is the sign.
        """
        sure = torch.ones(self.parameters[name].shape, dtype=torch.bool)
        for step, exact, noise in zip(self.steps[: index + 1], self.exact, self.noise):
            gradient, zero = step.gradients[name], exact.gradients[name] == 0
            sure &= (gradient.abs() > max(NO_GRADIENT, SURE * noise[name])) | zero & (gradient == 0)
        return sure

    def add_after(self, values, index, wanted=None):
        """The parameters after this step, online and momentum; NaN is what hangs on rounding."""
        counts, farthest = [0, 0], 0.0
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            if parameter.requires_grad:
                if name not in self.parameters or wanted and not wanted(name, parameter):
                    continue
                sure = self.sure(name, index)
            else:
                if wanted and not wanted(name, parameter):
                    continue
                # As the parameter that it follows was before this step.
                sure = self.sure(self.followed(name), index - 1) if index > 0 else torch.ones_like(parameter).bool()
            after = self.steps[index].after[name]
            for other in (self.exact, *self.disturbed):
                if sure.any():
                    farthest = max(farthest, difference(after[sure], other[index].after[name][sure]))
            counts[0] += after.numel()
            counts[1] += after.numel() - int(sure.sum())
            values.add(f"after.{name}", after.where(sure, torch.tensor(float("nan"))))
        assert farthest <= 0.02 * self.rates[0], f"after step {index + 1}: differ by {farthest}"
        values.metadata["after"] = {"rounding": float(f"{farthest:.1e}"), "elements": counts[0], "left_out": counts[1]}
        print(f"  after step {index + 1}: {values.metadata['after']}")

    def followed(self, name):
        """The parameter of which this is the momentum copy."""
        first, rest = name.split(".", 1)
        name = f"{first.removesuffix('_m')}.{rest}"
        return next(one for one in self.parameters if one == name or name in self.tied.get(one, ()))

    def add_step(self, values, index, whole=None):
        """Losses and gradients; of matrices that are not `whole`, the sum of each row and the length."""
        step = self.steps[index]
        for name, loss in step.losses.items():
            values.add(name, loss)
        for name, gradient in step.gradients.items():
            if gradient.ndim < 2 or whole is None or whole(name):
                values.add(f"grad.{name}", gradient)
            else:
                values.add(f"grad_sum.{name}", gradient.flatten(1).sum(1))
                values.add(f"grad_norm.{name}", gradient.norm())
        values.metadata["rounding"] = self.rounding(index)
        values.metadata["no_gradient"] = self.no_gradient(index)
        values.metadata["tied"] = self.tied
        print(f"  step {index + 1}:", ", ".join(f"{name} {loss:.4f}" for name, loss in step.losses.items()))
        print(f"  step {index + 1}: {values.metadata['rounding']}")


def add_contrast(values, step):
    """Everything that the contrastive loss and matching are made of."""
    found, size = step.locals, len(step.locals["image"])
    for name in ("i2t", "t2i"):
        for kind in ("", "_m", "_targets"):
            values.add(f"sim_{name}{kind}", found[f"sim_{name}{kind}"])
    for side in ("image", "text"):
        values.add(f"{side}_features", found[f"{side}_feat"])
        values.add(f"{side}_features_m", found[f"{side}_feat_m"])
    draws, drawn_from = torch.tensor(step.draws), torch.stack(step.drawn_from)
    assert len(draws) == 2 * size
    values.add("negative_images", draws[:size])
    values.add("negative_texts", draws[size:])
    values.add("weights_t2i", drawn_from[:size])
    values.add("weights_i2t", drawn_from[size:])
    assert torch.equal(drawn_from[:size], found["weights_t2i"]) and torch.equal(drawn_from[size:], found["weights_i2t"])
    values.add("itm.logits", found["vl_output"])
    values.add("itm.labels", found["itm_labels"])
    rows = list(range(size))
    pairs = [*zip(rows, rows), *zip(rows, step.draws[:size]), *zip(step.draws[size:], rows)]
    pictures = found["idx"].flatten().tolist() if "idx" in found else rows
    pairs = [(text, pictures[image]) for text, image in pairs]
    for (pair, logits), (other, others) in itertools.combinations(zip(pairs, found["vl_output"]), 2):
        # A text with its negative picture may be a picture with its negative text.
        assert pair == other or difference(logits, others) > 0.05, f"{pair} and {other} are too much alike"
    targets = found["sim_i2t_targets"]
    assert (targets.sum(1) - 1).abs().max() < 1e-5 and targets.shape == (size, size + QUEUE_SIZE)


def add_text(values, name, ids, mask):
    values.add(f"{name}.input_ids", ids)
    values.add(f"{name}.attention_mask", mask)


def all_pixel_values():
    return pixel_values([*golden.pictures(), *golden.more_pictures()], make_salesforce_tasks.IMAGE_SIZE)


def values_of(versions, weights, **metadata):
    return golden.Golden(versions, weights=f"{weights}_weights.safetensors", **metadata)


# ---- Models


def record_pretrain(folder, out, versions):
    """Two steps with AdamW between, as alpha rises."""
    from models.blip_pretrain import BLIP_Pretrain

    # As the original's bert_config.json: [DEC] and [ENC] come by a resize. Neither "base" nor "large": those download.
    settings = {**small(folder, PRETRAIN, vocab_size=golden.DEC), "vit": "small"}
    with contextlib.redirect_stdout(io.StringIO()):
        model = BLIP_Pretrain(**settings, embed_dim=EMBED_DIM, queue_size=QUEUE_SIZE)
    assert len(model.text_encoder_m.embeddings.word_embeddings.weight) == golden.VOCAB_SIZE
    seeded(model, "pretrain", temperature=0.07)
    model.queue_ptr[0] = QUEUE_SIZE // 2
    save_weights(model, out / "pretrain_weights.safetensors")

    pixels = all_pixel_values()
    # The ramp of two epochs of four batches, at its fourth and its fifth.
    alphas = [0.4 * (3 / 8), 0.4 * (4 / 8)]
    batches = [
        {"image": pixels[3 * index :][:3], "caption": CAPTIONS[3 * index :][:3], "alpha": alpha}
        for index, alpha in enumerate(alphas)
    ]
    training = Training(model, batches, [LEARNING_RATE] * 2)
    check_ties(training)
    for index, (batch, step) in enumerate(zip(batches, training.steps)):
        settings = {
            "alpha": batch["alpha"],
            "momentum": model.momentum,
            "learning_rate": LEARNING_RATE,
            "weight_decay": WEIGHT_DECAY,
        }
        values = values_of(versions, "pretrain", captions=batch["caption"], settings=settings)
        values.add("pixel_values", batch["image"])
        add_text(values, "text", step.locals["text"].input_ids, step.locals["text"].attention_mask)
        add_contrast(values, step)
        values.add("decoder.input_ids", step.locals["decoder_input_ids"])
        values.add("decoder.labels", step.locals["decoder_targets"])
        training.add_step(values, index, whole=None if index == 0 else is_small)
        for name in ("image_queue", "text_queue", "queue_ptr"):
            values.add(f"after.{name}", step.after[name])
        if index > 0:
            training.add_after(values, index, lambda name, parameter: parameter.ndim < 2 or is_small(name))
        values.save(out / f"pretrain_{index + 1}.safetensors")
    values = values_of(versions, "pretrain")
    training.add_after(values, 0)
    values.save(out / "pretrain_1_after.safetensors")
    assert len(step.locals["text"].input_ids[0]) == 30 and step.locals["text"].attention_mask[0].all()
    assert training.steps[-1].after["queue_ptr"] == 0, "the queue is to come round"
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            # Before the optimizer's step, whatever the parameter that it follows is called.
            followed = training.parameters[training.followed(name)]
            expected = model.momentum * parameter + (1 - model.momentum) * followed
            golden.assert_close(training.steps[0].after[name], expected, name, tolerance=1e-6)


def is_small(name):
    return name.startswith(("vision_proj", "text_proj", "itm_head")) or name.endswith(".cls_token")


def check_ties(training):
    """All of the text encoder is shared but its self-attention; the words also with the language model's head."""
    shared = {alias for aliases in training.tied.values() for alias in aliases}
    for name, _ in training.model.text_encoder.named_parameters():
        assert (f"text_encoder.{name}" in shared) == (".attention." not in name), name
        assert f"text_decoder.bert.{name}" in training.parameters
    words = training.tied["text_decoder.bert.embeddings.word_embeddings.weight"]
    assert words == ["text_encoder.embeddings.word_embeddings.weight", "text_decoder.cls.predictions.decoder.weight"]


def record_retrieval(folder, out, versions):
    """One step, in which two texts are of one picture, and others of pictures that are in the queue."""
    from models.blip_retrieval import BLIP_Retrieval

    model = BLIP_Retrieval(**small(folder, RETRIEVAL), embed_dim=EMBED_DIM, queue_size=QUEUE_SIZE)
    seeded(model, "retrieval", temperature=0.07)
    model.idx_queue[0, :8] = torch.tensor([7, 2, 11, 5, 7, 30, 12, 9])
    model.ptr_queue[0] = 8
    save_weights(model, out / "retrieval_weights.safetensors")

    # The ramp of the first epoch, at the fourth of four batches.
    alpha = 0.4 * (3 / 4)
    pixels, index = all_pixel_values()[[0, 1, 0, 2]], torch.tensor([11, 7, 11, 3])
    batch = {"image": pixels, "caption": RETRIEVAL_TEXTS, "alpha": alpha, "idx": index}
    training = Training(model, [batch])
    (step,) = training.steps
    model.negative_all_rank = True
    (other,) = run(model, [batch], [LEARNING_RATE], [step.draws])
    assert difference(step.gradients, other.gradients) == 0 and difference(step.losses, other.losses) == 0
    assert all(torch.equal(*two) for two in zip(step.drawn_from, other.drawn_from))
    model.negative_all_rank = False

    settings = {"alpha": alpha, "momentum": model.momentum, "negative_all_rank": "either: equal on one process"}
    values = values_of(versions, "retrieval", captions=RETRIEVAL_TEXTS, settings=settings)
    values.add("pixel_values", pixels)
    values.add("image_ids", index)
    add_text(values, "text", step.locals["text"].input_ids, step.locals["text"].attention_mask)
    assert step.locals["text"].input_ids.shape == (4, 35) and step.locals["text"].attention_mask[-1].all()
    values.add("sim_targets", step.locals["sim_targets"])
    add_contrast(values, step)
    training.add_step(values, 0)
    for name in ("image_queue", "text_queue", "idx_queue", "ptr_queue"):
        values.add(f"after.{name}", step.after[name])
    record_clamped(model, values, batch, step)
    values.save(out / "retrieval.safetensors")


def record_clamped(model, values, batch, step):
    """A temperature beyond either end, which the model sets to that end before it does anything else."""
    roundings = {}
    for name, temperature in {"low": 1e-4, "high": 0.9}.items():
        other = copy.deepcopy(model)
        other.temp.fill_(temperature)
        (clamped,) = run(other, [batch], [0.0], [step.draws])
        (exact,) = run(other.double(), [batch], [0.0], [step.draws])
        values.add(f"clamped_{name}.temp", torch.tensor(temperature))
        values.add(f"clamped_{name}.temp_clamped", clamped.after["temp"])
        values.add(f"clamped_{name}.grad.temp", clamped.gradients["temp"])
        values.add(f"clamped_{name}.loss_ita", clamped.losses["loss_ita"])
        roundings[name] = {
            "loss_ita": float(f"{difference(clamped.losses, exact.losses):.1e}"),
            "grad.temp": float(f"{difference(clamped.gradients['temp'], exact.gradients['temp']):.1e}"),
        }
        print(f"  clamped_{name}: {clamped.losses['loss_ita']:.4f}, {clamped.gradients['temp']:.4f}, {roundings[name]}")
    values.metadata["rounding_clamped"] = roundings


def record_caption(folder, out, versions):
    """Three steps with the learning rates of three epochs, on the same three pictures."""
    from models.blip import BLIP_Decoder
    from utils import cosine_lr_schedule

    model = seeded(BLIP_Decoder(**small(folder, CAPTION)), "caption")
    save_weights(model, out / "caption_weights.safetensors")
    group = {}
    rates = []
    for epoch in range(3):
        cosine_lr_schedule(types.SimpleNamespace(param_groups=[group]), epoch, 4, CAPTION_LEARNING_RATE, 1e-5)
        rates.append(group["lr"])
    pixels = all_pixel_values()[:3]
    training = Training(model, [{"image": pixels, "caption": PROMPTED}] * 3, rates)
    settings = {"prompt": model.prompt, "learning_rates": rates, "weight_decay": WEIGHT_DECAY}
    values = values_of(versions, "caption", captions=PROMPTED, settings=settings)
    found = training.steps[0].locals
    values.add("pixel_values", pixels)
    add_text(values, "text", found["text"].input_ids, found["text"].attention_mask)
    values.add("text.labels", found["decoder_targets"])
    values.add("losses", torch.stack([step.losses["loss"] for step in training.steps]))
    training.add_step(values, 0)
    values.metadata["roundings"] = [training.rounding(index) for index in range(3)]
    print(f"  losses {values.tensors['losses'].tolist()}, {values.metadata['roundings']}")
    values.save(out / "caption.safetensors")
    values = values_of(versions, "caption", settings=settings)
    training.add_after(values, 2)
    values.save(out / "caption_after.safetensors")


def record_vqa(folder, out, versions):
    """Three questions with two, one and three answers."""
    from models.blip_vqa import BLIP_VQA

    model = seeded(BLIP_VQA(**small(folder, VQA)), "vqa")
    save_weights(model, out / "vqa_weights.safetensors")
    pixels, n = all_pixel_values()[:3], [len(answers) for answers in ANSWERS]
    batch = {
        "image": pixels,
        "question": QUESTIONS,
        "answer": sum(ANSWERS, []),
        "n": n,
        "weights": torch.tensor(sum(ANSWER_WEIGHTS, [])),
    }
    training = Training(model, [batch])
    found = training.steps[0].locals
    values = values_of(versions, "vqa", questions=QUESTIONS, answers=ANSWERS)
    values.add("pixel_values", pixels)
    add_text(values, "question", found["question"].input_ids, found["question"].attention_mask)
    add_text(values, "answer", found["answer"].input_ids, found["answer"].attention_mask)
    values.add("answer.labels", found["answer_targets"])
    values.add("answer.counts", torch.tensor(n))
    values.add("answer.weights", batch["weights"])
    values.add("answer.losses", found["answer_output"].loss.detach())
    training.add_step(values, 0)
    assert not found["question"].attention_mask.all(), "some question is to be padded"
    values.save(out / "vqa.safetensors")


def record_nlvr(folder, out, versions):
    """Four pairs of pictures, in one batch of eight as `train_nlvr.train` makes it."""
    from models.blip_nlvr import BLIP_NLVR

    model = seeded(BLIP_NLVR(**small(folder, NLVR)), "nlvr")
    save_weights(model, out / "nlvr_weights.safetensors")
    pairs, targets = torch.tensor(PAIRS), torch.tensor(TARGETS)
    pixels = all_pixel_values()[pairs.T.flatten()]
    training = Training(model, [{"image": pixels, "text": STATEMENTS, "targets": targets}])
    found = training.steps[0].locals
    values = values_of(versions, "nlvr", texts=STATEMENTS)
    values.add("pixel_values", pixels)
    add_text(values, "text", found["text"].input_ids, found["text"].attention_mask)
    values.add("targets", targets)
    values.add("logits", found["prediction"])
    print(f"  logits {found['prediction'].tolist()}")
    layers = [f"text_encoder.encoder.layer.{index}." for index in (0, 7)]
    whole = ("visual_encoder.", "text_encoder.embeddings.", "cls_head.", *layers)
    training.add_step(values, 0, whole=lambda name: name.startswith(whole))
    values.save(out / "nlvr.safetensors")


# ---- Schedules


def record_schedules(blip, out, versions):
    """Learning rates by the functions of utils.py, alpha by the loops that work it out."""
    values = {"versions": versions}
    configs = {path.stem: path.read_text() for path in (blip / "configs").glob("*.yaml")}

    def stated(config, *keys):
        return {key: float(re.search(rf"^{key}: (\S+)", configs[config], re.MULTILINE)[1]) for key in keys}

    cosine = [
        {"config": config, **stated(config, "max_epoch", "init_lr", "min_lr")}
        for config in ("caption_coco", "vqa", "nlvr", "retrieval_coco", "retrieval_flickr")
    ]
    # Those of ViT-L stand in comments.
    for config, rate in {"caption_coco": 2e-6, "retrieval_coco": 5e-6, "retrieval_flickr": 5e-6}.items():
        cosine.append({"config": f"{config}, large", **stated(config, "max_epoch", "min_lr"), "init_lr": rate})
    cosine.append({"config": "none", "max_epoch": 4, "init_lr": 1e-3, "min_lr": 1e-5})
    values["cosine"] = [cosine_rates(case) for case in cosine]
    rates = ("init_lr", "min_lr", "warmup_lr", "warmup_steps", "lr_decay_rate")
    pretrain = stated("pretrain", *rates, "max_epoch", "alpha")
    values["step"] = [step_rates(case) for case in (pretrain, {**pretrain, "lr_decay_rate": 0.5})]
    values["warmup"] = [
        warmup_rates(pretrain, [0, 1, 2, 10, 100, 1234, 1500, 2999, 3000, 3001, 100000]),
        warmup_rates({**pretrain, "warmup_steps": 3}, list(range(6))),
    ]
    values["pretrain"] = [
        pretrain_epoch({**pretrain, "warmup_steps": warmup_steps}, length, epoch)
        for warmup_steps in (3, 3000)
        for length in (1, 2, 5)
        for epoch in range(4)
    ]
    values["retrieval"] = [
        retrieval_epoch(stated("retrieval_coco", "alpha"), length, epoch) for length in (1, 2, 5) for epoch in range(3)
    ]
    path = out / "schedule.json"
    lists = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")
    text = lists.sub(lambda found: f"[{' '.join(found[1].split())}]", json.dumps(values, indent=1))
    path.write_text(text + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


class Rates:
    """An optimizer of which nothing is asked but its learning rate."""

    def __init__(self):
        self.param_groups = [{"lr": None}]

    @property
    def lr(self):
        return self.param_groups[0]["lr"]

    def zero_grad(self):
        pass

    step = zero_grad


def cosine_rates(case):
    from utils import cosine_lr_schedule

    rates, optimizer = [], Rates()
    for epoch in range(int(case["max_epoch"])):
        cosine_lr_schedule(optimizer, epoch, case["max_epoch"], case["init_lr"], case["min_lr"])
        rates.append(optimizer.lr)
    return {**case, "max_epoch": int(case["max_epoch"]), "rates": rates}


def step_rates(config):
    from utils import step_lr_schedule

    rates, optimizer = [], Rates()
    for epoch in range(int(config["max_epoch"])):
        step_lr_schedule(optimizer, epoch, config["init_lr"], config["min_lr"], config["lr_decay_rate"])
        rates.append(optimizer.lr)
    return {**{key: config[key] for key in ("init_lr", "min_lr", "lr_decay_rate")}, "rates": rates}


def warmup_rates(config, steps):
    from utils import warmup_lr_schedule

    rates, optimizer = [], Rates()
    for step in steps:
        warmup_lr_schedule(optimizer, step, config["warmup_steps"], config["warmup_lr"], config["init_lr"])
        rates.append(optimizer.lr)
    kept = {"warmup_steps": int(config["warmup_steps"]), "warmup_lr": config["warmup_lr"], "max_lr": config["init_lr"]}
    return {**kept, "steps": steps, "rates": rates}


class Batches(list):
    """A data loader."""

    sampler = types.SimpleNamespace(set_epoch=lambda _epoch: None)


class Listener:
    """A model that hears what alpha the loop gives it, and with which learning rate it is about to step."""

    def __init__(self, losses, optimizer):
        self.losses, self.optimizer, self.alphas, self.rates = losses, optimizer, [], []

    def train(self):
        pass

    def __call__(self, _image, _caption, alpha, **_settings):
        self.alphas.append(float(alpha))
        self.rates.append(self.optimizer.lr)
        return [torch.zeros((), requires_grad=True) for _ in range(self.losses)]


def pretrain_epoch(config, length, epoch):
    """One epoch of `pretrain.py`, the rate set before it as its `main` does."""
    import pretrain
    from utils import step_lr_schedule

    optimizer = Rates()
    model = Listener(3, optimizer)
    step_lr_schedule(optimizer, epoch, config["init_lr"], config["min_lr"], config["lr_decay_rate"])
    loop(pretrain, model, Batches([(torch.zeros(1), "")] * length), optimizer, epoch, {**config, "laion_path": ""})
    kept = {"epoch": epoch, "batches": length, "warmup_steps": int(config["warmup_steps"])}
    return {**kept, "alphas": model.alphas, "rates": model.rates}


def retrieval_epoch(config, length, epoch):
    """One epoch of `train_retrieval.py`."""
    import train_retrieval

    optimizer = Rates()
    optimizer.param_groups[0]["lr"] = 0.0
    model = Listener(2, optimizer)
    loop(train_retrieval, model, Batches([(torch.zeros(1), "", torch.zeros(1))] * length), optimizer, epoch, config)
    return {"epoch": epoch, "batches": length, "alphas": model.alphas}


def loop(script, model, batches, optimizer, epoch, config):
    with torch.enable_grad(), contextlib.redirect_stdout(io.StringIO()):
        script.train(model, batches, optimizer, epoch, torch.device("cpu"), config)


if __name__ == "__main__":
    main()
