"""Measures this library and its peers side by side, on the same random checkpoint and the same picture.

    python compare.py --preset tiny     # does it run? a few minutes, most of them the export
    python compare.py                   # BLIP-base

README.md says what is needed, what each row is, and what is not compared. Makes what is not there yet: checkpoints
(`weights-tools random`) and ONNX graphs (export.py). Then, for each checkpoint, starts one worker a peer, compares what
they compute, and asks them in turn for one piece of work after the other: what disturbs the machine disturbs all alike.
Writes times.json, every time that was taken, and table.md, anew after each checkpoint: what is broken off keeps them.
"""

import argparse
import array
import datetime
import json
import math
import operator
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CANDLE = HERE / "candle/target/release/candle-peer"
TASKS = ("caption", "vqa", "itm")


@dataclass
class Peer:
    name: str
    program: str
    precision: str
    tasks: tuple = TASKS

    @property
    def label(self):
        return f"{self.name} {self.precision}"


OURS = Peer("ours", "peer", "f32")
PEERS = [
    OURS,
    Peer("ours", "peer", "bf16"),
    Peer("ours", "peer", "int8"),
    Peer("transformers", "hugging_face.py", "f32"),
    Peer("transformers", "hugging_face.py", "bf16"),
    Peer("ONNX Runtime", "onnx_runtime.py", "f32"),
    Peer("ONNX Runtime", "onnx_runtime.py", "int8"),
    Peer("OpenVINO", "open_vino.py", "f32"),
    Peer("OpenVINO", "open_vino.py", "bf16"),
    Peer("candle", "candle-peer", "f32", ("caption",)),
]


@dataclass
class Row:
    """What is measured: `times` runs behind `untimed` ones, whenever it is a peer's turn."""

    key: str
    text: str
    task: str | None = None
    untimed: int = 0
    times: int = 1


ROWS = [
    Row("preprocess", "PNG 512 × 512 to pixel values", "caption", 2, 10),
    Row("vit_1", "ViT, one picture", "caption"),
    Row("vit_8", "ViT, eight pictures", "caption"),
    Row("step_1", "decoder step, 1 row", "caption", 2, 10),
    Row("step_3", "decoder step, 3 rows", "caption", 2, 10),
    Row("caption_greedy", "caption of 20 tokens, greedy", "caption"),
    Row("caption_beams", "caption of 20 tokens, 3 beams", "caption"),
    Row("vqa", "answer of 5 tokens to a question", "vqa"),
    Row("itm", "one picture and 128 texts, ITM", "itm"),
    Row("load", "process start to model loaded"),
    Row("imports", "of it, Python's imports"),
    Row("memory", "peak memory, load and greedy caption"),
]

# What the workers must agree on before they are timed.
CHECKS = {"caption": ("vit_1", "caption_greedy", "caption_beams"), "vqa": ("vqa",), "itm": ("itm",)}
CHECK_TEXTS = {
    "vit_1": "ViT, cosine to ours f32",
    "caption_greedy": "greedy caption, tokens as ours f32",
    "caption_beams": "3-beam caption, tokens as ours f32",
    "vqa": "answer, tokens as ours f32",
    "itm": "ITM logits, greatest difference from ours f32",
}
LEAST_COSINE = 0.99999
GREATEST_DIFFERENCE = 1e-3

WORK = {
    # "[DEC] a picture of a woman sitting on the", and "beach".
    "prompt": [30522, 1037, 3861, 1997, 1037, 2450, 3564, 2006, 1996],
    "next": 3509,
    "batch": 8,
    "num_beams": 3,
    # [DEC] and what is generated behind it.
    "caption_length": 1 + 20,
    "answer_length": 1 + 5,
    "question": "how many dogs are in the picture?",
    "question_ids": [101, 2129, 2116, 6077, 2024, 1999, 1996, 3861, 1029, 102],
    # 128 texts of twelve tokens, [CLS] and [SEP] included.
    "texts": [[101] + [2000 + (37 * text + 101 * at) % 8000 for at in range(10)] + [102] for text in range(128)],
    "texts_at_once": 64,
}

FLAGS = ("fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8")


def main():
    arguments = parse_arguments()
    make_checkpoints(arguments)
    peers = [OURS] + [peer for peer in PEERS if peer is not OURS and arguments.chosen.search(peer.label)]
    make_graphs(arguments, peers)
    arguments.out.mkdir(parents=True, exist_ok=True)
    session = Session(arguments, peers)
    session.write_work()
    for task in TASKS:
        session.compare_task(task)
    session.compare_loading()
    print(session.write())


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=["tiny", "base", "large"], default="base", help="how large the model is")
    parser.add_argument("--rounds", type=int, help="turns of every peer at every row; default: 5, tiny: 2")
    parser.add_argument("--load-rounds", type=int, help="processes of every peer; default: 3, tiny: 1")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--peers", default="", help="a regular expression on their labels, such as 'ours|f32'")
    parser.add_argument("--picture", type=pathlib.Path, default=ROOT / "examples/images/astronaut.png")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "target/release", help="has peer and weights-tools")
    parser.add_argument("--candle", type=pathlib.Path, default=CANDLE, help="the program candle-peer")
    parser.add_argument("--python", default=sys.executable, help="has what requirements.txt lists")
    parser.add_argument("--models", type=pathlib.Path, help="the folders caption, vqa, itm; default: made below --out")
    parser.add_argument("--out", type=pathlib.Path, help="default: target/peers/PRESET")
    parser.add_argument("--allow-disagreement", action="store_true", help="measure peers in f32 that differ from ours")
    arguments = parser.parse_args()
    tiny = arguments.preset == "tiny"
    arguments.rounds = arguments.rounds or (2 if tiny else 5)
    arguments.load_rounds = arguments.load_rounds or (1 if tiny else 3)
    arguments.out = (arguments.out or ROOT / "target/peers" / arguments.preset).resolve()
    arguments.models = (arguments.models or arguments.out / "models").resolve()
    arguments.graphs = arguments.out / "graphs"
    arguments.chosen = re.compile(arguments.peers, re.IGNORECASE)
    return arguments


def make_checkpoints(arguments):
    for task in TASKS:
        if not (arguments.models / task).exists():
            arguments.models.mkdir(parents=True, exist_ok=True)
            command = [arguments.bin / "weights-tools", "random", "--task", task, "--preset", arguments.preset]
            subprocess.run([*command, "--seed", "1", "--out", arguments.models / task], check=True)


def make_graphs(arguments, peers):
    if not any(peer.program in ("onnx_runtime.py", "open_vino.py") for peer in peers):
        return
    for task in TASKS:
        done = arguments.graphs / task / "done"
        if done.exists():
            continue
        command = [arguments.python, HERE / "export.py", "--task", task]
        command += ["--model", arguments.models / task, "--out", arguments.graphs / task]
        if subprocess.run(command, stdout=sys.stderr).returncode == 0:
            done.touch()
        else:
            warn(f"export of {task} failed: its graphs are not measured")


def warn(text):
    print(text, file=sys.stderr, flush=True)


class Lost(Exception):
    """A worker that cannot do what it is asked for, with the reason."""


class Worker:
    """A process that does what it is asked for while nobody else does anything."""

    def __init__(self, arguments, peer, task):
        self.peer = peer
        slug = re.sub(r"\W+", "-", f"{peer.label} {task}".lower())
        model = arguments.models / task
        if peer.program == "peer":
            command = [arguments.bin / "peer"]
        elif peer.program == "candle-peer":
            command = [arguments.candle]
        else:
            command = [arguments.python, HERE / peer.program, "--threads", str(arguments.threads)]
            if peer.program != "hugging_face.py":
                model = arguments.graphs / task
                if not (model / "done").exists():
                    raise Lost("there are no graphs")
        command += ["--task", task, "--precision", peer.precision, "--model", model]
        command += ["--work", arguments.out / "work.json"]
        threads = str(arguments.threads)
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started = time.perf_counter()
        try:
            with open(arguments.out / f"{slug}.log", "w") as log:
                self.process = subprocess.Popen(command, stderr=log, env=environment, **pipes)
        except OSError as error:
            raise Lost(str(error)) from None
        self.log = log.name
        self.ready = self.hear()
        self.seconds_to_ready = time.perf_counter() - started

    def ask(self, **request):
        # Threads that still wait for work of whoever was asked before go to sleep.
        time.sleep(0.05)
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass
        return self.hear()

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            lines = pathlib.Path(self.log).read_text().splitlines()
            raise Lost(f"ended with status {self.process.wait()}: {lines[-1] if lines else 'it said nothing'}")
        reply = json.loads(line)
        if "error" in reply:
            raise Lost(reply["error"])
        return reply

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@dataclass
class Session:
    arguments: argparse.Namespace
    peers: list
    times: dict = field(default_factory=dict)
    agreement: dict = field(default_factory=dict)
    reasons: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)

    def write_work(self):
        config = json.loads((self.arguments.models / "caption/config.json").read_text())
        work = {
            "picture": str(self.arguments.picture.resolve()),
            "pixel_values": str(self.arguments.out / "pixel_values.f32"),
            "image_size": config["vision_config"]["image_size"],
            **WORK,
        }
        (self.arguments.out / "work.json").write_text(json.dumps(work))

    def lack(self, peer, rows, reason):
        """Notes, and says once, why a peer has no numbers in some rows."""
        reasons = self.reasons.setdefault(peer.label, {})
        new = [row for row in rows if row not in reasons]
        if new:
            reasons.update(dict.fromkeys(new, reason))
            warn(f"{peer.label}: no {', '.join(new)}: {reason}")

    def start(self, peer, task):
        rows = [row.key for row in ROWS if row.task == task]
        if task not in peer.tasks:
            self.lack(peer, rows, f"{peer.name} has no such model")
            return None
        try:
            worker = Worker(self.arguments, peer, task)
        except Lost as lost:
            self.lack(peer, rows, str(lost))
            return None
        self.versions.update(worker.ready["versions"])
        for row, reason in worker.ready.get("missing", {}).items():
            self.lack(peer, [row], reason)
        return worker

    def compare_task(self, task):
        workers = [worker for peer in self.peers if (worker := self.start(peer, task))]
        if not workers or workers[0].peer is not OURS:
            sys.exit(f"{OURS.label} does not run")
        try:
            self.check(workers, task)
            self.measure(workers, [row for row in ROWS if row.task == task])
        finally:
            for worker in workers:
                worker.close()
        self.write()

    def lacks(self, worker, row):
        return row in self.reasons.get(worker.peer.label, {})

    # Do they compute the same?

    def check(self, workers, task):
        out = self.arguments.out
        workers[0].ask(check="pixel_values", out=str(out / "pixel_values.f32"))
        for what in CHECKS[task]:
            expected = None
            for worker in workers:
                if self.lacks(worker, what):
                    continue
                try:
                    path = out / "check.f32"
                    reply = worker.ask(check=what, out=str(path))
                    result = reply["ids"] if "ids" in reply else array.array("f", path.read_bytes())
                    expected = result if expected is None else expected
                    text, agrees = compared(what, result, expected)
                except Lost as lost:
                    self.lack(worker.peer, [what], str(lost))
                    continue
                self.agreement.setdefault(what, {})[worker.peer.label] = text
                if worker.peer.precision == "f32" and not agrees:
                    message = f"{worker.peer.label} differs from {OURS.label}: {CHECK_TEXTS[what]}: {text}"
                    if not self.arguments.allow_disagreement:
                        sys.exit(message)
                    warn(message)

    # How long do they take?

    def measure(self, workers, rows):
        # The first turn is not counted: it reads pages, chooses kernels and fills caches.
        for turn in range(self.arguments.rounds + 1):
            for row in rows:
                for worker in workers:
                    if self.lacks(worker, row.key):
                        continue
                    try:
                        reply = worker.ask(run=row.key, untimed=row.untimed, times=row.times)
                    except Lost as lost:
                        self.lack(worker.peer, [row.key], str(lost))
                        continue
                    if turn > 0:
                        self.note(row.key, worker.peer, reply["seconds"])
            warn(f"{rows[0].task}: {'warmed up' if turn == 0 else f'round {turn} of {self.arguments.rounds}'}")

    def note(self, row, peer, numbers):
        self.times.setdefault(row, {}).setdefault(peer.label, []).extend(numbers)

    def compare_loading(self):
        # As above: the first turn brings the files into memory.
        for turn in range(self.arguments.load_rounds + 1):
            for peer in self.peers:
                try:
                    worker = Worker(self.arguments, peer, "caption")
                except Lost as lost:
                    self.lack(peer, ["load", "imports", "memory"], str(lost))
                    continue
                if turn > 0:
                    self.note("load", peer, [worker.seconds_to_ready])
                    self.note("imports", peer, [worker.ready["imports"]])
                    try:
                        worker.ask(run="caption_greedy", times=1)
                        self.note("memory", peer, [worker.ask(memory=True)["bytes"]])
                    except Lost as lost:
                        self.lack(peer, ["memory"], str(lost))
                worker.close()
            warn(f"load: {'warmed up' if turn == 0 else f'round {turn} of {self.arguments.load_rounds}'}")

    # What came out

    def write(self):
        """Writes what there is so far, and gives the table."""
        settings = {key: getattr(self.arguments, key) for key in ("preset", "rounds", "load_rounds", "threads")}
        record = {
            "date": str(datetime.date.today()),
            "machine": machine(),
            "settings": settings,
            "versions": {"python": platform.python_version(), **self.versions},
            "commit": commit(),
            "agreement": self.agreement,
            "missing": self.reasons,
            "times": self.times,
        }
        (self.arguments.out / "times.json").write_text(json.dumps(record, indent=1) + "\n")
        table = markdown(record, [peer.label for peer in self.peers])
        (self.arguments.out / "table.md").write_text(table)
        return table


def compared(what, result, expected):
    """How near a result is, in words, and whether that is as near as f32 has to be."""
    if what == "vit_1":
        cosine = dot(result, expected) / math.sqrt(dot(result, result) * dot(expected, expected))
        return f"{cosine:.6f}", cosine >= LEAST_COSINE and len(result) == len(expected)
    if what == "itm":
        difference = max(map(abs, map(float.__sub__, result, expected)))
        return f"{difference:.1e}", difference <= GREATEST_DIFFERENCE and len(result) == len(expected)
    pairs = enumerate(zip(result, expected))
    same = next((at for at, (one, other) in pairs if one != other), min(len(result), len(expected)))
    # The first token is given.
    return f"{same - 1} of {len(expected) - 1}", result == expected


def dot(one, other):
    return math.fsum(map(operator.mul, one, other))


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.MULTILINE)
    flags = flags[1].split() if flags else []
    return {
        "processor": model[1].strip() if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "flags": [flag for flag in FLAGS if flag in flags],
        "memory_gib": round(int(memory[1]) / 2**20),
    }


def commit():
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def markdown(record, labels):
    times = {row: {label: statistics.median(of) for label, of in by.items()} for row, by in record["times"].items()}
    # A peer that gave no number at all takes no column.
    labels = [label for label in labels if any(label in by for by in times.values())]
    lines = [head(record), "", *table_head(labels)]
    for row in ROWS:
        cells = [cell(row.key, times.get(row.key, {}), label) for label in labels]
        lines.append(f"| {row.text} | " + " | ".join(cells) + " |")
    lines += ["", "Before that they were asked for the same results:", "", *table_head(labels)]
    for what, by in record["agreement"].items():
        lines.append(f"| {CHECK_TEXTS[what]} | " + " | ".join(by.get(label, "-") for label in labels) + " |")
    return "\n".join(lines) + "\n"


def head(record):
    machine, settings = record["machine"], record["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(record["versions"].items()))
    return (
        f"{record['date']}, BLIP-{settings['preset']} with random weights; {machine['processor']}, "
        f"{machine['cores']} cores ({', '.join(machine['flags']) or 'no flags'}), {machine['memory_gib']} GiB, "
        f"{settings['threads']} threads; commit {record['commit']}; {versions}. Medians of {settings['rounds']} rounds "
        f"({settings['load_rounds']} for loading and memory); in brackets how many times ours in f32."
    )


def table_head(labels):
    return ["| | " + " | ".join(labels) + " |", "|---|" + "---:|" * len(labels)]


def cell(row, medians, label):
    if label not in medians:
        return "-"
    median, ours = medians[label], medians.get(OURS.label)
    if row == "memory":
        text = f"{median / 1e6:.0f} MB"
    else:
        text = f"{median:.2f} s" if median >= 0.1 else f"{1e3 * median:.3g} ms"
    return f"{text} ({median / ours:.2f})" if ours and row != "imports" else text


if __name__ == "__main__":
    main()
