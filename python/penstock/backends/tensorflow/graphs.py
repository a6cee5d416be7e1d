# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""SavedModels and frozen graphs: what their signatures are, and their sessions.

This module and `session` are the ones that import TensorFlow. Graphs are run through the
sessions of its v1 interface: a call of theirs costs 5 us, one of a concrete function 140 to 330 us
(TensorFlow 2.21, a layer of 16 x 4).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2

from penstock.backends.framework import TensorSignature
from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError
from penstock.types import DataType

from .options import SessionOptions
from .session import GraphSession, session_config

_log = logging.getLogger(__name__)

_DEFAULT_SIGNATURE: Final = "serving_default"
#: signatures by which TensorFlow initialises and trains a model
_INTERNAL_SIGNATURES: Final = ("__saved_model_init_op", "__saved_model_train_op")

DATA_TYPES: Final[dict[Any, DataType]] = {
    tf.bool: DataType.BOOL,
    tf.uint8: DataType.UINT8,
    tf.uint16: DataType.UINT16,
    tf.uint32: DataType.UINT32,
    tf.uint64: DataType.UINT64,
    tf.int8: DataType.INT8,
    tf.int16: DataType.INT16,
    tf.int32: DataType.INT32,
    tf.int64: DataType.INT64,
    tf.float16: DataType.FP16,
    tf.float32: DataType.FP32,
    tf.float64: DataType.FP64,
    tf.string: DataType.BYTES,
    tf.bfloat16: DataType.BF16,
}


@dataclass(frozen=True)
class Signature:
    """What a graph takes and gives."""

    inputs: list[TensorSignature]
    outputs: list[TensorSignature]
    #: the graph's name ("x:0") of every input and output
    tensor_names: Mapping[str, str]


class Graph(ABC):
    """A model's files; `open` loads them, any number of times."""

    signature: Signature

    def __init__(self, context: ModelContext, path: Path, options: SessionOptions) -> None:
        self._context = context
        self._path = path
        self._options = options

    def open(self) -> GraphSession:
        """A session with the graph and its variables. Raises what TensorFlow raises."""
        graph = tf.Graph()
        with graph.as_default():
            session = tf.compat.v1.Session(graph=graph, config=session_config(self._options))
            try:
                self._load_into(session)
                for name in self._options.init_ops:
                    session.run(graph.get_operation_by_name(name))
            except BaseException:
                session.close()
                raise
        return GraphSession(session, self.signature.tensor_names)

    @abstractmethod
    def _load_into(self, session: Any) -> None:
        """Fills the session's graph, which is the default one."""


class SavedModel(Graph):
    """A folder `model.savedmodel`: its signature says what the tensors are."""

    def __init__(self, context: ModelContext, path: Path, options: SessionOptions) -> None:
        """Reads the signatures, not the variables. Raises ServerError, or what TensorFlow does."""
        super().__init__(context, path, options)
        self.signature = _read_signature(context, _read_definition(path), options)

    def _load_into(self, session: Any) -> None:
        tf.compat.v1.saved_model.load(session, [self._options.tag], str(self._path))


class FrozenGraph(Graph):
    """A file `model.graphdef`: the configuration's names are those of operations or tensors."""

    def __init__(self, context: ModelContext, path: Path, options: SessionOptions) -> None:
        """Imports the graph once to look at its tensors."""
        super().__init__(context, path, options)
        self._definition = tf.compat.v1.GraphDef()
        self._definition.ParseFromString(path.read_bytes())
        config = context.config
        names = [each.name for each in config.input] + [each.name for each in config.output]
        self._names = {name: name if ":" in name else f"{name}:0" for name in names}
        with tf.Graph().as_default() as graph:
            tf.graph_util.import_graph_def(self._definition, name="")
            tensors = {name: self._find(graph, name) for name in names}
        self.signature = Signature(
            [_of_tensor(each.name, tensors[each.name]) for each in config.input],
            [_of_tensor(each.name, tensors[each.name]) for each in config.output],
            self._names,
        )

    def _load_into(self, session: Any) -> None:
        tf.graph_util.import_graph_def(self._definition, name="")

    def _find(self, graph: Any, name: str) -> Any:
        try:
            return graph.get_tensor_by_name(self._names[name])
        except (KeyError, ValueError) as error:
            raise InvalidArgError(
                f"unable to load model '{self._context.name}', the graph has no tensor '{name}': "
                f"{error}"
            ) from None


def _read_definition(path: Path) -> Any:
    """The SavedModel message of the folder: binary, or text."""
    binary, text = path / "saved_model.pb", path / "saved_model.pbtxt"
    if not binary.is_file() and text.is_file():
        return text_format.Parse(text.read_text(), saved_model_pb2.SavedModel())
    return saved_model_pb2.SavedModel.FromString(binary.read_bytes())


def _read_signature(context: ModelContext, definition: Any, options: SessionOptions) -> Signature:
    tags = [sorted(graph.meta_info_def.tags) for graph in definition.meta_graphs]
    if [options.tag] not in tags:
        raise InvalidArgError(
            f"unable to load model '{context.name}', no graph is tagged '{options.tag}'; the tags "
            f"of its graphs are: {', '.join('+'.join(each) for each in tags) or 'none'}"
        )
    signatures = definition.meta_graphs[tags.index([options.tag])].signature_def
    chosen = signatures[_choose_signature(context, signatures, options.signature)]
    return Signature(
        [_of_info(name, info) for name, info in sorted(chosen.inputs.items())],
        [_of_info(name, info) for name, info in sorted(chosen.outputs.items())],
        {
            name: info.name
            for each in (chosen.inputs, chosen.outputs)
            for name, info in each.items()
        },
    )


def _choose_signature(context: ModelContext, signatures: Iterable[str], asked: str) -> str:
    names = sorted(name for name in signatures if name not in _INTERNAL_SIGNATURES)
    wanted = asked or _DEFAULT_SIGNATURE
    if wanted in names:
        return wanted
    if asked or not names:
        raise InvalidArgError(
            f"unable to load model '{context.name}', expected '{wanted}' signature; its "
            f"signatures are: {', '.join(names) or 'none'}"
        )
    _log.warning(
        "model '%s' has no signature '%s', its signature '%s' is used",
        context.name,
        wanted,
        names[0],
    )
    return names[0]


def _of_info(name: str, info: Any) -> TensorSignature:
    """Of a TensorInfo message. Sparse and composite tensors have no single tensor to feed."""
    data_type = DataType.INVALID
    if info.WhichOneof("encoding") == "name":
        data_type = DATA_TYPES.get(tf.dtypes.as_dtype(info.dtype), DataType.INVALID)
    return TensorSignature(name, data_type, _dims(tf.TensorShape(info.tensor_shape)))


def _of_tensor(name: str, tensor: Any) -> TensorSignature:
    return TensorSignature(
        name, DATA_TYPES.get(tensor.dtype, DataType.INVALID), _dims(tensor.shape)
    )


def _dims(shape: Any) -> tuple[int, ...] | None:
    if shape.rank is None:
        return None
    return tuple(-1 if dim is None else int(dim) for dim in shape.as_list())
