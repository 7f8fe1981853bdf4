"""Makes `transformers5.json`: greedy and beam search of transformers 5 on the toy model of `toy_model.py`,
and its logits processors and warpers on seeded scores.

Run:  python make_transformers5.py
Made with transformers 5.23.0 and torch 2.14 (the file says which).
"""

import json
import pathlib

import torch
import transformers
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

import toy_model
from processors import processor_cases


class ToyConfig(PretrainedConfig):
    model_type = "toy"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = toy_model.VOCAB_SIZE


class ToyModel(PreTrainedModel, GenerationMixin):
    config_class = ToyConfig

    def __init__(self, config):
        super().__init__(config)
        self.unused = torch.nn.Parameter(torch.zeros(1))
        self.seed = 0

    def prepare_inputs_for_generation(self, input_ids, context=None, **kwargs):
        return {"input_ids": input_ids, "context": context}

    def forward(self, input_ids, context=None, **kwargs):
        rows = [
            toy_model.logits(self.seed, group, prefix)
            for group, prefix in zip(context.tolist(), input_ids.tolist(), strict=True)
        ]
        return CausalLMOutput(logits=torch.tensor(rows, dtype=torch.float32)[:, None, :])


def main():
    model = ToyModel(ToyConfig())
    results = []
    for case in toy_model.cases(never=True):
        model.seed = case["seed"]
        output = model.generate(
            input_ids=torch.tensor([case["prompt"]] * len(toy_model.CONTEXTS)),
            context=torch.tensor(toy_model.CONTEXTS),
            do_sample=False,
            use_cache=False,
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
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "generation": results,
        "processors": processor_cases(transformers.generation.logits_process, torch, transformers5=True),
    }
    path = pathlib.Path(__file__).with_name("transformers5.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(golden["transformers"], golden["torch"], len(results), "cases")


if __name__ == "__main__":
    main()
