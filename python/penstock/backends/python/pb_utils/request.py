# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`InferenceRequest` and what belongs to it in the `model.py` API (contract 5.1)."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from penstock import _engine

from . import calls
from .calls import ResponseIterator
from .errors import TritonModelException
from .parameters import Parameters, ParameterValue, checked_parameters, parameters_json
from .response import InferenceResponse, InferenceResponseSender, NoReplies, Reply, ReplyStream
from .tensor import Tensor
from .text import Text, text_of
from .trace import InferenceTrace

TRITONSERVER_REQUEST_FLAG_SEQUENCE_START: Final = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END: Final = 2
TRITONSERVER_REQUEST_RELEASE_ALL: Final = 1
TRITONSERVER_REQUEST_RELEASE_RESCHEDULE: Final = 2


class MemoryType(enum.IntEnum):
    """Where a tensor lives."""

    TRITONSERVER_MEMORY_CPU = 0
    TRITONSERVER_MEMORY_GPU = 2


class PreferredMemory:
    """Where the outputs of a call of another model should be put."""

    __slots__ = ("preferred_device_id", "preferred_memory_type")

    def __init__(self, preferred_memory_type: MemoryType, preferred_device_id: int = 0) -> None:
        self.preferred_memory_type = MemoryType(preferred_memory_type)
        self.preferred_device_id = preferred_device_id


_CPU: Final = PreferredMemory(MemoryType.TRITONSERVER_MEMORY_CPU)
_NO_TRACE: Final = InferenceTrace()


def _checked_correlation_id(correlation_id: int | str) -> int | str:
    if not isinstance(correlation_id, int | str):
        raise TritonModelException("Correlation ID must be integer or string")
    return correlation_id


def _checked_names(names: Iterable[Text]) -> tuple[str, ...]:
    if isinstance(names, str | bytes):  # its letters would be taken for names
        raise TypeError(f"requested_output_names must be a list of str, found {names!r}")
    checked = tuple([text_of(name, "a requested output name") for name in names])
    if "" in checked:
        raise TritonModelException("a requested output name should not be empty")
    return checked


def _checked_trace(trace: InferenceTrace) -> InferenceTrace:
    if not isinstance(trace, InferenceTrace):
        raise TypeError(f"trace must be an InferenceTrace, found {type(trace)}")
    return trace


class InferenceRequest(_engine.ModelRequest):
    """A request to a model. `execute` gets those of clients; a model may make its own."""

    __slots__ = (
        "_correlation_id",
        "_flags",
        "_model_name",
        "_model_version",
        "_parameters",
        "_preferred_memory",
        "_request_id",
        "_requested_output_names",
        "_timeout",
        "_trace",
    )

    def __init__(
        self,
        request_id: Text = "",
        correlation_id: int | str = 0,
        inputs: Sequence[Tensor] = (),
        requested_output_names: Iterable[Text] = (),
        model_name: Text = "",
        model_version: int = -1,
        flags: int = 0,
        timeout: int = 0,
        preferred_memory: PreferredMemory = _CPU,
        trace: InferenceTrace = _NO_TRACE,
        parameters: Parameters | None = None,
    ) -> None:
        super().__init__(inputs)
        self._request_id = text_of(request_id, "the request_id of a request")
        self._correlation_id = _checked_correlation_id(correlation_id)
        self._requested_output_names = _checked_names(requested_output_names)
        self._model_name = text_of(model_name, "the model_name of a request")
        self._model_version = model_version
        self._flags = flags
        self._timeout = timeout
        self._preferred_memory = preferred_memory
        self._trace = _checked_trace(trace)
        self._parameters = checked_parameters(parameters)

    def request_id(self) -> str:
        """The client's id; "" when there is none."""
        return self._request_id

    def correlation_id(self) -> int | str:
        """The sequence's id; 0 when there is none."""
        return self._correlation_id

    def flags(self) -> int:
        """TRITONSERVER_REQUEST_FLAG_SEQUENCE_* bits."""
        return self._flags

    def set_flags(self, flags: int) -> None:
        """Set the TRITONSERVER_REQUEST_FLAG_SEQUENCE_* bits."""
        self._flags = flags

    def timeout(self) -> int:
        """The client's time-out in microseconds; 0 when there is none."""
        return self._timeout

    def parameters(self) -> str:
        """The request's parameters as a JSON object."""
        return parameters_json(self._parameters)

    def requested_output_names(self) -> set[str]:
        """The outputs to answer with; all of the model's when the client named none."""
        return set(self._requested_output_names)

    def preferred_memory(self) -> PreferredMemory:
        """Where the caller wants the outputs."""
        return self._preferred_memory

    def trace(self) -> InferenceTrace:
        """The request's trace."""
        return self._trace

    def is_cancelled(self) -> bool:
        """Whether the client has gone, or said stop. A long `execute` should look."""
        return False

    def get_response_sender(self) -> InferenceResponseSender:
        """A way to answer from elsewhere; `execute` returns None for this request then."""
        raise TritonModelException(
            "a response sender belongs to the requests that 'execute' is called with"
        )

    def set_release_flags(self, flags: int) -> None:
        """Whether `execute` is done with the request, or wants it again for another step.

        TRITONSERVER_REQUEST_RELEASE_RESCHEDULE: `execute` returns None for it (contract S-31).
        """
        if flags not in (TRITONSERVER_REQUEST_RELEASE_ALL, TRITONSERVER_REQUEST_RELEASE_RESCHEDULE):
            raise TritonModelException(f"{flags} is not a release flag of a request")
        self._rescheduled = flags == TRITONSERVER_REQUEST_RELEASE_RESCHEDULE

    def exec(self, decoupled: bool = False) -> InferenceResponse | ResponseIterator:
        """Calls the model `model_name` and waits (BLS).

        Its response; with `decoupled`, an iterator of its responses. What the model fails with,
        also that there is none, is a response with an error. Raises TritonModelException outside
        of `execute`.
        """
        return calls.call(self, many=decoupled)

    def async_exec(
        self, decoupled: bool = False
    ) -> asyncio.Future[InferenceResponse | ResponseIterator]:
        """The same for coroutines; the iterator can be used with `async for`, too.

        The call is begun before it is awaited. Raises RuntimeError where no event loop runs.
        """
        return calls.call_async(self, many=decoupled)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a client's request says, for a model that looks at it after `execute`."""

    id: str
    correlation_id: int | str
    flags: int
    timeout_us: int
    parameters: dict[str, ParameterValue]
    requested_outputs: list[str]
    cancelled: bool
    trace: _engine.TraceLink | None


class ClientRequest(InferenceRequest):
    """A request of the batch at hand. What the model does not look at is not made."""

    __slots__ = ()
    _reply: Reply | None  # set once the model asked for a response sender

    def request_id(self) -> str:
        return self._received.id

    def correlation_id(self) -> int | str:
        return self._received.correlation_id

    def flags(self) -> int:
        return self._received.flags

    def set_flags(self, flags: int) -> None:
        raise TritonModelException("the flags of a client's request cannot be changed")

    def timeout(self) -> int:
        return self._received.timeout_us

    def parameters(self) -> str:
        return parameters_json(self._received.parameters)

    def requested_output_names(self) -> set[str]:
        return set(self._received.requested_outputs)

    def preferred_memory(self) -> PreferredMemory:
        return _CPU

    def trace(self) -> InferenceTrace:
        link = self._received.trace
        return _NO_TRACE if link is None else InferenceTrace(link)

    def is_cancelled(self) -> bool:
        late = None if self._reply is None else self._reply.late
        cancelled: bool = self._received.cancelled if late is None else late.is_cancelled()
        return cancelled

    def get_response_sender(self) -> InferenceResponseSender:
        if self._reply is None:
            self._reply = Reply()
        return InferenceResponseSender(self._reply, self)

    def exec(self, decoupled: bool = False) -> NoReturn:
        raise TritonModelException("a client's request cannot be executed again")

    def async_exec(self, decoupled: bool = False) -> NoReturn:
        raise TritonModelException("a client's request cannot be executed again")

    def _outlive_batch(self) -> None:
        """Called when `execute` has returned."""
        received = self._received
        self._keep(
            _Kept(
                received.id,
                received.correlation_id,
                received.flags,
                received.timeout_us,
                received.parameters,
                received.requested_outputs,
                received.cancelled,
                received.trace,
            )
        )


class DecoupledRequest(ClientRequest):
    """A request to a decoupled model, which may keep it until its final response and longer."""

    __slots__ = ()
    _reply: Any  # from the start

    def is_cancelled(self) -> bool:
        return self._stream.is_cancelled()

    def get_response_sender(self) -> InferenceResponseSender:
        return InferenceResponseSender(self._stream, self._stream)

    @property
    def _stream(self) -> ReplyStream | NoReplies:
        stream: ReplyStream | NoReplies = self._reply
        return stream
