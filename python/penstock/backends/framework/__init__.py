# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What back ends share that call a framework through Python; it imports no framework.

A back end of a framework is a `Backend` that asks a model file for its `TensorSignature`s,
`complete`s the configuration with them, `match`es the final configuration against them at load,
and makes instances that subclass `FrameworkInstance`.
"""

from .completion import complete, is_complete
from .failure import load_failure, own_words
from .instance import Array, FrameworkInstance, Output
from .matching import match
from .parameters import count_parameter, switch_parameter, text_parameter, thread_share
from .signature import TensorSignature

__all__ = [
    "Array",
    "FrameworkInstance",
    "Output",
    "TensorSignature",
    "complete",
    "count_parameter",
    "is_complete",
    "load_failure",
    "match",
    "own_words",
    "switch_parameter",
    "text_parameter",
    "thread_share",
]
