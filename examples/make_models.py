# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Makes the model files of examples/models that are generated, not committed.

digits: a small neural network trained on scikit-learn's handwritten digits, as ONNX, and beside it
the test split with scikit-learn's own accuracy, so that a client can compare.
resnet50: the ResNet-50 graph that the onnx package carries as test data. There every weight is the
same constant, so that the answer does not depend on the image; here the weights are drawn from a
seeded generator and the batch dimension is opened.

The result is the same on every run: all seeds are fixed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODELS = Path(__file__).resolve().parent / "models"
OPSET = 18
IR_VERSION = 9  # opset 18's own; older runtimes read it too


def make_digits(folder: Path) -> None:
    """Trains the classifier: `image` FP32 [N, 64] in 0..16 -> `probabilities` FP32 [N, 10]."""
    images, labels = load_digits(return_X_y=True)
    images = images.astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.25, random_state=0, stratify=labels
    )
    classifier = make_pipeline(
        StandardScaler(), MLPClassifier(hidden_layer_sizes=(32,), max_iter=400, random_state=0)
    )
    classifier.fit(train_x, train_y)
    model = to_onnx(
        classifier,
        initial_types=[("image", FloatTensorType([None, 64]))],
        options={"zipmap": False},
        target_opset=OPSET,
    )
    model = select_model_inputs_outputs(model, ["probabilities"])
    model.graph.name = "digits"  # the converter's own is a random number
    used = {name for node in model.graph.node for name in node.input}
    weights = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:], model.graph.output[:]
    model.graph.initializer.extend(weights)
    model.graph.output.append(_floats("probabilities", ["N", 10]))
    imports = sorted(model.opset_import, key=lambda entry: entry.domain)
    del model.opset_import[:]
    model.opset_import.extend(imports)
    model.ir_version = IR_VERSION
    _save(model, folder / "1" / "model.onnx")
    split = {
        "accuracy": float(classifier.score(test_x, test_y)),
        "images": test_x.astype(int).tolist(),
        "labels": test_y.tolist(),
    }
    (folder / "test_split.json").write_text(json.dumps(split))


def make_resnet50(folder: Path) -> None:
    """Prepares the graph: `image` FP32 [N, 3, 224, 224] -> `probabilities` FP32 [N, 1000]."""
    source = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
    model = onnx.load(source)
    graph = model.graph
    _rename(graph, {"gpu_0/data_0": "image", "gpu_0/softmax_1": "probabilities"})
    weights = _draw_weights(graph)
    # Fully connected behind [N, 2048, 1, 1]: the number of images is open.
    reshape = next(node for node in graph.node if node.op_type == "Reshape")
    weights[reshape.input[1]] = np.array([-1, 2048], dtype=np.int64)
    nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    used = {name for node in nodes for name in node.input}
    prepared = helper.make_graph(
        nodes,
        "resnet50",
        [_floats("image", ["N", 3, 224, 224])],
        [_floats("probabilities", ["N", 1000])],
        [numpy_helper.from_array(value, name) for name, value in weights.items() if name in used],
    )
    imports = [helper.make_opsetid("", 9)]  # the graph's own
    _save(
        helper.make_model(prepared, opset_imports=imports, ir_version=IR_VERSION),
        folder / "1" / "model.onnx",
    )


def _draw_weights(graph: onnx.GraphProto) -> dict[str, npt.NDArray[Any]]:
    """A value for every weight, by what its user does with it.

    The graph stores small weights as they are and large ones as ConstantOfShape of their shape.
    """
    random = np.random.default_rng(0)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    sizes = {name: value.shape for name, value in stored.items()}
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            sizes[node.output[0]] = tuple(int(size) for size in stored[node.input[0]])
    values: dict[str, npt.NDArray[Any]] = {}
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name not in sizes:
                continue
            size = sizes[name]
            if node.op_type in ("Conv", "Gemm") and len(size) > 1:
                deviation = np.sqrt(2.0 / np.prod(size[1:]))  # keeps the scale through a ReLU
                value = random.standard_normal(size, dtype=np.float32) * np.float32(deviation)
            elif node.op_type == "BatchNormalization" and position in (1, 4):
                # Scale, below one so that sixteen additions do not saturate the softmax; variance.
                value = np.full(size, 0.75 if position == 1 else 1.0, dtype=np.float32)
            else:
                value = np.zeros(size, dtype=np.float32)
            values[name] = value
    return values


def _floats(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        for field in (node.input, node.output):
            field[:] = [names.get(name, name) for name in field]


def _save(model: onnx.ModelProto, path: Path) -> None:
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    print(f"{path.relative_to(MODELS.parent)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    make_digits(MODELS / "digits")
    make_resnet50(MODELS / "resnet50")
