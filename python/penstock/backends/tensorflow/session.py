# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""A TensorFlow session that has a graph in it, and its calls."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from .options import SessionOptions

_Call = Callable[..., list[Any]]
#: sets of outputs that requests ask for, each of which is a call of its own
_MAX_CALLS: Final = 16

# It says with every graph that is loaded that its v1 interface will be removed some day.
logging.getLogger("tensorflow").setLevel(logging.ERROR)


class GraphSession:
    """Thread safe: instances call it side by side."""

    def __init__(self, session: Any, tensor_names: Mapping[str, str]) -> None:
        """`tensor_names`: the graph's name of every input and output."""
        self._session = session
        self._tensor_names = tensor_names
        self._lock = threading.Lock()
        self._calls: dict[tuple[tuple[str, ...], tuple[str, ...]], _Call] = {}

    def call(self, inputs: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
        """Arrays in, arrays out by name; raises tf.errors.OpError."""
        key = (tuple(inputs), tuple(wanted))
        call = self._calls.get(key) or self._add_call(key)
        return dict(zip(wanted, call(*inputs.values()), strict=True))

    def as_bfloat16(self, bits: Any) -> Any:
        """An array of 16 bit integers as what it means."""
        return bits.view(tf.bfloat16.as_numpy_dtype)

    def close(self) -> None:
        """Ends the session, when nothing runs in it any more.

        TensorFlow gives up an input that an output shares its memory with in its next call: one
        that does nothing is made here.
        """
        self._calls.clear()
        with self._session.graph.as_default():
            self._session.run(tf.no_op())
        self._session.close()

    def _add_call(self, key: tuple[tuple[str, ...], tuple[str, ...]]) -> _Call:
        feeds, fetches = key
        options = config_pb2.CallableOptions(
            feed=[self._tensor_names[name] for name in feeds],
            fetch=[self._tensor_names[name] for name in fetches],
        )
        # As Keras does: the public make_callable takes 130 us more for its checks of every call.
        call: _Call = self._session._make_callable_from_options(options)
        with self._lock:
            if len(self._calls) >= _MAX_CALLS:
                self._calls.pop(next(iter(self._calls)))
            self._calls[key] = call
        return call


def session_config(options: SessionOptions) -> Any:
    """The ConfigProto of a session."""
    return tf.compat.v1.ConfigProto(
        device_count={"GPU": 0},
        intra_op_parallelism_threads=options.intra_threads,
        inter_op_parallelism_threads=options.inter_threads,
        use_per_session_threads=options.own_pool,
        allow_soft_placement=options.soft_placement,
    )
