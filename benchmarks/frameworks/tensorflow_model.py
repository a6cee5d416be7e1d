# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""One linear layer of 16 to 10, as a SavedModel."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from benchmarks.frameworks.resnet import Floats

PACKAGE = "tensorflow"
CONFIG = """
platform: "tensorflow_savedmodel"
max_batch_size: 1
input [ { name: "INPUT0", data_type: TYPE_FP32, dims: [ 16 ] } ]
output [ { name: "OUTPUT0", data_type: TYPE_FP32, dims: [ 10 ] } ]
parameters { key: "TF_NUM_INTRA_THREADS" value { string_value: "1" } }
"""
FILENAME = "model.savedmodel"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def write(path: Path) -> None:
    """Writes the model's folder."""
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(tf.random.uniform([16, 10], seed=1))
    specification = tf.TensorSpec([None, 16], tf.float32, name="INPUT0")
    layer = tf.function(
        lambda INPUT0: {"OUTPUT0": tf.matmul(INPUT0, module.weights)},
        input_signature=[specification],
    )
    tf.saved_model.save(module, str(path), signatures={"serving_default": layer})


def bare_call(path: Path, argument: Floats) -> Callable[[], object]:
    """The fastest call that TensorFlow has from Python: of a session, prepared, unchecked."""
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2

    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1
    )
    with tf.Graph().as_default():
        session = tf.compat.v1.Session(config=config)
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(path))
    signature = meta.signature_def["serving_default"]
    call = session._make_callable_from_options(
        config_pb2.CallableOptions(
            feed=[signature.inputs["INPUT0"].name], fetch=[signature.outputs["OUTPUT0"].name]
        )
    )
    return lambda: call(argument)
