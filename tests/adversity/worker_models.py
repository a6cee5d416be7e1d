# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Python models that misbehave when a request says so, and the repository of them."""

from __future__ import annotations

from pathlib import Path

#: IN[0] says what `execute` does. Everything else is answered OUT = IN.
OBEDIENT = """
import ctypes, os, signal, sys, time
import numpy as np
import triton_python_backend_utils as pb_utils

DEEDS = {
    1: lambda: os._exit(3),
    2: lambda: ctypes.string_at(0),
    3: lambda: os.abort(),
    4: lambda: os.kill(os.getpid(), signal.SIGSTOP),
    5: lambda: time.sleep(3600),
    6: lambda: sys.stdout.write("x" * 99 + "\\n") and None,
    7: lambda: [sys.stdout.write("x" * 999 + "\\n") for _ in range(100_000)] and None,
    8: lambda: os.closerange(3, 1000),
    9: lambda: sys.exit("enough"),
    10: lambda: leak.append(bytearray(1 << 20)),
}
leak = []


class TritonPythonModel:
    def initialize(self, args):
        self.name = args["model_instance_name"]

    def execute(self, requests):
        answers = []
        for request in requests:
            values = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            DEEDS.get(int(values.flat[0]), lambda: None)()
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", values)]))
        return answers
"""

#: Answers its niceness, that of a thread that it starts (times 100), and 10,000 more for a session
#: of its own.
NICE = """
import os, threading
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        seen = [os.nice(0)]
        thread = threading.Thread(target=lambda: seen.append(os.nice(0)))
        thread.start()
        thread.join()
        seen.append(os.getsid(0) == os.getpid())
        out = pb_utils.Tensor("OUT", np.array([[np.dot(seen, [1, 100, 10_000])]], np.int32))
        return [pb_utils.InferenceResponse([out]) for _ in requests]
"""

#: Ends its process with the first batch, always.
CRASHING = """
import os
class TritonPythonModel:
    def execute(self, requests):
        os._exit(7)
"""

#: Cannot be loaded; the text is the reason.
UNLOADABLE = """
class TritonPythonModel:
    def initialize(self, args):
        raise RuntimeError("no such weights")
    def execute(self, requests):
        return []
"""

#: Does not survive being loaded.
DEAD = "import os\nos._exit(9)\n"

_CONFIG = """
backend: "python"
max_batch_size: 4
input [ {{ name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }} ]
output [ {{ name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: {count} }} ]
parameters {{ key: "EXECUTION_MODE" value {{ string_value: "process" }} }}
"""


def write_model(root: Path, name: str, code: str, *, count: int = 1, **parameters: str) -> None:
    """A model of the repository; `parameters` go into its configuration."""
    version = root / name / "1"
    version.mkdir(parents=True)
    config = _CONFIG.format(count=count)
    for key, value in parameters.items():
        config += f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'
    (root / name / "config.pbtxt").write_text(config)
    (version / "model.py").write_text(code)


def write_worker_models(root: Path) -> None:
    """Those that a server starts with."""
    write_model(root, "obedient", OBEDIENT)
    write_model(root, "neighbour", OBEDIENT)
    write_model(root, "two", OBEDIENT, count=2)
    write_model(root, "hasty", OBEDIENT, EXECUTE_TIMEOUT_MS="300")
    write_model(root, "again", OBEDIENT, IDEMPOTENT="true")
    write_model(root, "lean", OBEDIENT, MAX_RSS_BYTES=str(120 << 20))
    write_model(root, "nice", NICE, NICENESS="7")
    write_model(root, "crashing", CRASHING)
    write_model(root, "unloadable", UNLOADABLE)
    write_model(root, "dead", DEAD)
