"""transformers on PyTorch, as a worker of compare.py."""

import time

BEGAN = time.perf_counter()

import copy
import io
import pathlib

import torch
import transformers
from PIL import Image
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

import worker

ARGUMENTS = worker.parse_arguments()
WORK = ARGUMENTS.work
DTYPE = {"f32": torch.float32, "bf16": torch.bfloat16}[ARGUMENTS.precision]


def main():
    channel = worker.take_stdout()
    torch.set_grad_enabled(False)
    torch.set_num_threads(ARGUMENTS.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    load = {"caption": load_captioner, "vqa": load_answerer, "itm": load_matcher}[ARGUMENTS.task]
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    worker.serve(channel, load, BEGAN, versions)


def load_model(kind):
    return kind.from_pretrained(ARGUMENTS.model, dtype=DTYPE).eval()


def pixels():
    return torch.from_numpy(worker.pixel_values(WORK)).to(DTYPE)


def load_captioner():
    model = load_model(transformers.BlipForConditionalGeneration)

    def preprocess():
        processor = BlipImageProcessorPil.from_pretrained(ARGUMENTS.model)
        png = pathlib.Path(WORK["picture"]).read_bytes()

        def run(_):
            return processor(Image.open(io.BytesIO(png)).convert("RGB"), return_tensors="pt")

        return worker.nothing, run

    def encode(pictures):
        return model.vision_model(pictures).last_hidden_state

    def vit(batch):
        pictures = pixels().repeat(batch, 1, 1, 1)
        return worker.nothing, lambda _: encode(pictures)

    def step(rows):
        image = encode(pixels()).expand(rows, -1, -1)

        def write(ids, cache):
            return model.text_decoder(
                input_ids=ids,
                encoder_hidden_states=image,
                past_key_values=cache,
                use_cache=True,
                is_decoder=True,
                logits_to_keep=1,
            )

        prompted = write(torch.tensor([WORK["prompt"]]).repeat(rows, 1), None).past_key_values
        following = torch.full((rows, 1), WORK["next"])
        # A step grows the cache that it is given.
        return lambda: copy.deepcopy(prompted), lambda cache: write(following, cache)

    def caption(num_beams):
        pictures, length = pixels(), WORK["caption_length"]

        def write(_=None):
            lengths = {"max_length": length, "min_length": length}
            return model.generate(pixel_values=pictures, num_beams=num_beams, do_sample=False, **lengths)

        return write

    rows = {
        "preprocess": preprocess,
        "vit_1": lambda: vit(1),
        "vit_8": lambda: vit(WORK["batch"]),
        "step_1": lambda: step(1),
        "step_3": lambda: step(WORK["num_beams"]),
        "caption_greedy": lambda: (worker.nothing, caption(1)),
        "caption_beams": lambda: (worker.nothing, caption(WORK["num_beams"])),
    }
    checks = {
        "vit_1": lambda: encode(pixels()).float().numpy(),
        "caption_greedy": lambda: caption(1)()[0].tolist(),
        "caption_beams": lambda: caption(WORK["num_beams"])()[0].tolist(),
    }
    return rows, checks, {}


def load_answerer():
    model = load_model(transformers.BlipForQuestionAnswering)

    def answer():
        pictures, question = pixels(), torch.tensor([WORK["question_ids"]])
        lengths = {"max_length": WORK["answer_length"], "min_length": WORK["answer_length"]}

        def write(_=None):
            return model.generate(input_ids=question, pixel_values=pictures, num_beams=1, do_sample=False, **lengths)

        return write

    rows = {"vqa": lambda: (worker.nothing, answer())}
    return rows, {"vqa": lambda: answer()()[0].tolist()}, {}


def load_matcher():
    model = load_model(transformers.BlipForImageTextRetrieval)

    def match():
        pictures, texts = pixels(), torch.tensor(WORK["texts"])

        # The model's own forward would look at the picture once for each call, and at a picture for each text.
        def score(_=None):
            image = model.vision_model(pictures).last_hidden_state
            logits = []
            for some in texts.split(WORK["texts_at_once"]):
                states = model.text_encoder(
                    input_ids=some, encoder_hidden_states=image.expand(len(some), -1, -1)
                ).last_hidden_state
                logits.append(model.itm_head(states[:, 0]))
            return torch.cat(logits)

        return score

    rows = {"itm": lambda: (worker.nothing, match())}
    return rows, {"itm": lambda: match()().float().numpy()}, {}


if __name__ == "__main__":
    main()
