"""ONNX Runtime over the graphs of export.py, as a worker of compare.py."""

import time

BEGAN = time.perf_counter()

import onnxruntime

import graphs
import worker

ARGUMENTS = worker.parse_arguments()


class Engine:
    def load(self, name):
        return Graph(ARGUMENTS.model / (f"{name}.int8.onnx" if ARGUMENTS.precision == "int8" else f"{name}.onnx"))

    def hold(self, value):
        return value if isinstance(value, onnxruntime.OrtValue) else onnxruntime.OrtValue.ortvalue_from_numpy(value)

    def numpy(self, value):
        return value.numpy()


class Graph:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = ARGUMENTS.threads
        options.inter_op_num_threads = 1
        # Threads that wait for work between two runs would take the processor from the next peer.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = {entry.name: entry.shape for entry in self.session.get_inputs()}
        self.outputs = [entry.name for entry in self.session.get_outputs()]

    def __call__(self, inputs):
        return self.session.run_with_ort_values(self.outputs, inputs)


def main():
    channel = worker.take_stdout()
    versions = {"onnxruntime": onnxruntime.__version__}
    worker.serve(channel, lambda: graphs.load_task(ARGUMENTS, Engine()), BEGAN, versions)


if __name__ == "__main__":
    main()
