# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Model control (contract 5.1) from a worker process: a question to the server, and its answer."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from typing import Any

from penstock.backends.python.pb_utils.control import model_control
from penstock.errors import Code, ServerError, UnavailableError, error_from_code
from penstock.serving.workers.control import ControlSocket, Message
from penstock.serving.workers.metrics import MetricMirror


class RemoteControl:
    """`ModelControl` of the `model.py` API in a worker: one question at a time."""

    def __init__(self, control: ControlSocket) -> None:
        self._control = control
        self._lock = threading.Lock()

    def load_model(self, name: str, config: str, files: Mapping[str, bytes]) -> None:
        """As the server's. Raises ServerError."""
        texts = {path: base64.b64encode(data).decode() for path, data in files.items()}
        self.ask({"do": "load", "model": name, "config": config, "files": texts})

    def unload_model(self, name: str, unload_dependents: bool) -> None:
        """As the server's. Raises ServerError."""
        self.ask({"do": "unload", "model": name, "dependents": unload_dependents})

    def is_model_ready(self, name: str, version: str) -> bool:
        """As the server's. Raises ServerError."""
        return bool(self.ask({"do": "is_ready", "model": name, "version": version}))

    def ask(self, question: Message) -> Any:
        """The server's answer. Raises ServerError; OSError or EOFError when the server is gone."""
        with self._lock:
            self._control.send({"is": "control", **question})
            answer = self._control.receive()
        if "code" in answer:
            raise error_from_code(answer["code"], answer["message"])
        return answer.get("result")


def answer_control(control: ControlSocket, question: Message, metrics: MetricMirror) -> None:
    """In the server: does what a worker asked for and tells it. May take as long as a load."""
    answer: Message
    try:
        asked_value = question.get("do") == "value"
        result = metrics.value(question) if asked_value else _do(question)
        answer = {"is": "controlled", "result": result}
    except ServerError as error:
        answer = {"is": "controlled", "code": int(error.code), "message": error.message}
    except Exception as error:  # what a worker says may be anything
        answer = {"is": "controlled", "code": int(Code.INVALID_ARG), "message": str(error)}
    try:
        control.send(answer)
    except OSError:
        return  # the worker is gone


def _do(question: Message) -> bool:
    server = model_control()
    if server is None:
        raise UnavailableError("model control is not available: no server is running")
    name = str(question["model"])
    match question.get("do"):
        case "load":
            files = {
                str(path): base64.b64decode(text, validate=True)
                for path, text in question["files"].items()
            }
            server.load_model(name, str(question["config"]), files)
        case "unload":
            server.unload_model(name, bool(question["dependents"]))
        case _:
            return server.is_model_ready(name, str(question["version"]))
    return True
