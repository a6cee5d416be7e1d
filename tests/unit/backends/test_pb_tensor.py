# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`Tensor` and the data type functions of triton_python_backend_utils (contract 5.1)."""

from __future__ import annotations

import numpy as np
import pytest
from penstock import _engine
from penstock.backends.python import pb_utils
from penstock.types import NUMPY_DTYPES, DataType


def wire_tensor(array: np.ndarray, data_type: int = 0) -> pb_utils.Tensor:
    return _engine.model_tensor(pb_utils.Tensor, "x", _engine.tensor_from_numpy(array, data_type))


class TestTensor:
    @pytest.mark.parametrize("data_type", NUMPY_DTYPES)
    def test_every_dtype_of_numpy(self, data_type: DataType) -> None:
        array = np.zeros((2, 3), dtype=NUMPY_DTYPES[data_type])
        tensor = pb_utils.Tensor("x", array)
        assert tensor.name() == "x"
        assert tensor.triton_dtype() == data_type
        assert tensor.shape() == [2, 3]
        assert tensor.is_cpu()
        assert tensor.as_numpy() is array

    def test_both_64_bit_types_of_c(self) -> None:
        for dtype in (np.longlong, np.int_):
            assert pb_utils.Tensor("x", np.zeros(1, dtype)).triton_dtype() == DataType.INT64

    def test_layout_and_byte_order_are_put_right(self) -> None:
        strided = np.arange(12, dtype=">f4").reshape(3, 4).T
        array = pb_utils.Tensor("x", strided).as_numpy()
        assert array.flags.c_contiguous
        assert array.dtype == np.dtype("<f4")
        np.testing.assert_array_equal(array, strided)

    def test_a_scalar_stays_one(self) -> None:
        assert pb_utils.Tensor("x", np.array(5.0)).shape() == []

    def test_numpy_bytes_become_objects(self) -> None:
        tensor = pb_utils.Tensor("x", np.array([b"a", b"bc"]))
        assert tensor.triton_dtype() == DataType.BYTES
        assert tensor.as_numpy().tolist() == [b"a", b"bc"]

    @pytest.mark.parametrize("dtype", ["U3", "c8", "M8[s]", "V4"])
    def test_dtypes_that_the_protocol_has_not(self, dtype: str) -> None:
        with pytest.raises(pb_utils.TritonModelException, match="tensor 'x' has dtype"):
            pb_utils.Tensor("x", np.zeros(1, dtype))

    def test_wrong_arguments(self) -> None:
        with pytest.raises(
            pb_utils.TritonModelException, match=r"^Tensor name cannot be an empty string\.$"
        ):
            pb_utils.Tensor("", np.zeros(1))
        with pytest.raises(TypeError, match="tensor 'x' must be made from a numpy array"):
            pb_utils.Tensor("x", [1.0])  # type: ignore[arg-type]

    def test_an_input_is_the_models_own(self) -> None:
        sent = np.arange(4, dtype=np.float32)
        tensor = wire_tensor(sent)
        array = tensor.as_numpy()
        array += 1
        assert tensor.as_numpy() is array
        assert sent.tolist() == [0, 1, 2, 3]
        assert np.from_dlpack(tensor).tolist() == [1, 2, 3, 4]

    def test_an_input_of_strings(self) -> None:
        tensor = wire_tensor(np.array([[b"a\0", b""]], dtype=object))
        assert tensor.triton_dtype() == DataType.BYTES
        assert tensor.shape() == [1, 2]
        assert tensor.as_numpy().tolist() == [[b"a\0", b""]]
        with pytest.raises(pb_utils.TritonModelException, match="DLPack does not have support"):
            tensor.to_dlpack()

    def test_bf16(self) -> None:
        tensor = wire_tensor(np.zeros(3, np.uint16), DataType.BF16)
        assert tensor.triton_dtype() == DataType.BF16
        with pytest.raises(pb_utils.TritonModelException) as caught:
            tensor.as_numpy()
        assert str(caught.value) == (
            "Tensor dtype is BF16 and cannot be converted to NumPy. Use to_dlpack() and "
            "from_dlpack() instead."
        )
        again = pb_utils.Tensor.from_dlpack("y", tensor.to_dlpack())
        assert again.triton_dtype() == DataType.BF16
        assert again.shape() == [3]

    def test_from_dlpack(self) -> None:
        source = np.arange(6, dtype=np.int32).reshape(2, 3)
        tensor = pb_utils.Tensor.from_dlpack("x", source)
        assert tensor.triton_dtype() == DataType.INT32
        assert tensor.shape() == [2, 3]
        np.testing.assert_array_equal(tensor.as_numpy(), source)
        with pytest.raises(pb_utils.TritonModelException, match="tensor 'x': "):
            pb_utils.Tensor.from_dlpack("x", source.T)
        with pytest.raises(pb_utils.TritonModelException, match="cannot be an empty"):
            pb_utils.Tensor.from_dlpack("", source)
        with pytest.raises(pb_utils.TritonModelException, match="must be a DLPack capsule or have"):
            pb_utils.Tensor.from_dlpack("x", [1, 2])


class TestTypes:
    def test_string_to_numpy(self) -> None:
        assert pb_utils.triton_string_to_numpy("TYPE_FP32") is np.float32
        assert pb_utils.triton_string_to_numpy("TYPE_BOOL") is bool
        assert pb_utils.triton_string_to_numpy("TYPE_STRING") is np.object_
        with pytest.raises(KeyError):
            pb_utils.triton_string_to_numpy("TYPE_BF16")

    @pytest.mark.parametrize("data_type", NUMPY_DTYPES)
    def test_there_and_back(self, data_type: DataType) -> None:
        dtype = pb_utils.triton_to_numpy_type(data_type)
        assert pb_utils.numpy_to_triton_type(dtype) == data_type
        assert pb_utils.numpy_to_triton_type(np.dtype(dtype)) == data_type

    def test_what_is_not_there_is_none(self) -> None:
        assert pb_utils.triton_to_numpy_type(DataType.BF16) is None
        assert pb_utils.triton_to_numpy_type(99) is None
        assert pb_utils.numpy_to_triton_type(np.complex64) is None
        assert pb_utils.numpy_to_triton_type(np.bytes_) == DataType.BYTES

    def test_strings(self) -> None:
        array = np.array([[b"a\0", "é"], [7, b""]], dtype=object)
        data = pb_utils.serialize_byte_tensor(array)
        assert data == b"\2\0\0\0a\0\2\0\0\0\xc3\xa9\1\0\0\0007\0\0\0\0"
        assert pb_utils.deserialize_bytes_tensor(data).tolist() == [
            b"a\0",
            "é".encode(),
            b"7",
            b"",
        ]
        assert pb_utils.serialize_byte_tensor(np.array([b"ab"])) == b"\2\0\0\0ab"
        element = np.array([np.array([b"ab"])[0], None], dtype=object)[:1]  # of np.bytes_
        assert pb_utils.serialize_byte_tensor(element) == b"\2\0\0\0ab"
        assert pb_utils.serialize_byte_tensor(np.array([], dtype=object)) == ()
        assert pb_utils.serialize_byte_tensor(np.zeros(2)) is None
        assert pb_utils.deserialize_bytes_tensor(b"").tolist() == []
