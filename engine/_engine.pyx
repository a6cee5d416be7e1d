# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# cython: language_level=3, binding=True
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# distutils: language=c++
"""The compiled core for Python: owners over the public headers, one concern a file.

What it means to callers stands in _engine.pyi. Rules that hold in every file: a Status becomes an
exception in check() and nowhere else; the GIL is released wherever the core may wait; bytes of
Python objects are lent to the core by py_owned.h and let go of under the GIL.
"""

cimport cython

include "status.pxi"
include "plan_ensemble.pxi"
include "plan.pxi"
include "plan_sequence.pxi"
include "plan_batch.pxi"
include "statistics.pxi"
include "engine.pxi"
include "tensor.pxi"
include "device_tensor.pxi"
include "strings.pxi"
include "batch.pxi"
include "model_tensor.pxi"
include "model_messages.pxi"
include "model_calls.pxi"
include "responder.pxi"
include "completion.pxi"
include "codec.pxi"
include "native_backends.pxi"
include "call_messages.pxi"
include "calls.pxi"
include "worker.pxi"
include "process.pxi"
include "trace.pxi"
include "header_rules.pxi"
include "regions.pxi"
include "door.pxi"
include "grpc_door.pxi"

__version__ = "0.1.0"
