"""Makes `transformers415.json`: greedy and beam search of transformers 4.15 on the toy model of `toy_model.py`,
and its logits processors and warpers on seeded scores.

Run:  python make_transformers415.py FOLDER
where FOLDER is an unpacked wheel of transformers 4.15.0 (it holds `transformers/`). The package itself does not
import beside current dependencies, so its generation modules are imported alone, with a stand-in for the two helper
modules that they take a logger, a docstring decorator and an output class from. The generation code is theirs.
Made with torch 2.14 (the file says which).
"""

import json
import logging
import pathlib
import sys
import types

import torch

import toy_model
from processors import processor_cases


def import_generation(folder):
    package = types.ModuleType("transformers")
    package.__path__ = [str(pathlib.Path(folder) / "transformers")]
    sys.modules["transformers"] = package

    file_utils = types.ModuleType("transformers.file_utils")
    file_utils.add_start_docstrings = lambda *_: lambda function: function
    file_utils.ModelOutput = type("ModelOutput", (), {})
    sys.modules["transformers.file_utils"] = file_utils

    utils = types.ModuleType("transformers.utils")
    utils.logging = types.SimpleNamespace(get_logger=logging.getLogger)
    utils.__path__ = []
    sys.modules["transformers.utils"] = utils
    sys.modules["transformers.utils.logging"] = utils.logging

    from transformers import generation_logits_process, generation_utils

    return generation_utils, generation_logits_process


class Config(types.SimpleNamespace):
    """What `generate` asks the configuration for; the values are the defaults of `PretrainedConfig` 4.15."""

    def __getattr__(self, name):
        return None


def toy_class(generation_utils):
    class ToyModel(generation_utils.GenerationMixin):
        def __init__(self):
            self.config = Config(
                is_encoder_decoder=False,
                num_beams=1,
                num_beam_groups=1,
                length_penalty=1.0,
                early_stopping=False,
                do_sample=False,
                num_return_sequences=1,
                max_length=20,
                min_length=0,
                repetition_penalty=1.0,
                no_repeat_ngram_size=0,
                encoder_no_repeat_ngram_size=0,
                diversity_penalty=0.0,
                use_cache=False,
                output_attentions=False,
                output_hidden_states=False,
                remove_invalid_values=False,
            )
            self.device = torch.device("cpu")
            self.main_input_name = "input_ids"
            self.seed = 0

        def prepare_inputs_for_generation(self, input_ids, context=None, **kwargs):
            return {"input_ids": input_ids, "context": context}

        def __call__(self, input_ids, context, **kwargs):
            rows = [
                toy_model.logits(self.seed, group, prefix)
                for group, prefix in zip(context.tolist(), input_ids.tolist(), strict=True)
            ]

            class Output(dict):
                logits = torch.tensor(rows, dtype=torch.float32)[:, None, :]

            return Output()

    return ToyModel


def main():
    generation_utils, logits_process = import_generation(sys.argv[1])
    model = toy_class(generation_utils)()
    results = []
    for case in toy_model.cases(never=False):
        model.seed = case["seed"]
        # As the original BLIP does: the caller repeats what is attended, `generate` repeats the ids.
        output = model.generate(
            torch.tensor([case["prompt"]] * len(toy_model.CONTEXTS)),
            context=torch.tensor(toy_model.CONTEXTS).repeat_interleave(case["config"]["num_beams"]),
            do_sample=False,
            pad_token_id=toy_model.PAD,
            eos_token_id=toy_model.EOS,
            return_dict_in_generate=True,
            output_scores=True,
            **case["config"],
        )
        rows = [toy_model.strip(row) for row in output.sequences.tolist()]
        scores = getattr(output, "sequences_scores", None)
        results.append({**case, "rows": rows, "scores": None if scores is None else scores.tolist()})
    golden = {
        "transformers": "4.15.0",
        "torch": torch.__version__,
        "generation": results,
        "processors": processor_cases(logits_process, torch, transformers5=False),
    }
    path = pathlib.Path(__file__).with_name("transformers415.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(golden["transformers"], golden["torch"], len(results), "cases")


if __name__ == "__main__":
    main()
