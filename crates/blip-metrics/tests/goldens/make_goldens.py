"""Makes the goldens of captions and answers: made-up texts and what the official evaluations say of them.

    apt-get install default-jre-headless
    git clone https://github.com/salesforce/LAVIS && git -C LAVIS checkout 506965b
    pip install pycocoevalcap==1.2 pycocotools==2.0.11 numpy==2.4.6
    python make_goldens.py --lavis LAVIS [--out FOLDER]

Writes beside itself, or into FOLDER:
  tokens.json     lines of text and their words, read as one file, with another line behind each, and each alone
  captions.json   candidates with references, their words, and BLEU, ROUGE-L and CIDEr-D of two corpora of them
  answers.json    predicted answers with those of annotators, and their accuracies
README.md beside this file names every field. It takes one and a half minutes, most of them for starting Java. Running it twice
gives the same bytes.
"""

import argparse
import ast
import contextlib
import importlib.metadata
import importlib.util
import io
import json
import logging
import os
import pathlib
import subprocess
import tempfile
import types
import warnings

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

import inputs

LAVIS_COMMIT = "506965b"
FEW = 12


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lavis", type=pathlib.Path, required=True, help=f"checkout of salesforce/LAVIS@{LAVIS_COMMIT}")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    arguments = parser.parse_args()
    head = ["git", "-C", str(arguments.lavis), "rev-parse", "HEAD"]
    commit = subprocess.run(head, check=True, capture_output=True, text=True).stdout.strip()
    if not commit.startswith(LAVIS_COMMIT):
        parser.error(f"--lavis: expected {LAVIS_COMMIT}, got {commit}")
    warnings.filterwarnings("ignore")
    versions = {name: importlib.metadata.version(name) for name in ["pycocoevalcap", "pycocotools", "numpy"]}
    versions["lavis"] = f"salesforce/LAVIS@{LAVIS_COMMIT}"

    write(arguments.out / "tokens.json", {"versions": versions, **tokens()})
    write(arguments.out / "captions.json", {"versions": versions, **captions()})
    write(arguments.out / "answers.json", {"versions": versions, **answers(arguments.lavis)})


def write(path, value):
    path.write_text(formatted(value) + "\n", encoding="utf-8")


def formatted(value, indent=0):
    """JSON with a line for each value that has no object inside."""
    if not holds_object(value):
        return json.dumps(value, ensure_ascii=False)
    pad = "\n" + " " * (indent + 1)
    if isinstance(value, dict):
        members = [f"{json.dumps(name)}: {formatted(member, indent + 1)}" for name, member in value.items()]
        opening, closing = "{}"
    else:
        members = [formatted(member, indent + 1) for member in value]
        opening, closing = "[]"
    return opening + pad + ("," + pad).join(members) + "\n" + " " * indent + closing


def holds_object(value):
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return any(isinstance(member, dict) or holds_object(member) for member in members)


def tokenized(lists):
    """The words of lists of captions, as COCOEvalCap tokenizes them: all in one file."""
    texts = {index: [{"caption": text} for text in texts] for index, texts in enumerate(lists)}
    lines = PTBTokenizer().tokenize(texts)
    return [lines[index] for index in texts]


def words(line):
    return line.split(" ") if line else []


def tokens():
    lines = inputs.LINES
    together = [words(line) for [line] in tokenized([[line] for line in lines])]
    followed = [words(tokenized([[line, "x"]])[0][0]) for line in lines]
    last = [words(tokenized([[line]])[0][0]) for line in lines]
    columns = zip(lines, together, followed, last)
    return {"lines": [dict(text=a, together=b, followed=c, last=d) for a, b, c, d in columns]}


def captions():
    few = inputs.CAPTIONS[:FEW]
    return {"corpora": {"few": corpus(few), "all": corpus(inputs.CAPTIONS)}}


def corpus(pairs):
    candidates = tokenized([[candidate] for candidate, _ in pairs])
    references = tokenized([references for _, references in pairs])
    gts, res = dict(enumerate(references)), dict(enumerate(candidates))
    bleu, bleus = Bleu(4).compute_score(gts, res, verbose=0)
    rouge, rouges = Rouge().compute_score(gts, res)
    cider, ciders = Cider().compute_score(gts, res)
    return {
        "captions": [
            {
                "candidate": candidate,
                "references": texts,
                "candidate_words": words(candidates[index][0]),
                "references_words": [words(line) for line in references[index]],
                "bleu": [float(scores[index]) for scores in bleus],
                "rouge_l": float(rouges[index]),
                "cider_d": float(ciders[index]),
            }
            for index, (candidate, texts) in enumerate(pairs)
        ],
        "bleu": [float(score) for score in bleu],
        "rouge_l": float(rouge),
        "cider_d": float(cider),
    }


def answers(lavis):
    path = lavis / "lavis/common/vqa_tools/vqa_eval.py"
    spec = importlib.util.spec_from_file_location("vqa_eval", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    accuracies = []

    class Recorder(module.VQAEval):
        def setEvalQA(self, quesId, acc):
            accuracies.append(acc)
            super().setEvalQA(quesId, acc)

    questions = [
        {
            "question_type": question_type,
            "answer_type": answer_type,
            "answers": [{"answer": answer, "answer_id": place} for place, answer in enumerate(given)],
        }
        for question_type, answer_type, _, given in inputs.QUESTIONS
    ]
    predictions = [{"answer": answer} for _, _, answer, _ in inputs.QUESTIONS]
    evaluation = Recorder(types.SimpleNamespace(qa=questions, getQuesIds=lambda: list(range(len(questions)))))
    evaluation.vqaRes = types.SimpleNamespace(qa=predictions)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()

    def normalized(answer):
        answer = answer.replace("\n", " ").replace("\t", " ").strip()
        return evaluation.processDigitArticle(evaluation.processPunctuation(answer))

    return {
        "questions": [
            {
                "question_type": question_type,
                "answer_type": answer_type,
                "answer": answer,
                "annotators": given,
                "normalized": normalized(answer),
                "accuracy": accuracy,
            }
            for (question_type, answer_type, answer, given), accuracy in zip(inputs.QUESTIONS, accuracies)
        ],
        "accuracy": {
            "overall": evaluation.accuracy["overall"],
            "per_question_type": evaluation.accuracy["perQuestionType"],
            "per_answer_type": evaluation.accuracy["perAnswerType"],
        },
        "direct_answers": [
            {"answer": answer, "annotators": given, "percent": direct_answer_percent(lavis, [(answer, given)])}
            for answer, given in inputs.DIRECT_ANSWERS
        ],
        "direct_answer_percent": direct_answer_percent(lavis, inputs.DIRECT_ANSWERS),
    }


def direct_answer_percent(lavis, pairs):
    """What `AOKVQATask._report_metrics` says. It is run out of its class, because LAVIS imports half of what there is."""
    tree = ast.parse((lavis / "lavis/tasks/vqa.py").read_text(encoding="utf-8"))
    task = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "AOKVQATask")
    report = next(node for node in task.body if getattr(node, "name", None) == "_report_metrics")
    report.decorator_list = []
    with tempfile.TemporaryDirectory() as folder:
        registry = types.SimpleNamespace(get_path=lambda _: folder)
        scope = {"json": json, "os": os, "logging": logging, "registry": registry}
        exec(compile(ast.Module([report], []), "vqa.py", "exec"), scope)
        results = pathlib.Path(folder) / "results.json"
        results.write_text(json.dumps([{"pred_ans": answer, "gt_ans": given} for answer, given in pairs]))
        return scope["_report_metrics"](None, str(results), "val")["acc"]


if __name__ == "__main__":
    main()
