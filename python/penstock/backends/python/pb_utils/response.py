# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`InferenceResponse` and `InferenceResponseSender` of the `model.py` API (contract 5.1)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Protocol

from penstock import _engine
from penstock.errors import ServerError, UnavailableError

from .errors import TritonError, TritonModelException
from .parameters import Parameters, ParameterValue, checked_parameters, parameters_json

#: Flag of `InferenceResponseSender.send`: no response follows.
TRITONSERVER_RESPONSE_COMPLETE_FINAL: Final = 1

_CLOSED: Final = "Unable to send response. Response sender has been closed."


@_engine.called_quickly
class InferenceResponse(_engine.ModelResponse):
    """Output tensors, or an error: the outputs of a response with an error are ignored."""

    __slots__ = ()
    _error: TritonError | None
    _parameters: dict[str, ParameterValue] | None

    def _checked(
        self, error: TritonError | None, parameters: Parameters | None
    ) -> tuple[TritonError | None, dict[str, ParameterValue]]:
        if error is not None and not isinstance(error, TritonError):
            raise TypeError(f"error must be a TritonError, found {type(error)}")
        return error, checked_parameters(parameters)

    def has_error(self) -> bool:
        """Whether the response is a failure."""
        return self._error is not None

    def error(self) -> TritonError | None:
        """The failure, if it is one."""
        return self._error

    def parameters(self) -> str:
        """The response's parameters as a JSON object."""
        return parameters_json(self._parameters or {})


#: Code and text for a response whose outputs cannot be sent; None: for one that never came.
Verdict = Callable[[BaseException | TritonError | None], tuple[int, str]]


class Reply:
    """Where a request's response senders put its response; one response, from any thread.

    What is there when `execute` ends is the request's answer; if nothing is, and there is a sender
    left, the answer comes late: it goes out when it is sent.
    """

    __slots__ = ("_closed", "_lock", "_senders", "late", "response")

    def __init__(self) -> None:
        self.response: InferenceResponse | None = None
        #: where a response goes when `execute` is over
        self.late: ReplyStream | None = None
        self._closed = False
        self._senders = 0
        # Reentrant: the garbage collector may end a sender while this thread holds the lock.
        self._lock = threading.RLock()

    def join(self) -> None:
        """One more sender exists."""
        with self._lock:
            self._senders += 1

    def leave(self) -> None:
        """A sender is gone; with the last one goes the hope for a response."""
        with self._lock:
            self._senders -= 1
            if self._senders == 0 and self.late is not None:
                self.late.fail(None)

    def close(self) -> None:
        """Nothing can be sent any more: the request has been answered."""
        with self._lock:
            self._closed = True

    def outlive(self, batch: _engine.Batch, index: int, verdict: Verdict) -> bool:
        """Whether the request, of a batch that was executed, is answered late. If not: closed."""
        with self._lock:
            if self.response is None and self._senders > 0:
                responder = _engine.responder_of(batch, index)
                self.late = None if responder is None else ReplyStream(responder, verdict)
            self._closed = self.late is None
            return self.late is not None

    def put(self, response: InferenceResponse | None, final: bool) -> None:
        """Takes the response. Raises TritonModelException for a second one."""
        with self._lock:
            if self._closed:
                raise TritonModelException(_CLOSED)
            if response is not None and self.response is not None:
                raise TritonModelException(
                    "Unable to send response. Non-decoupled model cannot send more than one "
                    "response."
                )
            if response is None and self.response is None:
                raise TritonModelException(
                    "Unable to send response. Non-decoupled model cannot send complete final "
                    "before sending a response."
                )
            self._closed = final
            if response is not None:
                self.response = response
                if self.late is not None:
                    self.late.put(response, final=True)


class ReplyStream:
    """Where the response senders of a decoupled model's request put its responses, and those of
    another one's its late response.

    It is finished by the final flag, or, with an error, when the request and all its senders are
    gone: they alone refer to it.
    """

    __slots__ = ("_lock", "_responder", "_verdict")

    def __init__(self, responder: _engine.ModelResponder, verdict: Verdict) -> None:
        self._responder = responder
        self._verdict = verdict
        self._lock = threading.Lock()

    def join(self) -> None:
        """One more sender exists: it is counted by its reference."""

    def leave(self) -> None:
        """A sender is gone."""

    def put(self, response: InferenceResponse | None, final: bool) -> None:
        """Sends; waits while the client does not read. Raises TritonModelException after the end,
        and when the model is being stopped."""
        with self._lock:
            if self._responder.finished:
                raise TritonModelException(_CLOSED)
            try:
                if response is None:
                    self._responder.finish()
                elif response._error is not None:
                    self._responder.fail(*self._verdict(response._error), final)
                else:
                    self._send(response, final)
            except UnavailableError as error:
                raise TritonModelException(f"Unable to send response. {error.message}") from None

    def fail(self, error: BaseException | TritonError | None) -> None:
        """Ends it with an error, unless it has ended."""
        with self._lock:
            if not self._responder.finished:
                self._responder.fail(*self._verdict(error), True)

    def reschedule(self, batch: _engine.Batch, index: int) -> None:
        """The request is executed again, and answered through another stream (contract S-31).

        One that has ended, or whose model is not an iterative sequence, is not.
        """
        with self._lock:
            if self._responder.finished:
                return
            try:
                _engine.reschedule_deferred(batch, index, self._responder)
            except ServerError as error:
                self._responder.fail(error.code, error.message, True)

    def is_cancelled(self) -> bool:
        """Whether the client has gone, or said stop."""
        return self._responder.cancelled

    def _send(self, response: InferenceResponse, final: bool) -> None:
        try:
            self._responder.send(response, final)
        except BaseException as error:  # an element's __str__ is the model's own code
            # The client gets the reason instead of the outputs.
            self._responder.fail(*self._verdict(error), final)


class NoReplies:
    """The replies of a row that stands for no request (contract S-26): taken, and dropped."""

    def join(self) -> None:
        """One more sender exists."""

    def leave(self) -> None:
        """A sender is gone."""

    def put(self, response: InferenceResponse | None, final: bool) -> None:
        """Drops it."""

    def fail(self, error: BaseException | TritonError) -> None:
        """Nobody is told."""

    def reschedule(self, batch: _engine.Batch, index: int) -> None:
        """There is nothing to execute."""

    def is_cancelled(self) -> bool:
        """Nobody can."""
        return False


class Replies(Protocol):
    """A Reply or a ReplyStream."""

    def join(self) -> None:
        """One more sender exists."""

    def leave(self) -> None:
        """A sender is gone."""

    def put(self, response: InferenceResponse | None, final: bool) -> None:
        """Takes a response, the final flag, or both. Raises TritonModelException."""


class CancelFlag(Protocol):
    """The request that a sender answers."""

    def is_cancelled(self) -> bool:
        """Whether the client has gone, or said stop."""


class InferenceResponseSender:
    """Sends a request's response from anywhere, also when `execute`, which returns None for that
    request, is over. Of a decoupled model: any number of responses, and the final flag.
    """

    __slots__ = ("_cancelled", "_reply")

    def __init__(self, reply: Replies, cancelled: CancelFlag) -> None:
        self._reply = reply
        self._cancelled = cancelled
        reply.join()

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        """Send the response, the final flag, or both.

        Raises TritonModelException for other flags, for no response without the final flag, once
        the request has been answered, and for a second response if the model is not decoupled. If
        it is, this waits while the client takes no responses.
        """
        if flags not in (0, TRITONSERVER_RESPONSE_COMPLETE_FINAL):
            raise TritonModelException("Unable to send response. Unsupported flag provided.")
        if response is not None and not isinstance(response, InferenceResponse):
            raise TypeError(f"response must be an InferenceResponse, found {type(response)}")
        if flags == 0 and response is None:
            raise TritonModelException(
                "Inference Response object must be provided when the response flags is set to zero."
            )
        self._reply.put(response, flags == TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def is_cancelled(self) -> bool:
        """Whether the client has gone, or said stop."""
        return self._cancelled.is_cancelled()

    def __del__(self) -> None:
        self._reply.leave()
