# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The bad models of reliability 3.C: one file that does what a request names, and some that cannot
even be loaded."""

from __future__ import annotations

from pathlib import Path

#: IN is one string, `<deed>` or `<deed> <anything>`. Unknown deeds: OUT = 1.
BAD = """
import ctypes, locale, mmap, os, resource, signal, subprocess, sys, threading, time
import numpy as np
import triton_python_backend_utils as pb_utils


def out(array, name="OUT"):
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, array)])


def one():
    return out(np.ones(1, np.float32))


def throw(error):
    raise error


def overflow_the_stack():
    sys.setrecursionlimit(1 << 30)
    def down(_=None):
        return list(map(down, [0]))
    down()


def scribble():
    for line in open("/proc/self/maps"):
        if "memfd:" in line and "rw-s" in line:
            begin, end = (int(part, 16) for part in line.split()[0].split("-"))
            ctypes.memset(begin + 64, 0xA5, 1 << 16)


def fork():
    if os.fork() == 0:
        time.sleep(3600)


def allocate_without_end():
    used = int(open("/proc/self/statm").read().split()[0]) * mmap.PAGESIZE
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), hard))
    kept = []
    try:
        while True:
            kept.append(bytearray(32 << 20))
    finally:
        kept.clear()
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def lock_twice():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def spin():
    while True:
        pass


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")


RAISE = {
    "raises": lambda: throw(RuntimeError("bad luck")),
    "raises_base": lambda: throw(BaseException("basic")),
    "raises_system_exit": lambda: sys.exit("enough"),
    "raises_interrupt": lambda: throw(KeyboardInterrupt()),
    "raises_memory": lambda: throw(MemoryError()),
    "raises_generator_exit": lambda: throw(GeneratorExit()),
    "raises_unprintable": lambda: throw(Unprintable()),
    "recurses": lambda: (lambda f: f(f))(lambda f: f(f)),
    "allocates": allocate_without_end,
    "exits": lambda: os._exit(0),
    "aborts": os.abort,
    "segfaults": lambda: ctypes.string_at(0),
    "overflows": overflow_the_stack,
    "kills_itself": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "divides": lambda: os.kill(os.getpid(), signal.SIGFPE),
    "scribbles": scribble,
    "stops": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "spins": spin,
    "holds_the_gil": lambda: ctypes.PyDLL(None).sleep(3600),
    "locks_twice": lock_twice,
    "sleeps": lambda: (print("asleep", flush=True), time.sleep(3600)),
    "forks": fork,
    "spawns": lambda: subprocess.Popen(["sleep", "3600"]),
    "changes_directory": lambda: os.chdir("/"),
    "changes_umask": lambda: os.umask(0o777),
    "clears_environment": os.environ.clear,
    "changes_locale": lambda: locale.setlocale(locale.LC_ALL, "C"),
    "changes_signals": lambda: [signal.signal(n, signal.SIG_DFL) for n in (2, 13, 15)],
    "closes_descriptors": lambda: os.closerange(3, 1000),
    "floods_output": lambda: [os.write(1, b"x" * 65536) for _ in range(64)],
    "leaves_a_thread": lambda: threading.Thread(target=time.sleep, args=(3600,)).start(),
}

#: what `execute` returns for one request
RETURN = {
    "returns_too_few": lambda: [],
    "returns_too_many": lambda: [one(), one()],
    "returns_none": lambda: None,
    "returns_a_list_of_none": lambda: [None],
    "returns_no_list": lambda: one(),
    "returns_no_response": lambda: ["OUT"],
    "wrong_dtype": lambda: [out(np.ones(1, np.int64))],
    "wrong_rank": lambda: [out(np.ones((1, 1, 1), np.float32))],
    "wrong_name": lambda: [out(np.ones(1, np.float32), "TUO")],
    "no_outputs": lambda: [pb_utils.InferenceResponse()],
    "nan": lambda: [out(np.array([np.nan, np.inf, -np.inf], np.float32))],
    "strided": lambda: [out(np.arange(8, dtype=np.float32)[::2])],
    "huge": lambda: [out(np.ones(1 << 20, np.float32))],
    "beyond_memory": lambda: [out(np.ones(20 << 20, np.float32))],
}


class TritonPythonModel:
    def execute(self, requests):
        deed = pb_utils.get_input_tensor_by_name(requests[0], "IN").as_numpy()[0].decode()
        deed = deed.split()[0]
        if deed in RETURN:
            return RETURN[deed]()
        RAISE.get(deed, lambda: None)()
        return [one() for _ in requests]

    def finalize(self):
        raise RuntimeError("never ends well")
"""

#: Decoupled. Every request gets one response of 1 and the end, whatever else is tried.
BAD_STREAM = """
import numpy as np
import triton_python_backend_utils as pb_utils

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
kept = []


def one():
    return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", np.ones(1, np.float32))])


def attempt(*arguments, **words):
    try:
        kept[-1].send(*arguments, **words)
    except pb_utils.TritonModelException:
        return
    raise RuntimeError("it was let through")


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            text = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()[0].decode()
            deed = text.split()[0]
            if deed == "forgets":
                continue
            if deed == "raises_midway":
                request.get_response_sender().send(one())
                raise RuntimeError("midway")
            if deed == "answers_a_finished_request" and kept:
                attempt(one())
            kept.append(request.get_response_sender())
            kept[-1].send(one())
            kept[-1].send(flags=FINAL)
            if deed == "responds_after_final":
                attempt(one())
            if deed == "two_finals":
                attempt(flags=FINAL)
            if deed == "bad_flags":
                attempt(one(), flags=7)
            if deed == "nothing":
                attempt()
            del kept[:-4]
"""

#: Calls the model that is the first word of IN (BLS) with the others.
CALLER = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        words = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()[0].split(b" ", 1)
        made = pb_utils.InferenceRequest(
            model_name=words[0].decode(),
            inputs=[pb_utils.Tensor("IN", np.array(words[1:], np.object_))],
            requested_output_names=["OUT"],
        )
        response = made.exec()
        if response.has_error():
            return pb_utils.InferenceResponse(error=response.error())
        return pb_utils.InferenceResponse(response.output_tensors())
"""

#: name -> (file, what the load fails with)
UNLOADABLE = {
    "raises_at_import": ("raise RuntimeError('no import')", "no import"),
    "exits_at_import": ("import sys\nsys.exit('early')", "early"),
    "dies_at_import": ("import os\nos._exit(9)", "exited with code 9"),
    "is_no_python": ("def broken(:", "SyntaxError"),
    "has_no_class": ("class Model: pass", "does not define class 'TritonPythonModel'"),
    "has_no_execute": ("class TritonPythonModel: pass", "does not implement the 'execute' method"),
    "raises_at_initialize": (
        "class TritonPythonModel:\n"
        "    def initialize(self, args): raise ValueError('no weights')\n"
        "    def execute(self, requests): return []\n",
        "ValueError: no weights",
    ),
    "aborts_at_initialize": (
        "import os\n"
        "class TritonPythonModel:\n"
        "    def initialize(self, args): os.abort()\n"
        "    def execute(self, requests): return []\n",
        "SIGABRT",
    ),
}

_CONFIG = """
backend: "python"
max_batch_size: 0
input [ {{ name: "IN" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [ {{ name: "OUT" data_type: TYPE_FP32 dims: [ -1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
model_transaction_policy {{ decoupled: {decoupled} }}
"""
_TIMEOUT = 'parameters { key: "EXECUTE_TIMEOUT_MS" value { string_value: "300" } }\n'


def write_bad_models(root: Path) -> None:
    """`bad`, `hasty` (it has a time-out), `neighbour`, `caller`, `bad_stream`, and UNLOADABLE."""
    _write(root, "bad", BAD)
    _write(root, "hasty", BAD, more=_TIMEOUT)
    _write(root, "neighbour", BAD)
    _write(root, "caller", CALLER)
    _write(root, "bad_stream", BAD_STREAM, decoupled=True)
    for name, (code, _) in UNLOADABLE.items():
        _write(root, name, code)


def _write(root: Path, name: str, code: str, *, decoupled: bool = False, more: str = "") -> None:
    version = root / name / "1"
    version.mkdir(parents=True)
    config = _CONFIG.format(decoupled=str(decoupled).lower()) + more
    (root / name / "config.pbtxt").write_text(config)
    (version / "model.py").write_text(code)
