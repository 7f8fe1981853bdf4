"""What the Python workers share: their side of the protocol, and searches over a decoder step in numpy.

A worker answers one JSON line with another: `../src/bin/peer.rs` lists them, README.md says what the rows are.
"""

import argparse
import array
import json
import os
import pathlib
import sys
import time

DEC, SEP = 30522, 102


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", choices=["caption", "vqa", "itm"], required=True)
    parser.add_argument("--precision", choices=["f32", "bf16", "int8"], required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True, help="the checkpoint, or the folder of its graphs")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    arguments.work = json.loads(arguments.work.read_text())
    return arguments


def take_stdout():
    """The protocol's own end of standard output. Whatever libraries print goes to standard error."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return channel


def serve(channel, load, began, versions):
    """Loads, says so, and answers until the input ends.

    `load()` gives the model's rows, its checks and what it lacks. A row is a function of no arguments that gives
    `(prepare, run)`: `run(prepare())` is timed, without `prepare`. A check gives a list of ids or an array of numbers.
    """
    imported = time.perf_counter()
    try:
        rows, checks, missing = load()
    except Exception as error:
        say(channel, failure(error))
        return
    loaded = time.perf_counter()
    say(
        channel,
        {
            "ready": True,
            "imports": imported - began,
            "load": loaded - imported,
            "versions": versions,
            "missing": missing,
        },
    )
    prepared = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = answer(request, rows, checks, prepared)
        except Exception as error:
            reply = failure(error)
        say(channel, reply)


def say(channel, reply):
    channel.write(json.dumps(reply) + "\n")
    channel.flush()


def failure(error):
    return {"error": f"{type(error).__name__}: {error}"}


def answer(request, rows, checks, prepared):
    if "run" in request:
        name = request["run"]
        if name not in prepared:
            prepared[name] = rows[name]()
        prepare, run = prepared[name]
        untimed, times = request.get("untimed", 0), request["times"]
        return {"seconds": [timed(prepare, run) for _ in range(untimed + times)][untimed:]}
    if "check" in request:
        result = checks[request["check"]]()
        if isinstance(result, list):
            return {"ids": result}
        pathlib.Path(request["out"]).write_bytes(result.astype("<f4").tobytes())
        return {"written": result.size}
    return {"bytes": peak_memory()}


def timed(prepare, run):
    given = prepare()
    start = time.perf_counter()
    result = run(given)
    seconds = time.perf_counter() - start
    # Only now, so that freeing it is not measured.
    del result
    return seconds


def nothing():
    return None


def peak_memory():
    """The most memory that this process ever held, in bytes."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def pixel_values(work):
    """The picture as this project's processor prepares it, `[1, 3, size, size]`."""
    import numpy

    values = array.array("f", pathlib.Path(work["pixel_values"]).read_bytes())
    size = work["image_size"]
    return numpy.array(values, dtype=numpy.float32).reshape(1, 3, size, size)


# Searches of a text whose end is ruled out until it has its length: as transformers with min_length = max_length.


def greedy(start, step, first, length):
    """`step(ids [rows], state)` gives logits `[rows, vocabulary]` and the next state."""
    ids, state = [first], start
    while len(ids) < length:
        logits, state = step(ids[-1:], state)
        logits[:, SEP] = -float("inf")
        ids.append(int(logits[0].argmax()))
    return ids


def beam_search(start, step, reorder, first, length, num_beams):
    """`reorder(state, rows)` makes the state whose row `r` goes on from row `rows[r]`."""
    import numpy

    texts, scores, state = [[first]], numpy.zeros(1, numpy.float32), start
    while len(texts[0]) < length:
        logits, state = step([text[-1] for text in texts], state)
        logits[:, SEP] = -float("inf")
        greatest = logits.max(axis=-1, keepdims=True)
        logits -= greatest + numpy.log(numpy.exp(logits - greatest).sum(axis=-1, keepdims=True))
        totals = (logits + scores[:, None]).ravel()
        best = numpy.argpartition(-totals, num_beams)[:num_beams]
        best = best[numpy.argsort(-totals[best], kind="stable")]
        rows, tokens = numpy.divmod(best, logits.shape[-1])
        texts = [texts[row] + [int(token)] for row, token in zip(rows, tokens)]
        scores = totals[best]
        if not numpy.array_equal(rows, numpy.arange(len(logits))):
            state = reorder(state, rows)
    return texts[0]
