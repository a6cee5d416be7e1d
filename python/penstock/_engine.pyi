# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The compiled core, as Python sees it (built from engine/_engine.pyx over csrc/).

Only `serving`, the frontends' codec calls and the back ends import this module. Failures are
raised as `penstock.errors.ServerError` subclasses. Methods that may wait release the GIL.
"""

import builtins
from asyncio import Future
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from penstock.errors import ServerError

class Buffer(Protocol):
    def __buffer__(self, flags: int, /) -> memoryview: ...

__version__: str

def keep_large_blocks() -> None:
    """Lets the process's allocator keep freed blocks of up to 32 MiB, 64 MiB in all.

    For a server, which needs them again for the next large request; called once, at its start.
    """

# ---------------------------------------------------------------- plans

class TensorSpec:
    """One input or output of a plan. dims: without batch dimension, -1 wildcard."""

    name: str
    data_type: int
    dims: tuple[int, ...]
    def __init__(
        self,
        name: str,
        data_type: int,
        dims: Sequence[int],
        *,
        reshape: Sequence[int] | None = None,
        optional: bool = False,
        allow_ragged_batch: bool = False,
        is_shape_tensor: bool = False,
        labels: Sequence[str] = (),
    ) -> None: ...

class QueuePolicy(Protocol):
    """Contract S-7; config.plan.QueuePolicyData is one."""

    @property
    def timeout_delay(self) -> bool: ...  # timeout_action: DELAY instead of REJECT
    @property
    def default_timeout_us(self) -> int: ...
    @property
    def allow_timeout_override(self) -> bool: ...
    @property
    def max_queue_size(self) -> int: ...

class EnsembleStep(Protocol):
    """Contract 2.9; config.plan_ensemble.StepData is one."""

    @property
    def model(self) -> str: ...
    @property
    def version(self) -> int: ...  # -1: the latest at the time of the request
    @property
    def decoupled(self) -> bool: ...
    @property
    def inputs(self) -> Sequence[tuple[str, str]]: ...  # the model's tensor, the ensemble's
    @property
    def outputs(self) -> Sequence[tuple[str, str]]: ...

class Ensemble(Protocol):
    """config.plan_ensemble.EnsembleData is one."""

    @property
    def tensors(self) -> Sequence[str]: ...  # inputs, outputs, then what is in between
    @property
    def steps(self) -> Sequence[EnsembleStep]: ...
    @property
    def max_inflight_requests(self) -> int: ...

class SequenceControl(Protocol):
    """Contract 2.7; config.plan_sequence.ControlData is one."""

    @property
    def kind(self) -> int: ...
    @property
    def false_value(self) -> bytes: ...
    @property
    def true_value(self) -> bytes: ...

class SequenceState(Protocol):
    """Contract C-20; config.plan_sequence.StateData is one."""

    @property
    def output(self) -> str: ...
    @property
    def initial_dims(self) -> Sequence[int]: ...
    @property
    def initial_data(self) -> bytes: ...
    @property
    def same_buffer(self) -> bool: ...
    @property
    def hidden(self) -> bool: ...

class SequenceBatching(Protocol):
    """config.plan_sequence.SequenceData is one. Its inputs are the last ones of the plan."""

    @property
    def oldest(self) -> bool: ...
    @property
    def max_idle_us(self) -> int: ...
    @property
    def controls(self) -> Sequence[SequenceControl]: ...
    @property
    def states(self) -> Sequence[SequenceState]: ...
    @property
    def iterative(self) -> bool: ...
    @property
    def minimum_slot_utilization(self) -> float: ...
    @property
    def max_queue_delay_us(self) -> int: ...
    @property
    def max_candidate_sequences(self) -> int: ...
    @property
    def preferred_batch_sizes(self) -> Sequence[int]: ...
    @property
    def preserve_ordering(self) -> bool: ...

class BatchInput(Protocol):
    """Contract 2.4; config.plan_batch.BatchInputData is one."""

    @property
    def kind(self) -> int: ...
    @property
    def source(self) -> str: ...

class BatchOutput(Protocol):
    """Contract 2.4; config.plan_batch.BatchOutputData is one."""

    @property
    def output(self) -> str: ...
    @property
    def source(self) -> str: ...

class BatchTensors(Protocol):
    """config.plan_batch.BatchData is one. Its inputs stand before those of the sequence."""

    @property
    def inputs(self) -> Sequence[BatchInput]: ...
    @property
    def outputs(self) -> Sequence[BatchOutput]: ...

class InstanceLimit(Protocol):
    """Contract 4.5; config.plan_limits.InstanceLimitData is one."""

    @property
    def resources(self) -> Sequence[tuple[str, int, bool]]: ...  # name, count, global
    @property
    def priority(self) -> int: ...
    @property
    def device(self) -> int: ...

class ModelPlan:
    """Immutable, compiled at load from a validated configuration."""

    name: str
    version: int
    max_batch_size: int
    instance_count: int
    decoupled: bool
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    def __init__(
        self,
        *,
        name: str,
        version: int,
        max_batch_size: int,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        dynamic_batching: bool = False,
        preferred_batch_sizes: Sequence[int] = (),
        max_queue_delay_us: int = 0,
        preserve_ordering: bool = False,
        queue_policy: QueuePolicy | None = None,
        default_priority_level: int = 0,
        level_policies: Sequence[QueuePolicy] = (),  # one a priority level
        queue_capacity: int = 4096,
        instance_count: int = 1,
        instance_limits: Sequence[InstanceLimit] = (),  # one an instance, or none
        instance_devices: Sequence[int] = (),
        decoupled: bool = False,
        outputs_as_given: bool = False,
        cached: bool = False,  # 4.6, when the engine has a response cache
        warm_up: bool = False,  # instances wait for warm_up() until the version is published
        first_response_bounds_ms: Sequence[float] = (),  # M-12; empty: no such histogram
        summary_error: float = 0.0,  # of M-13, M-14, M-17: 0.0005 to 1; 0: no summaries
        ensemble: Ensemble | None = None,
        sequence: SequenceBatching | None = None,
        batch: BatchTensors | None = None,
    ) -> None: ...

# ---------------------------------------------------------------- tensors

class Tensor:
    """Typed bytes that keep their owner alive. Buffer protocol (read-only bytes) and DLPack."""

    @property
    def data_type(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def device(self) -> int:
        """The GPU in whose memory it is, -1: the host's."""
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Of a tensor in a GPU's memory; AttributeError else. What is in it is complete."""
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __dlpack__(self, *, stream: Any = None, **kwargs: Any) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def numpy(self) -> npt.NDArray[Any]:
        """A read-only view on the wire bytes (BYTES: a new object array of bytes).

        Raises UnsupportedError for BF16, which numpy has not: use DLPack. As for a tensor in a
        GPU's memory.
        """

def tensor_from_numpy(array: npt.NDArray[Any], data_type: int = 0) -> Tensor:
    """No copy when C-contiguous (BYTES are serialised). data_type 0: from the array's dtype."""

def tensor_from_dlpack(obj: Any, *, stream: int | None = None, on_device: bool = False) -> Tensor:
    """A C-contiguous tensor of any DLPack producer, without a copy.

    On the host; with `on_device` it may be in a GPU's memory, too. `stream`: a cudaStream_t on
    which it will be read, for the producer to order its work before.
    """

def open_cuda(libraries: Sequence[str]) -> None:
    """Needed before a Python model answers with a tensor in a GPU's memory; again: no effect.

    The first of `libraries` that works; none: the usual names. Raises UnavailableError.
    """

def tensor_from_gpu(obj: Any, device: int) -> Tensor:
    """tensor_from_dlpack() of what is on that GPU, computed by now; after open_cuda()."""

def tensor_from_cuda_array(array: Any, device: int, data_type: int = 0) -> Tensor:
    """A C-contiguous array with __cuda_array_interface__ on GPU `device`, without a copy.

    It keeps the array. What writes it must be done, or be on the stream of the batch.
    """

def serialize_bytes(array: npt.NDArray[np.object_]) -> bytes: ...
def deserialize_bytes(data: Buffer, count: int = -1) -> npt.NDArray[np.object_]: ...

# ---------------------------------------------------------------- batches (back ends)

class TraceLink:
    """What requests that a traced request causes need of its trace (contract 8.1)."""

    @property
    def id(self) -> int: ...
    @property
    def root_id(self) -> int: ...
    @property
    def context(self) -> str:
        """The W3C traceparent that the client gave; "": none."""

class BatchRequest:
    """One request of a batch, valid until the batch is completed (tensors live on)."""

    @property
    def id(self) -> str: ...
    @property
    def correlation_id(self) -> int | str: ...
    @property
    def flags(self) -> int: ...
    @property
    def priority(self) -> int: ...
    @property
    def timeout_us(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def parameters(self) -> dict[str, bool | int | float | str]: ...
    @property
    def requested_outputs(self) -> list[str]:
        """Names asked for; all the model's outputs when the client named none."""
    @property
    def cancelled(self) -> bool: ...
    @property
    def trace(self) -> TraceLink | None:
        """None: the request is not traced."""
    @property
    def padding(self) -> bool:
        """Fills a slot of a sequence model: a copy of a request; its answer is dropped (S-26)."""
    def inputs(self) -> list[tuple[str, Tensor]]:
        """Those that the client sent, then controls and states of a sequence (contract 2.7).

        Batch inputs (2.4) are of the batch, not of a request: see Batch.gather.
        """
    def input(self, name: str) -> Tensor | None: ...

class Batch:
    """What an instance executes. Every request must be answered: outputs or fail."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> BatchRequest: ...
    @property
    def total_batch_size(self) -> int: ...
    @property
    def device(self) -> int:
        """The GPU in whose memory inputs are and outputs may be, -1: all is on the host."""
    @property
    def stream(self) -> int:
        """A cudaStream_t of that GPU, from which outputs there are read; 0 without one."""
    def gather(self, name: str) -> Tensor | None:
        """An input of all requests, one behind the other; None when no request has it.

        One contiguous pool buffer, or the request's own bytes when the batch is of one. A ragged
        input has the shape [elements] (C-4); a batch input is made of the batch (2.4). In the
        memory of `device`, but for strings and shape tensors.
        """
    def gather_all(self) -> dict[str, Tensor]:
        """By name what `gather` has of the model's inputs, in the order of its plan."""
    def scatter(self, name: str, value: Tensor | npt.NDArray[Any]) -> None:
        """An output of the whole batch; rows are handed out without a copy.

        A batch output (2.4) is flat, and cut by the shapes of its source input.
        """
    def set_output(self, index: int, name: str, value: Tensor | npt.NDArray[Any]) -> None: ...
    def wanted_outputs(self) -> list[str]:
        """The outputs that a client, or a sequence that goes on with them, has a use for."""
    def reschedule(self, index: int) -> None:
        """The request is executed for another step instead of answered (contract S-31).

        Raises InvalidArgError when the model is not configured as an iterative sequence.
        """
    def answer(self, index: int) -> None:
        """A response without outputs: the request counts as answered."""
    def set_parameter(self, index: int, name: str, value: bool | int | float | str) -> None: ...
    def fail(self, index: int, code: int, message: str) -> None: ...
    def fail_all(self, code: int, message: str) -> None: ...
    def mark_exec_start(self) -> None: ...
    def mark_exec_end(self) -> None: ...

# ---------------------------------------------------------------- model.py

class ModelTensor:
    """What every request uses of `Tensor` of the `model.py` API, which is a subclass."""

    def __init__(self, name: str, numpy_array: npt.NDArray[Any]) -> None: ...
    def name(self) -> str:
        """The input's or output's name."""
    def triton_dtype(self) -> int:
        """The number of the data type in the `DataType` enum of the model configuration."""
    def shape(self) -> list[int]:
        """Dimensions, the batch dimension included."""
    def as_numpy(self) -> npt.NDArray[Any]:
        """The data as a writable array, the same one every time."""
    @property
    def _source(self) -> Tensor | npt.NDArray[Any]: ...
    # The subclass's: what __init__ takes of arguments that are not plain, or an exception; and an
    # array of received strings.
    def _checked(self, name: str, numpy_array: Any) -> tuple[str, npt.NDArray[Any]]: ...
    def _unpacked(self, received: Tensor) -> npt.NDArray[Any]: ...

class ModelRequest:
    """The same of `InferenceRequest`."""

    _reply: Any
    _rescheduled: bool
    def __init__(self, inputs: Sequence[ModelTensor] = ()) -> None: ...
    def inputs(self) -> list[Any]:
        """The input tensors."""
    @property
    def _received(self) -> BatchRequest:
        """Of a batch's request; when _keep() was called, what that got."""
    def _keep(self, received: Any) -> None:
        """What `_received` is from now on: the batch is about to be completed."""

class ModelResponse:
    """The same of `InferenceResponse`."""

    _error: Any
    _parameters: Any
    def __init__(
        self, output_tensors: Sequence[ModelTensor] = (), error: Any = None, parameters: Any = None
    ) -> None: ...
    def output_tensors(self) -> list[Any]:
        """The outputs, as given."""
    def _checked(self, error: Any, parameters: Any) -> tuple[Any, Any]: ...

_Class = TypeVar("_Class", bound=type)
_Request = TypeVar("_Request", bound=ModelRequest)
_Response = TypeVar("_Response", bound=ModelResponse)
_Tensor = TypeVar("_Tensor", bound=ModelTensor)

def called_quickly(subclass: _Class) -> _Class:
    """A decorator for subclasses without an __init__: makes usual calls of them cheaper."""

def model_tensor(
    subclass: type[_Tensor], name: str, received: Tensor, *, foreign: bool = False
) -> _Tensor:
    """A tensor of received bytes. `foreign`: somebody may write to them."""

def model_requests(
    batch: Batch, request_type: type[_Request], tensor_type: type[ModelTensor]
) -> list[_Request]:
    """The requests of a batch, made without their `__init__`; marks the start of execution."""

def plain_responses(requests: list[Any], returned: Any) -> list[Any] | None:
    """A copy of `returned` when it is a list of one response for each request; else None."""

def respond(batch: Batch, responses: list[Any]) -> list[tuple[int, Any]]:
    """Sets the outputs of all responses. What nobody but `responses` refers to is not copied.

    Gives index and reason of each that has none: None for no response, the error that it is, or
    the exception that its outputs raised.
    """

class ModelResponder:
    """The responses of one request of a decoupled model, while and after its batch.

    One thread at a time; `finished` and `cancelled` any. Dropped unfinished, it answers INTERNAL.
    """

    @property
    def finished(self) -> bool:
        """The final response has been sent."""
    @property
    def cancelled(self) -> bool:
        """Nobody waits for responses."""
    def send(self, response: ModelResponse, final: bool) -> None:
        """Waits, without the GIL, while the client does not read. Copies the outputs.

        Does nothing when the request is cancelled. Raises what is wrong with the outputs, and
        UnavailableError when the model is being stopped; nothing is sent then.
        """
    def fail(self, code: int, message: str, final: bool) -> None:
        """A response that is an error; waits as send() does unless it is the final one."""
    def finish(self) -> None:
        """The final flag without a response."""

def responder_of(batch: Batch, index: int) -> ModelResponder | None:
    """What answers the request, now or later, in the batch's place; None for padding."""

def responders(batch: Batch) -> list[ModelResponder | None]:
    """One for each row of the batch, which is then not answered by completing it. Once.

    None for padding.
    """

def reschedule_deferred(batch: Batch, index: int, responder: ModelResponder) -> None:
    """As Batch.reschedule(), of a request whose responder has not finished; it has then."""

def get_input_tensor_by_name(inference_request: Any, name: str) -> Any:
    """The request's input of that name, or None."""

def get_output_tensor_by_name(inference_response: Any, name: str) -> Any:
    """The response's output of that name, or None."""

# ---------------------------------------------------------------- engine

#: Upper bounds of the buckets of success_counts and queue_counts; one more has no bound.
DURATION_BOUNDS_NS: tuple[int, ...]
#: What summaries() tells of.
LATENCIES: tuple[str, ...]

class NativeInstance:
    """An instance that the core runs on a thread of its own, without the GIL."""

class ModelVersion:
    @property
    def plan(self) -> ModelPlan: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def problem(self) -> str:
        """Why no instance can answer any more (their GPUs are lost); empty while one can."""
    def statistics(self) -> dict[str, Any]:
        """Contract 1.11: last_inference, inference_count, execution_count, inference_stats
        {success, fail, queue, compute_input, compute_infer, compute_output, cache_hit,
        cache_miss: {count, ns}}, batch_stats [{batch_size, compute_input, compute_infer,
        compute_output}], response_stats {index: {compute_infer, compute_output, success, fail,
        empty_response, cancel}}, failures {REJECTED, CANCELED, BACKEND, OTHER}, pending,
        late (refused at once: they could not have met their deadlines), cached (whether its answers
        are). Beside that the counts of histograms, bucket by bucket, not cumulative:
        success_counts and queue_counts (bounds: DURATION_BOUNDS_NS), and first_response {count, ms,
        counts} (bounds: the plan's)."""
    def summaries(self, quantiles: Sequence[float]) -> dict[str, list[float]]:
        """M-13, M-14, M-17: for each of LATENCIES the quantiles, in us, of the last minute.

        NaN where nothing was observed; empty when the plan keeps no summaries.
        """
    def set_problem(self, problem: str) -> None:
        """Why its instances answer nothing now; "": they do. It is `problem`, then (H-4)."""

    def start_native(self, index: int, instance: NativeInstance) -> None: ...
    def warm_up(
        self,
        index: int,
        requests: Sequence[Sequence[tuple[str, Tensor | npt.NDArray[Any]]]],
    ) -> None:
        """Has an instance execute requests, given by their inputs, as one batch, and waits for it.

        Of a plan with warm_up, before the version is published. Nothing is counted. Shapes have the
        batch dimension. Raises the first failure.
        """
    def next(self, index: int) -> Batch | None:
        """Blocks without the GIL until there is a batch; None once the version is stopped."""
    def complete(self, index: int, batch: Batch) -> None: ...
    @property
    def instance_limit(self) -> int:
        """R-25: instances below this number may be added; no more than the plan's where they are
        fixed."""
    def end_instance(self, index: int) -> None:
        """R-25: its next() returns None after its batch; waits for the thread of a native one.

        Raises UnsupportedError where they are fixed: sequences, ensembles, the rate limiter.
        """

class RedisServer(Protocol):
    """Where answers are kept for several servers (4.6); times in milliseconds."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def db(self) -> int: ...
    @property
    def connect_timeout_ms(self) -> int: ...
    @property
    def socket_timeout_ms(self) -> int: ...
    @property
    def wait_timeout_ms(self) -> int: ...

class Engine:
    def __init__(
        self,
        *,
        max_requests: int = 65536,
        pool_cached_bytes: int = 268435456,
        response_cache_bytes: int = 0,  # 0: no response cache in the server's memory
        redis: RedisServer | None = None,  # but there
        pinned: bool = False,
        rate_limited: bool = False,  # 4.5: instance_limits of plans hold
        resources: Sequence[tuple[str, int, int | None]] = (),  # name, count, device (None: any)
        devices: bool = False,  # what is done with GPUs is done when there is a CUDA runtime
        cuda_libraries: Sequence[str] = (),  # where to look for it; none: the usual names
        device_pool_bytes: Mapping[int, int] | None = None,  # by GPU; else 64 MiB
        short_work_first: bool = False,  # of this process: see docs/threading.md
    ) -> None: ...
    def create(self, plan: ModelPlan) -> ModelVersion:
        """Raises InvalidArgError for instance limits that would never let an instance run (4.5)."""
    def publish(
        self,
        name: str,
        ready: Sequence[ModelVersion],
        not_ready: Sequence[int] = (),
        on_demand: bool = False,
    ) -> None:
        """`on_demand`: while no version is ready, requests wait for one, and its name is wanted."""
    def refuse(self, name: str, error: ServerError) -> None:
        """Requests by this name are answered with the error's code and text (R-4)."""
    def wanted_models_fileno(self) -> int:
        """Readable while there is something for take_wanted_models()."""
    def take_wanted_models(self) -> list[str]:
        """The models that requests have begun to wait for since the last call."""
    def forget(self, name: str) -> None: ...
    def retire(self, model: ModelVersion, timeout_s: float = 30.0) -> None: ...
    def stop_accepting(self) -> None: ...
    def find(self, name: str, version: int = -1) -> ModelVersion:
        """Raises as contract H-23 says: InvalidArg, NotFound or Unavailable."""
    @property
    def in_flight(self) -> int: ...
    def remote_cache_state(self) -> tuple[bool, int, str] | None:
        """(is it there, how often that has changed, where it is and what is wrong).

        None: there is no cache outside the server; 0 changes: nothing is known yet.
        """
    def notices_fileno(self) -> int:
        """Readable while there are notices to take."""
    def take_notices(self) -> tuple[list[str], int]:
        """What the core has to say to the log, and how many lines more it could not keep."""
    @property
    def memory_report(self) -> str: ...
    def pool_stats(self) -> dict[str, int]:
        """acquired, system_allocs, cached_bytes, in_use_bytes."""

class SharedRegions:
    """Memory of clients, by name (contract 1.9). Raises in its words."""

    def __init__(self, engine: Engine) -> None: ...
    def register_cuda(self, name: str, handle: bytes, device: int, size_bytes: int) -> None:
        """`handle`: a cudaIpcMemHandle_t."""
    def register_system(self, name: str, key: str, offset: int, size_bytes: int) -> None:
        """`key`: of a POSIX shared memory object."""
    def unregister(self, cuda: bool, name: str) -> None:
        """Empty: all of the kind."""
    def list(self, cuda: bool, name: str) -> builtins.list[dict[str, Any]]:
        """name, key, offset, device_id, byte_size of one region, or of all (empty name)."""

def engine_has_devices(engine: Engine) -> bool:
    """A CUDA runtime was asked for and is there."""

def device_pools(engine: Engine) -> list[dict[str, int]]:
    """device, pool_bytes, in_use_bytes, cached_bytes of the pools of GPUs' memory in use."""

def gpu_memory(engine: Engine, device: int) -> tuple[int, int]:
    """Free and all bytes of a GPU. Raises UnavailableError without a CUDA runtime."""

# ---------------------------------------------------------------- frontends

class CompletionPort:
    """Brings finished calls back to one event loop: loop.add_reader(port.fileno(), port.drain)."""

    def __init__(self, engine: Engine) -> None: ...
    def fileno(self) -> int: ...
    def drain(self) -> None:
        """Sets the result (None) of the future of every call that finished; delivers the responses
        of streams. Loop thread only.

        Raises what a future raised (its loop is closed, say) when all have been told.
        """

class InferCall:
    """One request on its way. Keep it until encode(); dropping it early is safe.

    One of a stream is not encoded itself, but each InferReply to it.
    """

    def cancel(self) -> None: ...
    def encode(self) -> tuple[bytes, int]:
        """After the future is set: (message, json_bytes).

        HTTP: json_bytes is the value for Inference-Header-Content-Length, -1 when no binary
        data follows. gRPC: always -1. Raises the request's failure. Call at most once.
        """

    @property
    def decoupled(self) -> bool:
        """Whether its model may give any number of responses."""

class InferReply:
    """One response to a request of a stream. It counts as unread until it is released."""

    @property
    def call(self) -> InferCall:
        """The request that it answers."""
    @property
    def final(self) -> bool:
        """No other follows it."""
    @property
    def dropped(self) -> bool:
        """It says no more than that it is final, and the client does not want to know (G-26)."""
    @property
    def source(self) -> tuple[str, str, str]:
        """Model, version and the request's id."""
    def encode(self) -> bytes:
        """The message of its protocol. Raises what the response failed with."""
    def release(self) -> None:
        """Gives it back, which may wake a model that waits for its reader."""

class HttpCodec:
    """v2 over HTTP for one event loop."""

    def __init__(
        self, engine: Engine, port: CompletionPort, *, max_input_bytes: int = 67108864
    ) -> None: ...
    def submit(
        self,
        model: str,
        version: int,
        body: Buffer,
        json_bytes: int | None,
        future: Future[None],
        *,
        parameters: Sequence[tuple[str, bool | int | float | str]] = (),
        trace_context: str = "",
        received_ns: int = 0,
        deadline: str | None = None,
    ) -> InferCall:
        """Decodes, admits and queues. version -1: latest. `parameters`: beside the body's own.

        `deadline`: what the header Penstock-Deadline-Ms says, counted from `received_ns` on (of
        time.monotonic_ns(); 0: from now on).

        The body must not change until the call has finished. Raises on a bad request.
        """
    def submit_stream(
        self,
        model: str,
        version: int,
        body: Buffer,
        deliver: Callable[[InferReply], None],
        *,
        parameters: Sequence[tuple[str, bool | int | float | str]] = (),
        trace_context: str = "",
        received_ns: int = 0,
        deadline: str | None = None,
    ) -> InferCall:
        """A request that may be answered many times; drain() calls `deliver` with each response."""

class GrpcCodec:
    """v2 over gRPC for one event loop: serialised ModelInferRequest in, ModelInferResponse out.

    `timeout_us`: until the call's deadline; 0: it has none.
    """

    def __init__(self, engine: Engine, port: CompletionPort) -> None: ...
    def submit(
        self,
        message: bytes,
        future: Future[None],
        *,
        parameters: Sequence[tuple[str, bool | int | float | str]] = (),
        trace_context: str = "",
        timeout_us: int = 0,
    ) -> InferCall:
        """A request that is answered once. Raises on a bad one, or a decoupled model (G-22)."""
    def submit_stream(
        self,
        message: bytes,
        deliver: Callable[[InferReply], None],
        *,
        parameters: Sequence[tuple[str, bool | int | float | str]] = (),
        trace_context: str = "",
        timeout_us: int = 0,
    ) -> InferCall:
        """A request that may be answered many times; drain() calls `deliver` with each response."""

def encode_http_error(message: str) -> bytes: ...
def parse_header_length(value: str, content_length: int) -> int: ...
def parse_version(text: str) -> int: ...

class HeaderForwarding:
    """Chooses headers by names: an ECMAScript expression, searched in any case (contract 1.15)."""

    def __init__(self, pattern: str) -> None:
        """Raises InvalidArgError when it is none."""
    def select(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those to be forwarded. Raises InvalidArgError for one that is reserved."""

# ---------------------------------------------------------------- traces

class EngineTracer:
    """What is to be traced, and the records of what was (contract 8.1)."""

    def __init__(self, engine: Engine) -> None: ...
    def set(
        self, model: str, *, on: bool, tensors: bool, rate: int, count: int, generation: int
    ) -> None:
        """Of a model, or of all others (""). Every rate-th request, `count` of them (-1: all)."""
    def inherit(self, model: str) -> None:
        """The model does as all others again."""
    def take(self, timeout_s: float) -> list[dict[str, Any]]:
        """Waits for records: id, parent_id, root_id, generation, model, version, request_id,
        context (W3C traceparent), error, of_client, stamps [(name, monotonic ns)],
        tensors [(activity, name, data type, shape, bytes)]."""
    @property
    def dropped(self) -> int:
        """Records that the queue had no room for."""

# ---------------------------------------------------------------- native listeners

class HeaderRules:
    """What a door does with headers beside its protocol's own (1.14, 1.15, T-22)."""

    def __init__(
        self,
        *,
        for_health: tuple[str, str] | None = None,
        for_inference: tuple[str, str] | None = None,
        forwarding: HeaderForwarding | None = None,
        trace_context: bool = False,
    ) -> None:
        """`for_...`: name and value of the header without which the API is refused."""

class HttpDoor:
    """The native HTTP/1.1 listener: inference and health here, the rest passed on (contract 1.1).

    Serves from construction on, on `threads` threads that never take the GIL. `listener`: the
    descriptor of a bound, listening, non-blocking socket, taken over. `upstream_path`: Unix socket
    of an HTTP server for the rest; empty: the rest is a 404. A limit of None is the default.
    """

    def __init__(
        self,
        engine: Engine,
        listener: int,
        *,
        upstream_path: str = "",
        threads: int = 1,
        max_connections: int | None = None,
        max_in_flight_bytes: int | None = None,
        max_input_bytes: int | None = None,
        max_body_bytes: int | None = None,
        header_timeout_s: float | None = None,
        body_timeout_s: float | None = None,
        idle_timeout_s: float | None = None,
        send_timeout_s: float | None = None,
        min_bytes_per_second: int | None = None,
        rules: HeaderRules | None = None,
    ) -> None: ...
    def set_state(self, *, started: bool, ready: bool, exiting: bool) -> None:
        """What the health routes say, and whether inference is let in (H-2, H-3, H-24)."""
    def stop_accepting(self) -> None:
        """New connections are refused; the open ones are served on."""
    def drain(self, timeout_s: float) -> bool:
        """Waits, without the GIL, until nothing is being worked on. False: the time is over."""
    def stop(self, timeout_s: float = 0.0) -> None:
        """Drains for at most `timeout_s`, closes all connections and ends the threads."""
    def counters(self) -> dict[str, int]:
        """connections_*, requests_*, inferences, passed_on, refused, bytes_*, in_flight_bytes."""

# ---------------------------------------------------------------- native back ends

def make_identity_instance(*, execute_delay_ms: float = 0.0) -> NativeInstance:
    """Triton's identity back end: INPUTn -> OUTPUTn, no copy."""

def check_identity_plan(plan: ModelPlan) -> None:
    """Raises InvalidArgError unless inputs and outputs pair up, of equal type and dims."""

class OnnxRuntime:
    """ONNX Runtime's C library, opened from the path of libonnxruntime.so*; one a process."""

    def __init__(
        self,
        library: str,
        *,
        intra_op_threads: int = 0,
        inter_op_threads: int = 0,
        global_thread_pool: bool = False,
    ) -> None: ...
    @property
    def version(self) -> str: ...
    def check_provider(self, name: str, options: dict[str, str]) -> None:
        """Raises InternalError, with ONNX Runtime's words, unless sessions can have it."""

class OnnxModel:
    """A loaded session, shared by its instances. Raises with ONNX Runtime's own words.

    `providers`: names and options of execution providers, the first asked first, the CPU last.
    """

    def __init__(
        self,
        runtime: OnnxRuntime,
        path: str,
        options: dict[str, str | int],
        providers: Sequence[tuple[str, dict[str, str]]] = (),
    ) -> None: ...
    @property
    def inputs(self) -> list[tuple[str, int, tuple[int, ...] | None]]:
        """(name, data type, full dims with -1 where unknown; None: rank unknown)."""
    @property
    def outputs(self) -> list[tuple[str, int, tuple[int, ...] | None]]: ...
    def create_instance(self, plan: ModelPlan) -> NativeInstance: ...

# ---------------------------------------------------------------- native doors

class GrpcDoor:
    """The native gRPC listener on `threads` event loops; runs until stop() or its end.

    `listener` is the descriptor of a bound, listening, non-blocking socket, which the door takes
    over. RPCs that it does not answer go to the gRPC server on `upstream_path`. `compression` of
    responses: "none", "deflate" or "gzip" (O-39). Raises UnavailableError.
    """

    def __init__(
        self,
        engine: Engine,
        listener: int,
        *,
        upstream_path: str = "",
        threads: int = 1,
        compression: str = "none",
        max_connections: int = 10000,
        max_streams: int = 256,
        max_in_flight_bytes: int = 1073741824,
        keepalive_time_ms: int = 7200000,
        keepalive_timeout_ms: int = 20000,
        keepalive_permit_without_calls: bool = False,
        min_recv_ping_interval_ms: int = 300000,
        max_ping_strikes: int = 2,
        max_connection_age_ms: int = 0,
        max_connection_age_grace_ms: int = 0,
        rules: HeaderRules | None = None,
    ) -> None: ...
    def set_state(self, *, started: bool, ready: bool, exiting: bool) -> None:
        """What the health RPCs say, and whether inference is let in (G-1, G-2, H-24)."""
    def stop_accepting(self) -> None:
        """Refuses new connections and calls (G-29); what runs is finished."""
    def drain(self, timeout_s: float) -> bool:
        """Waits until no call is open; False when the time is over."""
    def stop(self, timeout_s: float) -> None:
        """Sends what is ready for at most `timeout_s`, then closes all connections."""
    def counters(self) -> dict[str, int]:
        """connections_opened, calls_begun, inferences, passed_on, bytes_received, ..."""

class WorkerConnection:
    """What the server and one worker process have between them (docs/workers.md)."""

    def fileno(self) -> int:
        """Of the memory to hand to the process; it stays the connection's."""

    def lost(self, why: str) -> None:
        """The process has ended: what it had is answered, or goes to the next."""

    def close(self) -> None:
        """No batch follows: the process ends when it has answered."""

    @property
    def in_flight(self) -> int:
        """Batches and decoupled requests that it has not answered."""

    @property
    def answered(self) -> int:
        """Batches that it has answered."""

class ModelCalls:
    """Calls of models by models (BLS, contract 5.1), in the server. Thread safe."""

    def __init__(self, engine: Engine) -> None: ...
    @property
    def open(self) -> int:
        """Calls that are not answered."""
    def port(self, plan: ModelPlan | None = None) -> CallPort:
        """For one instance of that plan in the server; None: for nobody who can be waited for."""

class CallPort:
    """One instance's way to other models. Thread safe."""

    def begin(
        self,
        request: ModelRequest,
        parameters: dict[str, bool | int | float | str],
        *,
        many: bool,
        blocking: bool,
    ) -> OutgoingCall:
        """Calls what an `InferenceRequest` says, with these parameters.

        `many`: it may be answered any number of times; `blocking`: the instance executes nothing
        else until then. Raises ServerError; what is wrong may be an answer, too. Tensors are read
        without the GIL.
        """

class OutgoingCall:
    """Dropped before its final answer, it is cancelled. One thread at a time."""

    def next(
        self, response_type: type[_Response], tensor_type: type[ModelTensor]
    ) -> _Response | None:
        """Waits, without the GIL, for the next response; None when the final one was given.

        Raises the ServerError that is the answer. Tensors have memory of their own.
        """
    def cancel(self) -> None:
        """What is still to come is the final answer."""

class WorkerLink:
    """An instance that runs in a process of its own, as the engine sees it. Thread safe."""

    def __init__(
        self,
        engine: Engine,
        plan: ModelPlan,
        name: str,
        *,
        initial_bytes: int,
        growth_bytes: int,
        max_bytes: int,
        execute_timeout_s: float = 0.0,
        idempotent: bool = False,
        calls: ModelCalls | None = None,
    ) -> None:
        """Sizes are of the memory of each direction, in bytes.

        `calls`: where calls of other models go to; None: they are refused.
        """

    def connect(self) -> WorkerConnection:
        """For a process that is about to be started. Raises UnavailableError."""

    def serve(self, connection: WorkerConnection, pidfd: int) -> None:
        """Batches go to this process from now on; the one before ends when it has answered.

        `pidfd` stays the caller's, until lost().
        """

    def refuse(self, why: str) -> None:
        """Batches are answered UNAVAILABLE with the reason, until serve()."""

    @property
    def ended(self) -> bool:
        """The engine has let go of the instance: the last process ends by itself."""

    def instance(self) -> NativeInstance:
        """What the engine runs; once."""

def attach_worker(
    fd: int, plan: ModelPlan, *, initial_bytes: int, growth_bytes: int
) -> tuple[ModelVersion, CallPort]:
    """The model as its worker process has it: `next` and `complete`; and its calls of others.

    Takes the descriptor over.
    """

def die_with_parent(parent: int) -> bool:
    """Has the kernel kill this process with the thread that started it.

    False when `parent` has ended already.
    """
