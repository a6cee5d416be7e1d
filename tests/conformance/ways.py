# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Every way into the server that the stock client has, behind one call."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tritonclient.grpc as grpc_client
import tritonclient.grpc.aio as grpc_aio_client
import tritonclient.http as http_client
import tritonclient.http.aio as http_aio_client
from server_process import ServerProcess
from tritonclient.utils import np_to_triton_dtype

TIMEOUT_S = 20.0

#: The statuses that the stock clients report, by core code (contract 1.0).
HTTP_CODES = {
    "INTERNAL": "500",
    "NOT_FOUND": "404",
    "INVALID_ARG": "400",
    "UNAVAILABLE": "503",
    "UNSUPPORTED": "501",
}
GRPC_CODES = {
    "INTERNAL": "StatusCode.INTERNAL",
    "NOT_FOUND": "StatusCode.NOT_FOUND",
    "INVALID_ARG": "StatusCode.INVALID_ARGUMENT",
    "UNAVAILABLE": "StatusCode.UNAVAILABLE",
    "UNSUPPORTED": "StatusCode.UNIMPLEMENTED",
}


@dataclass(frozen=True)
class Answer:
    """What came back, the same for both protocols."""

    model_name: str
    model_version: str
    id: str
    arrays: dict[str, np.ndarray]


class Way(abc.ABC):
    """One client."""

    codes: Mapping[str, str]
    client: Any

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, np.ndarray],
        *,
        outputs: Sequence[str] | None = None,
        datatypes: Mapping[str, str] | None = None,
        shapes: Mapping[str, Sequence[int]] | None = None,
        **options: Any,
    ) -> Answer:
        """Raises InferenceServerException. `datatypes`, `shapes`: what is said, if not the truth.

        Without `outputs` the HTTP clients ask for all of them, in binary.
        """
        tensors = []
        for name, array in inputs.items():
            datatype = (datatypes or {}).get(name) or np_to_triton_dtype(array.dtype)
            tensors.append(self.tensor(name, array, datatype))
            if shapes and name in shapes:
                tensors[-1].set_shape(list(shapes[name]))
        wanted = None if outputs is None else [self.output(name) for name in outputs]
        return self.answer(await self.call(model, tensors, wanted, options))

    @abc.abstractmethod
    def tensor(self, name: str, array: np.ndarray, datatype: str) -> Any:
        """The client's input object."""

    @abc.abstractmethod
    def output(self, name: str) -> Any:
        """The client's requested output."""

    @abc.abstractmethod
    async def call(
        self, model: str, inputs: list[Any], outputs: list[Any] | None, options: dict[str, Any]
    ) -> Any:
        """The client's result."""

    @abc.abstractmethod
    def answer(self, result: Any) -> Answer:
        """The result, neutral."""

    async def control(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of the client that is not inference; gRPC answers become JSON."""
        result = getattr(self.client, method)(*args, **kwargs)
        return await result if asyncio.iscoroutine(result) else result

    async def close(self) -> None:
        """Ends the client."""
        result = self.client.close()
        if asyncio.iscoroutine(result):
            await result


class _Http(Way):
    codes = HTTP_CODES
    binary = True

    def tensor(self, name: str, array: np.ndarray, datatype: str) -> Any:
        tensor = http_client.InferInput(name, list(array.shape), datatype)
        tensor._datatype = np_to_triton_dtype(array.dtype)
        tensor.set_data_from_numpy(array, binary_data=self.binary)
        tensor._datatype = datatype
        return tensor

    def output(self, name: str) -> Any:
        return http_client.InferRequestedOutput(name, binary_data=self.binary)

    async def call(
        self, model: str, inputs: list[Any], outputs: list[Any] | None, options: dict[str, Any]
    ) -> Any:
        result = self.client.infer(model, inputs, outputs=outputs, **options)
        return await result if asyncio.iscoroutine(result) else result

    def answer(self, result: Any) -> Answer:
        response = result.get_response()
        return Answer(
            response["model_name"],
            response["model_version"],
            response.get("id", ""),
            {item["name"]: result.as_numpy(item["name"]) for item in response["outputs"]},
        )


class HttpBinary(_Http):
    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server)
        self.client = http_client.InferenceServerClient(server.http_url)


class HttpJson(HttpBinary):
    binary = False


class HttpAsyncio(_Http):
    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server)
        self.client = http_aio_client.InferenceServerClient(server.http_url)


class HttpAsyncioJson(HttpAsyncio):
    binary = False


class _Grpc(Way):
    codes = GRPC_CODES

    def tensor(self, name: str, array: np.ndarray, datatype: str) -> Any:
        tensor = grpc_client.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        tensor._input.datatype = datatype
        return tensor

    def output(self, name: str) -> Any:
        return grpc_client.InferRequestedOutput(name)

    async def call(
        self, model: str, inputs: list[Any], outputs: list[Any] | None, options: dict[str, Any]
    ) -> Any:
        result = self.client.infer(
            model, inputs, outputs=outputs, **({"client_timeout": TIMEOUT_S} | options)
        )
        return await result if asyncio.iscoroutine(result) else result

    def answer(self, result: Any) -> Answer:
        response = result.get_response()
        return Answer(
            response.model_name,
            response.model_version,
            response.id,
            {item.name: result.as_numpy(item.name) for item in response.outputs},
        )

    async def control(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if method.startswith("get_"):
            kwargs["as_json"] = True
        return await super().control(method, *args, **kwargs)


class Grpc(_Grpc):
    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server)
        self.client = grpc_client.InferenceServerClient(server.grpc_url)


class GrpcAsyncio(_Grpc):
    def __init__(self, server: ServerProcess) -> None:
        super().__init__(server)
        self.client = grpc_aio_client.InferenceServerClient(server.grpc_url)


WAYS: dict[str, type[Way]] = {
    "http-binary": HttpBinary,
    "http-json": HttpJson,
    "http-aio": HttpAsyncio,
    "http-aio-json": HttpAsyncioJson,
    "grpc": Grpc,
    "grpc-aio": GrpcAsyncio,
}
