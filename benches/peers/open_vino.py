"""OpenVINO over the graphs of export.py, as a worker of compare.py."""

import time

BEGAN = time.perf_counter()

import json

import openvino

import graphs
import worker

ARGUMENTS = worker.parse_arguments()


class Engine:
    def __init__(self):
        self.core = openvino.Core()
        # What export.py found that a graph needs on this processor.
        self.noted = json.loads((ARGUMENTS.model / "open_vino.json").read_text())
        self.settings = {
            "INFERENCE_NUM_THREADS": ARGUMENTS.threads,
            "INFERENCE_PRECISION_HINT": ARGUMENTS.precision,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        }

    def load(self, name):
        settings = {**self.settings, **self.noted.get(name, {})}
        compiled = self.core.compile_model(ARGUMENTS.model / f"{name}.onnx", "CPU", settings)
        precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if precision != ARGUMENTS.precision:
            raise RuntimeError(f"OpenVINO computes in {precision} on this processor")
        return Graph(compiled)

    def hold(self, value):
        return value

    def numpy(self, value):
        return value


class Graph:
    def __init__(self, compiled):
        self.request = compiled.create_infer_request()
        shapes = {entry.any_name: entry.partial_shape for entry in compiled.inputs}
        self.inputs = {
            name: [axis.get_length() if axis.is_static else None for axis in shape] for name, shape in shapes.items()
        }

    def __call__(self, inputs):
        # Inputs are read where they are; outputs are copied, because the next run would overwrite them.
        outputs = self.request.infer(inputs, share_inputs=True, share_outputs=False)
        return list(outputs.values())


def main():
    channel = worker.take_stdout()
    versions = {"openvino": openvino.__version__}
    worker.serve(channel, lambda: graphs.load_task(ARGUMENTS, Engine()), BEGAN, versions)


if __name__ == "__main__":
    main()
