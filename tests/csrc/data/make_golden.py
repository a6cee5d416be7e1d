# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Writes the golden messages of tests/csrc/wire with the stock tritonclient.

Run `python make_golden.py` in an environment that has `tritonclient[http,grpc]`; the files beside
this script are replaced. A request file is a sequence of records::

    case <name> <body bytes> <JSON bytes, or -1> <inputs>\n<body>\n
    input <name> <datatype> <tensor bytes> <dims...>\n<tensor>\n    (as often as there are inputs)

where -1 stands for a body without Inference-Header-Content-Length (HTTP) or a gRPC message.
"""

import json
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from tritonclient.grpc import service_pb2
from tritonclient.grpc._utils import _get_inference_request
from tritonclient.utils import serialize_byte_tensor

HERE = Path(__file__).parent
Array = npt.NDArray[np.generic]
Case = dict[str, tuple[str, Array]]

NUMPY_TYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
NO_JSON = {"FP16", "BF16"}


def values(datatype: str) -> Array:
    """Six values of a type, its extremes among them, shaped [2, 3]."""
    if datatype == "BYTES":
        texts = [b"", b"a", "zwölf Boxkämpfer".encode(), b'"quoted"\\', b"line\nbreak", b"x" * 300]
        return np.array(texts, dtype=np.object_).reshape(2, 3)
    if datatype == "BOOL":
        return np.array([[True, False, True], [False, False, True]])
    if datatype == "BF16":
        return np.array([[0.0, 1.0, -2.5], [3.0e38, -1.0e-38, 0.15625]], dtype=ml_dtypes.bfloat16)
    dtype: np.dtype[Any] = np.dtype(NUMPY_TYPES[datatype])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([[0, 1, info.max], [info.min, 7, info.max - 1]], dtype=dtype)
    limits = np.finfo(dtype)
    return np.array([[0.0, -0.0, 1.0], [limits.max, limits.tiny, -0.1]], dtype=dtype)


def tensor_bytes(datatype: str, array: Array) -> bytes:
    """The protocol's bytes of a tensor."""
    if datatype == "BYTES":
        return bytes(serialize_byte_tensor(array).item())
    return array.tobytes()


def cases() -> dict[str, Case]:
    """Inputs by case: every type alone, several together, nothing at all."""
    every = [*NUMPY_TYPES, "BYTES", "BF16"]
    out: dict[str, Case] = {t.lower(): {"INPUT0": (t, values(t))} for t in every}
    out["two_inputs"] = {"A": ("FP32", values("FP32")), "B": ("INT64", values("INT64"))}
    out["mixed"] = {"T": ("BYTES", values("BYTES")), "N": ("UINT8", values("UINT8"))}
    out["empty"] = {"E": ("FP32", np.zeros((0, 4), dtype=np.float32))}
    return out


def record(name: str, body: bytes, json_bytes: int, inputs: Case) -> bytes:
    """One case of a request file."""
    parts = [f"case {name} {len(body)} {json_bytes} {len(inputs)}\n".encode(), body, b"\n"]
    for input_name, (datatype, array) in inputs.items():
        data = tensor_bytes(datatype, array)
        dims = " ".join(str(d) for d in array.shape)
        parts.append(f"input {input_name} {datatype} {len(data)} {dims}\n".encode())
        parts += [data, b"\n"]
    return b"".join(parts)


def http_body(inputs: Case, binary: bool) -> tuple[bytes, int]:
    """A body of the stock HTTP client and the length of its JSON (-1: all of it)."""
    tensors = []
    for name, (datatype, array) in inputs.items():
        tensor = httpclient.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, binary_data=binary)
        tensors.append(tensor)
    outputs = [httpclient.InferRequestedOutput("OUTPUT0", binary_data=binary)]
    body, length = httpclient.InferenceServerClient.generate_request_body(
        tensors, outputs=outputs, request_id="golden-1", parameters={"custom": 3, "why": "test"}
    )
    return bytes(body), -1 if length is None else int(length)


def grpc_request(inputs: Case, typed: bool) -> bytes:
    """A message of the stock gRPC client; `typed` moves its data to InferTensorContents."""
    tensors = []
    for name, (datatype, array) in inputs.items():
        tensor = grpcclient.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    request = _get_inference_request(
        inputs=tensors,
        model_name="golden",
        model_version="1",
        request_id="golden-1",
        outputs=[grpcclient.InferRequestedOutput("OUTPUT0")],
        sequence_id=0,
        sequence_start=False,
        sequence_end=False,
        priority=0,
        timeout=None,
        parameters={"custom": 3, "why": "test"},
    )
    if typed:
        del request.raw_input_contents[:]
        for tensor_message, (datatype, array) in zip(request.inputs, inputs.values(), strict=True):
            field = getattr(tensor_message.contents, CONTENTS[datatype])
            tensor_message.contents.SetInParent()
            field.extend(array.flatten().tolist())
    return bytes(request.SerializeToString(deterministic=True))


def write_requests() -> None:
    """golden_http.bin and golden_grpc.bin."""
    http, grpc = [], []
    for name, inputs in cases().items():
        http.append(record(f"{name}_binary", *http_body(inputs, binary=True), inputs))
        grpc.append(record(f"{name}_raw", grpc_request(inputs, typed=False), -1, inputs))
        if not {t for t, _ in inputs.values()} & NO_JSON:
            http.append(record(f"{name}_json", *http_body(inputs, binary=False), inputs))
            grpc.append(record(f"{name}_typed", grpc_request(inputs, typed=True), -1, inputs))
    (HERE / "golden_http.bin").write_bytes(b"".join(http))
    (HERE / "golden_grpc.bin").write_bytes(b"".join(grpc))


def write_responses() -> None:
    """The answers that tests/csrc/wire/response_golden_test.cc must give, byte for byte."""
    scores = np.array([[0.5, 1.0], [-2.25, 300.0]], dtype=np.float32)
    texts = np.array(["ok", 'say "hi"'], dtype=np.object_)
    message = service_pb2.ModelInferResponse(model_name="golden", model_version="7", id="golden-1")
    message.parameters["cached"].bool_param = True
    message.outputs.add(name="SCORES", datatype="FP32", shape=scores.shape)
    message.outputs.add(name="TEXTS", datatype="BYTES", shape=texts.shape)
    message.raw_output_contents.append(scores.tobytes())
    message.raw_output_contents.append(tensor_bytes("BYTES", texts))
    (HERE / "golden_response.grpc.bin").write_bytes(message.SerializeToString(deterministic=True))

    def head(binary: bool) -> bytes:
        score_part = (
            {"parameters": {"binary_data_size": scores.nbytes}}
            if binary
            else {"data": scores.flatten().tolist()}
        )
        return json.dumps(
            {
                "id": "golden-1",
                "model_name": "golden",
                "model_version": "7",
                "parameters": {"cached": True},
                "outputs": [
                    {"name": "SCORES", "datatype": "FP32", "shape": [2, 2], **score_part},
                    {"name": "TEXTS", "datatype": "BYTES", "shape": [2], "data": texts.tolist()},
                ],
            },
            separators=(",", ":"),
        ).encode()

    for name, binary in (("json", False), ("binary", True)):
        text = head(binary)
        body = text + (scores.tobytes() if binary else b"")
        length = len(text) if binary else None
        result = httpclient.InferenceServerClient.parse_response_body(body, header_length=length)
        assert np.array_equal(result.as_numpy("SCORES"), scores)
        # http JSON gives str, and so does the data that went in
        assert result.as_numpy("TEXTS").tolist() == texts.tolist()
        prefix = struct.pack("<I", len(text))
        (HERE / f"golden_response.http_{name}.bin").write_bytes(prefix + body)


if __name__ == "__main__":
    write_requests()
    write_responses()
