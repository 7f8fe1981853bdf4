"""Makes the goldens of the original BLIP beyond captions: questions, matching, retrieval, pairs, videos and features.

    git clone https://github.com/salesforce/BLIP && git -C BLIP checkout 056a169
    pip install torch==2.14.1 torchvision==0.29.2
    pip download --no-deps transformers==4.15.0 timm==0.4.12
    unzip -d transformers-4.15.0 transformers-4.15.0-*.whl && unzip -d timm-0.4.12 timm-0.4.12-*.whl
    python make_salesforce_tasks.py --blip BLIP --transformers transformers-4.15.0 --timm timm-0.4.12 [--out FOLDER]

Writes beside itself, or into FOLDER:
  picture_3.png …            three more pictures, for retrieval and videos
  salesforce_retrieval.pth   a BLIP_Retrieval, {"model": state_dict}: momentum copies, queues and all
  salesforce_vqa.pth         a BLIP_VQA whose decoder is as wide as the text, its vision twice that
  salesforce_nlvr.pth        a BLIP_NLVR of eight layers, two of them with a merge layer
  salesforce_retrieval.safetensors, salesforce_vqa.safetensors, salesforce_nlvr.safetensors   the recorded values
  salesforce_features.safetensors   BLIP_Base on salesforce_pretrain.pth, which make_salesforce.py made beside this file
README.md beside this file names every tensor. Running it twice gives the same bytes.
"""

import argparse
import contextlib
import functools
import io
import json
import pathlib
import tempfile
import types
import warnings

import numpy
import torch
from torch.nn.functional import cross_entropy, linear, normalize

import golden
import make_salesforce
import reference_shim
from make_salesforce import PRETRAIN, pixel_values, vision_transformer

# As in make_salesforce.py: heads are 64 wide and the vision's MLP is twice as wide as its tokens.
RETRIEVAL = {"width": 64, "depth": 1, "text": {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128}}
VQA = {"width": 128, "depth": 1, "text": {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128}}
NLVR = {"width": 64, "depth": 1, "text": {"hidden_size": 64, "num_hidden_layers": 8, "intermediate_size": 64}}
IMAGE_SIZE, VQA_IMAGE_SIZE = 32, 48
EMBED_DIM, QUEUE_SIZE, TEMPERATURE = 16, 12, 0.05
SEEDS = {"salesforce_retrieval": 11, "salesforce_vqa": 310, "salesforce_nlvr": 3}

# The last has more tokens than the 35 that matching and retrieval keep.
TEXTS = [
    "a dog",
    "a picture of two horses in the snow",
    "The boys' hats are red, and her shoes are black?",
    "an old train near the bridge",
    "a man and a woman and a boy and a girl with three dogs and two cats and a horse and four birds are walking by the "
    "river in the park near the old bridge under the dark sky",
]
MORE_TEXTS = ["snow on a tree", "white plate with a banana", "people sitting at a table", "a bus driving by the tower"]
IMG2TXT = [[0, 1], [2], [3, 4], [5], [6, 7], [8]]
LABELS = ["dog", "cat", "beach", "horse riding", "snow and rain"]
QUESTIONS = ["what is it?", "who is riding the brown horse near the river?", "are there two dogs or cats?"]
ANSWERS = [
    "red",
    "red and white",
    "red car",
    "black",
    "black-white",
    "black dog",
    "dog",
    "dogs",
    "two",
    "two dogs",
    "in the snow",
    "in the boys' room",
    "sleeping",
    "by the river",
]
PAIRS = [[0, 1], [1, 2], [2, 0], [0, 0]]
STATEMENTS = [
    "there are two dogs.",
    "one picture is of a red car, and the other is of people sitting at a table near the beach!",
    "no bird is flying in the snow",
    "the cat is the same",
]
FEATURE_TEXTS = ["a large bear by the lake", "Two Women, in a boat - fishing"]
# What `BLIP_VQA.forward` asks for.
BEAM_3 = {"num_beams": 3, "max_length": 10, "min_length": 1}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blip", type=pathlib.Path, required=True, help="checkout of salesforce/BLIP@056a169")
    parser.add_argument("--transformers", type=pathlib.Path, required=True, help="unpacked wheel of 4.15.0")
    parser.add_argument("--timm", type=pathlib.Path, required=True, help="unpacked wheel of 0.4.12")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    arguments = parser.parse_args()
    out = arguments.out
    versions = setup(arguments.blip, arguments.transformers, arguments.timm)
    golden.write_pictures(out, golden.more_pictures(), first=3)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, build, record in (
            ("salesforce_retrieval", retriever, record_retrieval),
            ("salesforce_vqa", answerer, record_answers),
            ("salesforce_nlvr", reasoner, record_pairs),
        ):
            model = build(folder, SEEDS[name])
            torch.save({"model": model.state_dict()}, out / f"{name}.pth")
            again = build(folder, seed=None)
            again.load_state_dict(torch.load(out / f"{name}.pth")["model"])
            values = golden.Golden(versions, model=f"{name}.pth")
            record(again.eval(), values).save(out / f"{name}.safetensors")
        values = golden.Golden(versions, model="salesforce_pretrain.pth")
        record_features(folder, values).save(out / "salesforce_features.safetensors")


def setup(blip, transformers, timm):
    """Readies the original's models, and its scripts without what they load their data with."""
    golden.setup()
    reference_shim.install(blip, transformers, timm)
    warnings.filterwarnings("ignore")
    reference_shim.stand_in("ruamel_yaml")
    reference_shim.stand_in("pycocotools")
    reference_shim.stand_in("pycocotools.coco", COCO=None)
    reference_shim.stand_in("pycocoevalcap")
    reference_shim.stand_in("pycocoevalcap.eval", COCOEvalCap=None)
    reference_shim.stand_in("decord", VideoReader=None, bridge=types.SimpleNamespace(set_bridge=lambda _name: None))
    datasets = dict.fromkeys(("create_dataset", "create_sampler", "create_loader"))
    reference_shim.stand_in("data", **datasets, __path__=[str(blip / "data")])
    import eval_retrieval_video
    import timm
    import train_retrieval
    import transformers

    for script in (train_retrieval, eval_retrieval_video):
        script.args = types.SimpleNamespace(distributed=False)
    return golden.versions(
        blip="salesforce/BLIP@056a169", transformers=transformers.__version__, timm=timm.__version__
    )


def small(folder, sizes, image_size=IMAGE_SIZE):
    """Puts the small networks where the original's classes look for theirs."""
    import models.blip_itm
    import models.blip_nlvr
    import models.blip_retrieval
    import models.blip_vqa

    settings = make_salesforce.small(folder, sizes)
    for networks in (models.blip_itm, models.blip_nlvr, models.blip_retrieval, models.blip_vqa):
        networks.create_vit = lambda _name, size, *_, **_settings: (vision_transformer(sizes, size), sizes["width"])
    # As in the original's med_config.json, what is not told the width of its encoder takes it to be the text's.
    config = pathlib.Path(settings["med_config"])
    config.write_text(json.dumps({**json.loads(config.read_text()), "encoder_width": sizes["text"]["hidden_size"]}))
    return {**settings, "image_size": image_size}


def seeded(model, seed, sep_bias=0.0):
    return model.eval() if seed is None else golden.seed_weights(model, seed, sep_bias)


def retriever(folder, seed):
    from models.blip_retrieval import BLIP_Retrieval

    model = BLIP_Retrieval(**small(folder, RETRIEVAL), embed_dim=EMBED_DIM, queue_size=QUEUE_SIZE)
    if seed is not None:
        # As after some steps of training.
        generator = torch.Generator().manual_seed(seed)
        for queue in (model.image_queue, model.text_queue):
            queue.copy_(normalize(torch.randn(queue.shape, generator=generator), dim=0))
        model.idx_queue[0, : QUEUE_SIZE // 2] = torch.randint(0, 100, (QUEUE_SIZE // 2,), generator=generator)
        model.ptr_queue[0] = QUEUE_SIZE // 2
        model.temp.fill_(TEMPERATURE)
    return seeded(model, seed)


def answerer(folder, seed):
    from models.blip_vqa import BLIP_VQA

    return seeded(BLIP_VQA(**small(folder, VQA, VQA_IMAGE_SIZE)), seed, sep_bias=6.5)


def reasoner(folder, seed):
    from models.blip_nlvr import BLIP_NLVR

    return seeded(BLIP_NLVR(**small(folder, NLVR)), seed)


def ones(states):
    """A mask that hides none of these tokens."""
    return torch.ones(states.shape[:-1], dtype=torch.int64)


def first_token(ids, token):
    return torch.cat([torch.full_like(ids[:, :1], token), ids[:, 1:]], dim=1)


def multimodal(encoder, ids, mask, image):
    """The encoder's states of all texts over one picture or video, [1, N, D]."""
    image = image.expand(len(ids), -1, -1)
    return encoder(
        ids, attention_mask=mask, encoder_hidden_states=image, encoder_attention_mask=ones(image), return_dict=True
    ).last_hidden_state


def record_retrieval(model, values):
    """Matching, retrieval, classification and videos, all of one checkpoint."""
    pictures = [*golden.pictures(), *golden.more_pictures()]
    six = pixel_values(pictures, IMAGE_SIZE)
    record_matches(model, values, six[:3])
    record_evaluation(model, values, six)
    record_metrics(values)
    record_classes(model, values)
    record_videos(model, values, six)
    record_frame_indices(values)
    return values


def record_matches(retrieval, values, pixels):
    """BLIP_ITM, loaded from what retrieval saved, which leaves [CLS] where it was trained with [ENC]."""
    from models.blip_itm import blip_itm

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        torch.save({"model": retrieval.state_dict()}, f"{folder}/model.pth")
        settings = small(pathlib.Path(folder), RETRIEVAL)
        model = blip_itm(pretrained=f"{folder}/model.pth", embed_dim=EMBED_DIM, **settings).eval()
    values.metadata["texts"] = TEXTS
    text = model.tokenizer(TEXTS, padding="max_length", truncation=True, max_length=35, return_tensors="pt")
    assert len(model.tokenizer.tokenize(TEXTS[-1])) > 35, "the last text is to be cut"
    values.add("pixel_values", pixels)
    values.add("text.input_ids", text.input_ids)
    values.add("text.attention_mask", text.attention_mask)

    image = model.visual_encoder(pixels)
    hidden = model.text_encoder(
        text.input_ids, attention_mask=text.attention_mask, return_dict=True, mode="text"
    ).last_hidden_state
    image_features = normalize(model.vision_proj(image[:, 0]), dim=-1)
    text_features = normalize(model.text_proj(hidden[:, 0]), dim=-1)
    similarity = model(pixels, TEXTS, match_head="itc")
    golden.assert_close(image_features @ text_features.T, similarity, "the features")
    golden.assert_varied(similarity, "itc.similarity")
    values.add("image.last_hidden_state", image)
    values.add("text.hidden_states", hidden)
    values.add("image_features", image_features)
    values.add("text_features", text_features)
    values.add("itc.similarity", similarity)

    repeated = [one.expand(len(TEXTS), -1, -1, -1) for one in pixels]
    logits = torch.stack([model(one, TEXTS, match_head="itm") for one in repeated])
    for name, token in {"cls": golden.CLS, "enc": golden.ENC}.items():
        ids = first_token(text.input_ids, token)
        states = [multimodal(model.text_encoder, ids, text.attention_mask, one) for one in image.split(1)]
        values.add(f"multimodal_{name}.hidden_states", torch.stack(states))
        values.add(f"itm_{name}.logits", model.itm_head(torch.stack(states)[:, :, 0]))
        golden.assert_varied(values.tensors[f"itm_{name}.logits"], f"itm_{name}.logits")
    golden.assert_close(values.tensors["itm_cls.logits"], logits, "itm")
    differ = (values.tensors["itm_cls.logits"] - values.tensors["itm_enc.logits"]).abs().max()
    assert differ > 0.1, "the first token is to matter"
    # Padding to 35 changes nothing but the rounding.
    for index, length in enumerate(text.attention_mask.sum(1)):
        ids, mask = text.input_ids[index : index + 1, :length], text.attention_mask[index : index + 1, :length]
        alone = torch.stack([multimodal(model.text_encoder, ids, mask, one) for one in image.split(1)])[:, 0]
        golden.assert_close(values.tensors["multimodal_cls.hidden_states"][:, index, :length], alone, "a text alone")


class Loader:
    """What the original's evaluations ask of a data loader, with everything in one batch."""

    def __init__(self, batch, texts):
        self.batch = batch
        self.dataset = types.SimpleNamespace(text=texts, image=list(range(len(batch))))

    def __iter__(self):
        return iter([(self.batch, None)])


@contextlib.contextmanager
def stable_argsort():
    """Lets `itm_eval` keep ties in their order before it turns that round.

    numpy promises no order among equals, and with AVX2 it gives another than without. Without, as in the
    original's time, up to sixteen of them keep theirs.
    """
    argsort = numpy.argsort
    numpy.argsort = functools.partial(argsort, kind="stable")
    try:
        yield
    finally:
        numpy.argsort = argsort


def record_evaluation(model, values, pixels):
    """`train_retrieval.evaluation` and `itm_eval`, with a shortlist and with everything on it."""
    import train_retrieval

    texts = TEXTS + MORE_TEXTS
    txt2img = [index for index, captions in enumerate(IMG2TXT) for _ in captions]
    values.add("retrieval.pixel_values", pixels)
    result = {"texts": texts, "img2txt": IMG2TXT, "txt2img": txt2img}

    def evaluate(pixels, k):
        with contextlib.redirect_stdout(io.StringIO()):
            return train_retrieval.evaluation(model, Loader(pixels, texts), torch.device("cpu"), {"k_test": k})

    # The original stops where the shortlist is longer than there are pictures: three are there twice, and then cut.
    i2t, t2i = evaluate(torch.cat([pixels, pixels[:3]]), len(texts))
    whole = {"i2t": i2t[: len(pixels)], "t2i": t2i[:, : len(pixels)]}
    short = dict(zip(("i2t", "t2i"), evaluate(pixels, 3)))
    itm, cosine = values.tensors["itm_enc.logits"][..., 1], values.tensors["itc.similarity"]
    golden.assert_close(torch.from_numpy(whole["i2t"][:3, : len(TEXTS)]), itm + cosine, "i2t is not ITM + ITC")
    golden.assert_close(torch.from_numpy(whole["i2t"].T), torch.from_numpy(whole["t2i"]), "the two directions")
    for name, scores in short.items():
        assert ((scores == -100).sum(1) == scores.shape[1] - 3).all()
        kept = scores != -100
        golden.assert_close(torch.from_numpy(whole[name][kept]), torch.from_numpy(scores[kept]), name)
        # No rank and no shortlist is to hang on a rounding error.
        assert (numpy.diff(numpy.sort(whole[name])) > 1e-3).all(), f"{name}: two scores are nearly equal"
        assert numpy.array_equal(kept, shortlist(model, pixels, texts, name)), f"{name}: another shortlist"
    for k, scores in ((3, short), (len(texts), whole)):
        values.add(f"retrieval_{k}.i2t", scores["i2t"].copy())
        values.add(f"retrieval_{k}.t2i", scores["t2i"].copy())
        with stable_argsort():
            result[f"metrics_{k}"] = train_retrieval.itm_eval(scores["i2t"], scores["t2i"], txt2img, IMG2TXT)
        print(f"  retrieval_{k}: {result[f'metrics_{k}']}")
    values.metadata["retrieval"] = result


def shortlist(model, pixels, texts, direction):
    """The three nearest by cosine, after seeing that the fourth is farther by more than a rounding error."""
    text = model.tokenizer(texts, padding="max_length", truncation=True, max_length=35, return_tensors="pt")
    hidden = model.text_encoder(text.input_ids, attention_mask=text.attention_mask, mode="text").last_hidden_state
    image_features = normalize(model.vision_proj(model.visual_encoder(pixels)[:, 0]), dim=-1)
    cosine = image_features @ normalize(model.text_proj(hidden[:, 0]), dim=-1).T
    cosine = cosine if direction == "i2t" else cosine.T
    best = cosine.topk(4).values
    assert (best[:, 2] - best[:, 3] > 1e-3).all(), f"{direction}: the shortlist hangs on a rounding error"
    return (cosine >= best[:, 2:3]).numpy()


def record_metrics(values):
    """Both scripts' `itm_eval` of scores with many ties."""
    import eval_retrieval_video
    import train_retrieval

    random = numpy.random.default_rng(5)
    three = {
        "i2t": numpy.array([[0.5, 0.5, 0.5, 0.5], [1, 2, 2, -100], [-100, 3, -100, -100]], numpy.float32),
        "t2i": numpy.array([[1, 1, 1], [0, 1, 1], [-100, 2, -100], [4, -100, 4]], numpy.float32),
        "img2txt": [[0], [1, 2], [3]],
    }
    twelve = {
        "i2t": random.integers(0, 5, (12, 12)).astype(numpy.float32),
        "t2i": random.integers(0, 5, (12, 12)).astype(numpy.float32),
        "img2txt": [[index] for index in range(12)],
    }
    sixteen = {
        "i2t": random.integers(0, 4, (7, 16)).astype(numpy.float32) - 100 * random.integers(0, 2, (7, 16)),
        "t2i": random.integers(0, 4, (16, 7)).astype(numpy.float32) - 100 * random.integers(0, 2, (16, 7)),
        "img2txt": [[0, 9], [1], [2, 3, 4], [5, 15], [6, 7, 8], [10, 11], [12, 13, 14]],
    }
    found = []
    for case in (three, twelve, sixteen):
        i2t, t2i = case["i2t"].astype(numpy.float32), case["t2i"].astype(numpy.float32)
        txt2img = {text: image for image, texts in enumerate(case["img2txt"]) for text in texts}
        txt2img = [txt2img[text] for text in range(len(t2i))]
        entry = {"i2t": i2t.tolist(), "t2i": t2i.tolist(), "img2txt": case["img2txt"], "txt2img": txt2img}
        with stable_argsort():
            entry["result"] = train_retrieval.itm_eval(i2t, t2i, txt2img, case["img2txt"])
            if all(len(texts) == 1 for texts in case["img2txt"]):
                vid2txt = [texts[0] for texts in case["img2txt"]]
                entry["video_result"] = eval_retrieval_video.itm_eval(i2t, t2i, txt2img, vid2txt)
        found.append(entry)
    values.metadata["metrics"] = found


def record_classes(model, values):
    """Zero-shot classification as LAVIS shows it: names as they are, the cosine over the temperature."""
    text = model.tokenizer(LABELS, padding=True, return_tensors="pt")
    hidden = model.text_encoder(text.input_ids, attention_mask=text.attention_mask, mode="text").last_hidden_state
    cosine = values.tensors["image_features"] @ normalize(model.text_proj(hidden[:, 0]), dim=-1).T
    values.add("classify.probabilities", (cosine / model.temp).softmax(-1))
    values.metadata["labels"] = LABELS
    golden.assert_varied(values.tensors["classify.probabilities"], "classify.probabilities")


def record_videos(model, values, pixels):
    """Two videos of three frames, as `eval_retrieval_video.evaluation` takes them."""
    import eval_retrieval_video

    videos = pixels.unflatten(0, (2, 3))
    frames = model.visual_encoder(pixels).unflatten(0, (2, 3))
    features = normalize(model.vision_proj(frames[:, :, 0]).mean(1), dim=-1)
    tokens = frames.flatten(1, 2)
    ids, mask = first_token(values.tensors["text.input_ids"], golden.ENC), values.tensors["text.attention_mask"]
    states = torch.stack([multimodal(model.text_encoder, ids, mask, one) for one in tokens.split(1)])
    logits = model.itm_head(states[:, :, 0])
    similarity = features @ values.tensors["text_features"].T
    # It scores as many videos as texts, so the texts come in twos.
    for at in (0, 1, 3):
        with contextlib.redirect_stdout(io.StringIO()):
            scores, _ = eval_retrieval_video.evaluation(
                model, Loader(videos, TEXTS[at : at + 2]), model.tokenizer, torch.device("cpu"), {"k_test": 2}
            )
        expected = (logits[..., 1] + similarity)[:, at : at + 2]
        golden.assert_close(torch.from_numpy(scores), expected, "a video's scores")
    golden.assert_varied(logits, "video.itm_logits")
    values.add("video.features", features)
    values.add("video.itm_logits", logits)
    values.add("video.itc_similarity", similarity)


def record_frame_indices(values):
    """Which frames `VideoDataset` reads of a video of some length; its other two strategies are random."""
    import data.video_dataset

    class Video:
        frames = None

        def __init__(self, _path):
            pass

        def __len__(self):
            return vlen

        def get_batch(self, indices):
            Video.frames = [int(index) for index in indices]
            return torch.zeros(len(indices), 1, 1, 3)

    data.video_dataset.VideoReader = Video
    dataset = data.video_dataset.VideoDataset.__new__(data.video_dataset.VideoDataset)
    dataset.frm_sampling_strategy = "uniform"
    found = []
    for vlen in (1, 3, 7, 8, 9, 15, 16, 30, 31, 99, 100, 101, 250, 1000):
        for dataset.num_frm in (1, 4, 8, 16):
            assert dataset._load_video_from_path_decord(None) is not None
            found.append({"vlen": vlen, "num_frames": dataset.num_frm, "strategy": "uniform", "indices": Video.frames})
    values.metadata["frame_indices"] = found


def record_answers(model, values):
    """One question about each of three pictures: answered, and answers ranked."""
    pixels = pixel_values(golden.pictures(), VQA_IMAGE_SIZE)
    values.metadata["questions"] = QUESTIONS
    values.add("pixel_values", pixels)
    ids, mask, states = question_states(model, pixels, QUESTIONS)
    assert len(set(mask.sum(1).tolist())) == len(QUESTIONS), "the questions are to differ in length"
    values.add("image.last_hidden_state", model.visual_encoder(pixels))
    values.add("question.input_ids", ids)
    values.add("question.attention_mask", mask)
    values.add("question.hidden_states", states)
    for index, length in enumerate(mask.sum(1)):
        _, _, alone = question_states(model, pixels[index : index + 1], QUESTIONS[index : index + 1])
        golden.assert_close(states[index, :length], alone[0], "a question alone")

    answer(model, values, "beam_3", [0, 1, 2])
    answer(model, values, "beam_3_return_3", [0, 1, 2], copies=3)
    for index in range(len(QUESTIONS)):
        answer(model, values, f"alone_{index}_beam_3", [index])
    answer(model, values, "masked_beam_3", [0, 1, 2], masked=True)
    batch, best, masked = (
        golden.rows(values.tensors[f"{name}.ids"], 1) for name in ("beam_3", "beam_3_return_3", "masked_beam_3")
    )
    alone = [golden.rows(values.tensors[f"alone_{index}_beam_3.ids"], 1)[0] for index in range(len(QUESTIONS))]
    assert best[::3] == batch, f"the best of three differs from the best: {best} {batch}"
    assert masked == alone, f"masked, a batch differs from its rows: {masked} {alone}"
    assert batch != alone, f"padding is to matter where it is not masked: {batch}"
    record_rank(model, values)
    return values


def question_states(model, pixels, questions):
    """What `BLIP_VQA.forward` gives to its decoder, and the ids and the mask that it comes from."""
    text = model.tokenizer(questions, padding="longest", truncation=True, max_length=35, return_tensors="pt")
    ids, image = first_token(text.input_ids, golden.ENC), model.visual_encoder(pixels)
    states = model.text_encoder(
        ids,
        attention_mask=text.attention_mask,
        encoder_hidden_states=image,
        encoder_attention_mask=ones(image),
        return_dict=True,
    ).last_hidden_state
    return ids, text.attention_mask, states


def answer(model, values, name, questions, masked=False, copies=1):
    """Runs and records `BLIP_VQA.forward`, after proving that it does not hang on a rounding error.

    It lets the decoder attend to the padding of shorter questions and gives the best answer alone. For the others the
    decoder is called as it does, `masked` with the mask of the question.
    """
    pixels = values.tensors["pixel_values"][questions]
    texts = [QUESTIONS[index] for index in questions]
    _, mask, states = question_states(model, pixels, texts)
    mask = mask if masked else ones(states)
    generate = model.text_decoder.generate
    settings = {**BEAM_3, **({"num_return_sequences": copies} if copies > 1 else {})}

    def run():
        if not masked and copies == 1:
            return run_class()
        output = generate(
            input_ids=torch.full((len(states), 1), golden.DEC),
            eos_token_id=golden.SEP,
            pad_token_id=golden.PAD,
            encoder_hidden_states=states.repeat_interleave(BEAM_3["num_beams"], 0),
            encoder_attention_mask=mask.repeat_interleave(BEAM_3["num_beams"], 0),
            return_dict_in_generate=True,
            output_scores=True,
            **settings,
        )
        return output, [model.tokenizer.decode(row, skip_special_tokens=True) for row in output.sequences]

    def run_class():
        outputs = []

        def spy(**arguments):
            assert {key: arguments[key] for key in BEAM_3} == BEAM_3
            outputs.append(generate(**arguments, return_dict_in_generate=True, output_scores=True))
            return outputs[-1].sequences

        model.text_decoder.generate = spy
        answers = model(pixels, texts, train=False, inference="generate")
        del model.text_decoder.generate
        return outputs[-1], answers

    output, answers = run()
    ids, found = output.sequences, golden.rows(output.sequences, 1)
    for seed in range(4):
        with golden.noise(model.text_decoder.cls, seed):
            shaken = golden.rows(run()[0].sequences, 1)
        assert found == shaken, f"{name}: not robust: {found} {shaken}"
    assert all(row[0] == golden.DEC for row in found)

    logits = model.text_decoder(
        ids[:, :-1],
        encoder_hidden_states=states.repeat_interleave(copies, 0),
        encoder_attention_mask=mask.repeat_interleave(copies, 0),
        return_dict=True,
    ).logits
    log_probs = golden.token_log_probs(logits, ids, 1)
    # [DEC] counts, [SEP] does not.
    lengths = torch.tensor([len(row) - (row[-1] == golden.SEP) for row in found])
    golden.assert_close(log_probs.sum(1) / lengths, output.sequences_scores, f"{name}: the score")
    values.case(
        name,
        ids,
        answers,
        log_probs,
        output.sequences_scores,
        pixels="pixel_values",
        questions=questions,
        masked=masked,
        prompt=None,
        prompt_ids=[golden.DEC],
        settings=settings,
    )


def record_rank(model, values):
    """`BLIP_VQA.forward` where it chooses from a list, and the scores that it chooses by."""
    pixels = values.tensors["pixel_values"]
    answers = model.tokenizer(ANSWERS, padding="longest", return_tensors="pt")
    # As `train_vqa.evaluation` does.
    answers.input_ids[:, 0] = model.tokenizer.bos_token_id
    values.metadata["answers"] = ANSWERS
    values.add("answers.input_ids", answers.input_ids)
    values.add("answers.attention_mask", answers.attention_mask)

    def rank(k, questions=(0, 1, 2)):
        """The chosen answers, and the scores of all k by their place in the list, smoothed and not."""
        calls = []
        hook = model.text_decoder.register_forward_hook(
            lambda _module, arguments, settings, output: calls.append((arguments, settings, output)), with_kwargs=True
        )
        texts = [QUESTIONS[index] for index in questions]
        best = model(pixels[list(questions)], texts, answers, train=False, inference="rank", k_test=k)
        hook.remove()
        (_, _, start), ((ids,), settings, output) = calls
        probabilities = start.logits[:, 0].softmax(-1)[:, answers.input_ids[:, 1]]
        places = (ids[:, None] == answers.input_ids).all(-1).int().argmax(1).unflatten(0, (-1, k))
        per_token = cross_entropy(
            output.logits[:, :-1].transpose(1, 2), settings["labels"][:, 1:], reduction="none", label_smoothing=0.1
        )
        golden.assert_close(per_token.sum(1), output.loss, "the smoothed loss")
        plain = cross_entropy(output.logits[:, :-1].transpose(1, 2), settings["labels"][:, 1:], reduction="none")
        scores = torch.full((2, len(questions), len(ANSWERS)), float("nan"))
        for kind, losses in enumerate((output.loss, plain.sum(1))):
            scores[kind].scatter_(1, places, -losses.unflatten(0, (-1, k)))
        return best, probabilities, *scores

    every = len(ANSWERS)
    best, probabilities, smoothed, plain = rank(every)
    values.add("rank.first_token_probabilities", probabilities)
    values.add("rank.scores", smoothed)
    values.add("rank.scores_unsmoothed", plain)
    for index in range(len(QUESTIONS)):
        _, alone_probabilities, *alone = rank(every, [index])
        golden.assert_close(probabilities[index], alone_probabilities[0], "a question alone")
        golden.assert_close(torch.stack([smoothed, plain])[:, index], torch.stack(alone)[:, 0], "a question alone")
    assert torch.equal(best, smoothed.argmax(1))
    two = smoothed.topk(2).values
    assert (two[:, 0] - two[:, 1] > 0.05).all(), f"two answers score nearly the same: {two}"
    for k in (1, 4, every):
        best = rank(k)[0]
        print(f"  best_{k}: {[ANSWERS[index] for index in best]}")
        if k < every:
            # Which of two equal ones makes the shortlist is not for sure.
            last, next_one = probabilities.sort(descending=True).values[:, k - 1 : k + 1].unbind(1)
            assert (last > 1.02 * next_one).all(), f"a tie where the best {k} are cut: {last} {next_one}"
        for seed in range(4):
            with golden.noise(model.text_decoder.cls, seed):
                assert torch.equal(best, rank(k)[0]), f"best_{k}: not robust"
        values.add(f"rank.best_{k}", best)
    assert len(set(best.tolist())) > 1, "the questions are to have different answers"
    assert not torch.equal(best, values.tensors["rank.best_4"]), "the shortlist is to matter"


def record_pairs(model, values):
    """A statement about each of four pairs of pictures."""
    pixels = pixel_values(golden.pictures(), IMAGE_SIZE)
    pairs = torch.tensor(PAIRS)
    text = model.tokenizer(STATEMENTS, padding="longest", return_tensors="pt")
    values.metadata["texts"] = STATEMENTS
    values.add("pixel_values", pixels)
    values.add("pairs", pairs)
    values.add("text.input_ids", first_token(text.input_ids, golden.ENC))
    values.add("text.attention_mask", text.attention_mask)

    def judge(pairs, statements):
        hidden = []
        hooks = [
            layer.register_forward_hook(lambda _module, _inputs, output: hidden.append(output[0]))
            for layer in model.text_encoder.encoder.layer
        ]
        # All first pictures, then all second ones.
        images = pixels[pairs.T.flatten()]
        logits = model(images, statements, targets=torch.zeros(len(pairs), dtype=torch.int64), train=False)
        for hook in hooks:
            hook.remove()
        return logits, torch.stack(hidden)

    logits, hidden = judge(pairs, STATEMENTS)
    for index, layer in enumerate(hidden):
        values.add(f"hidden_states.layer_{index}", layer)
    values.add("logits", logits)
    for index, length in enumerate(text.attention_mask.sum(1)):
        logits_alone, alone = judge(pairs[index : index + 1], STATEMENTS[index : index + 1])
        golden.assert_close(logits[index], logits_alone[0], "a pair alone")
        golden.assert_close(hidden[:, index, :length], alone[:, 0], "a pair alone")
    swapped, _ = judge(pairs.flip(1), STATEMENTS)
    assert ((swapped - logits).abs().amax(1) > 0.05).tolist() == [True, True, True, False], "the order is to matter"
    same, _ = judge(pairs, STATEMENTS[:1] * len(PAIRS))
    golden.assert_varied(torch.stack([same[:3], logits[:3]], 1), "logits", least=0.02)
    return values


def record_features(folder, values):
    """BLIP_Base on the pre-training checkpoint, and beside it the projections that LAVIS gives of every token."""
    from models.blip import blip_feature_extractor

    checkpoint = pathlib.Path(__file__).parent / "salesforce_pretrain.pth"
    with contextlib.redirect_stdout(io.StringIO()):
        model = blip_feature_extractor(pretrained=str(checkpoint), **small(folder, PRETRAIN)).eval()
    weights = torch.load(checkpoint)["model"]

    def project(states, side):
        return normalize(linear(states, weights[f"{side}_proj.weight"], weights[f"{side}_proj.bias"]), dim=-1)

    pixels = pixel_values(golden.pictures(), IMAGE_SIZE)
    image = model(pixels, FEATURE_TEXTS[0], mode="image")
    values.metadata["texts"] = FEATURE_TEXTS
    values.add("pixel_values", pixels)
    values.add("image_embeds", image)
    values.add("image_embeds_proj", project(image, "vision"))
    for index, text in enumerate(FEATURE_TEXTS):
        states = model(pixels[:1], text, mode="text")
        values.add(f"input_ids.{index}", model.tokenizer(text, return_tensors="pt").input_ids)
        values.add(f"text_embeds.{index}", states)
        values.add(f"text_embeds_proj.{index}", project(states, "text"))
        values.add(f"multimodal_embeds.{index}", model(pixels, [text] * len(pixels), mode="multimodal"))
    return values


if __name__ == "__main__":
    main()
