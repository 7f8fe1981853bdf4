"""A worker's rows over the graphs that export.py makes, for any engine that runs ONNX graphs.

An engine has `load(name)`, which gives a graph to call with named inputs and a list of outputs in order; `hold(array)`,
which gives what a graph takes again and again without a copy; and `numpy(value)`, an array of what a graph gave.
"""

import numpy

import worker


def load_task(arguments, engine):
    task = {"caption": load_captioner, "vqa": load_answerer, "itm": load_matcher}[arguments.task]
    return task(arguments.work, engine)


class Decoder:
    """The decoder cut in two: the context's keys and values, and a step over a cache."""

    def __init__(self, engine):
        self.engine = engine
        self.cross = engine.load("cross")
        self.step = engine.load("step")
        # [1, heads, head_dim, tokens]
        shapes = self.step.inputs["past_keys_0"]
        self.layers = sum(name.startswith("past_keys_") for name in self.step.inputs)
        self.heads, self.head_dim = shapes[1], shapes[3]

    def start(self, context, rows):
        """Nothing written in any row."""
        names = [f"cross_{kind}_{layer}" for layer in range(self.layers) for kind in ("keys", "values")]
        cross = [self.engine.hold(value) for value in self.cross({"context": context})]
        empty = self.engine.hold(numpy.zeros((rows, self.heads, 0, self.head_dim), numpy.float32))
        return dict(zip(names, cross)), [empty] * (2 * self.layers)

    def write(self, ids, state):
        """A token for every row: logits, and the state behind it."""
        cross, past = state
        inputs = {"input_ids": self.engine.hold(numpy.array(ids, numpy.int64)[:, None]), **cross}
        for at, value in enumerate(past):
            inputs[f"past_{'values' if at % 2 else 'keys'}_{at // 2}"] = value
        logits, *past = self.step(inputs)
        return self.engine.numpy(logits), (cross, past)

    def reorder(self, state, rows):
        cross, past = state
        return cross, [self.engine.hold(self.engine.numpy(value)[rows]) for value in past]

    def greedy(self, context, length):
        return worker.greedy(self.start(context, 1), self.write, worker.DEC, length)

    def beam_search(self, context, length, num_beams):
        return worker.beam_search(
            self.start(context, 1), self.write, self.reorder, worker.DEC, length, num_beams
        )


def pixels(work, engine):
    return engine.hold(worker.pixel_values(work))


def load_captioner(work, engine):
    vision, decoder = engine.load("vision"), Decoder(engine)

    def encode(pictures):
        return vision({"pixel_values": pictures})[0]

    def vit(batch):
        pictures = engine.hold(numpy.repeat(worker.pixel_values(work), batch, axis=0))
        return worker.nothing, lambda _: encode(pictures)

    def step(rows):
        state = decoder.start(encode(pixels(work, engine)), rows)
        for token in work["prompt"]:
            _, state = decoder.write([token] * rows, state)
        # The state is given and not changed: it serves every time.
        return worker.nothing, lambda _: decoder.write([work["next"]] * rows, state)

    def caption(num_beams):
        pictures, length = pixels(work, engine), work["caption_length"]
        if num_beams == 1:
            return lambda _=None: decoder.greedy(encode(pictures), length)
        return lambda _=None: decoder.beam_search(encode(pictures), length, num_beams)

    rows = {
        "vit_1": lambda: vit(1),
        "vit_8": lambda: vit(work["batch"]),
        "step_1": lambda: step(1),
        "step_3": lambda: step(work["num_beams"]),
        "caption_greedy": lambda: (worker.nothing, caption(1)),
        "caption_beams": lambda: (worker.nothing, caption(work["num_beams"])),
    }
    checks = {
        "vit_1": lambda: engine.numpy(encode(pixels(work, engine))),
        "caption_greedy": lambda: caption(1)(),
        "caption_beams": lambda: caption(work["num_beams"])(),
    }
    return rows, checks, {"preprocess": "graphs have none"}


def load_answerer(work, engine):
    vision, question, decoder = engine.load("vision"), engine.load("question"), Decoder(engine)

    def answer():
        pictures = pixels(work, engine)
        ids = engine.hold(numpy.array([work["question_ids"]], numpy.int64))

        def write(_=None):
            image_embeds = vision({"pixel_values": pictures})[0]
            context = question({"input_ids": ids, "image_embeds": image_embeds})[0]
            return decoder.greedy(context, work["answer_length"])

        return write

    return {"vqa": lambda: (worker.nothing, answer())}, {"vqa": lambda: answer()()}, {}


def load_matcher(work, engine):
    vision, match = engine.load("vision"), engine.load("match")

    def score():
        pictures, texts, some = pixels(work, engine), numpy.array(work["texts"], numpy.int64), work["texts_at_once"]
        batches = [engine.hold(texts[at : at + some]) for at in range(0, len(texts), some)]

        def run(_=None):
            image_embeds = vision({"pixel_values": pictures})[0]
            logits = [match({"input_ids": ids, "image_embeds": image_embeds})[0] for ids in batches]
            return numpy.concatenate([engine.numpy(some) for some in logits])

        return run

    return {"itm": lambda: (worker.nothing, score())}, {"itm": lambda: score()()}, {}
