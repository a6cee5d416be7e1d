# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Auto-completion from what a model says of its tensors (contract 3.2, stage B; X-24)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from google.protobuf import text_format
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.framework import TensorSignature, complete, is_complete
from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError

FP32, INT64, STRING = 11, 9, 13

Tensors = Sequence[tuple[str, int, tuple[int, ...] | None]]


def context(
    text: str = "",
    *,
    max_batch_size_set: bool = False,
    settings: Mapping[str, str] | None = None,
) -> ModelContext:
    return ModelContext(
        name="m",
        version=1,
        model_dir=Path("/repository/m"),
        config=text_format.Parse(text, ModelConfig(name="m")),
        backend_config=settings or {},
        max_batch_size_set=max_batch_size_set,
    )


def completed(before: ModelContext, inputs: Tensors, outputs: Tensors) -> ModelConfig:
    complete(
        before,
        [TensorSignature(*tensor) for tensor in inputs],
        [TensorSignature(*tensor) for tensor in outputs],
    )
    return before.config


class TestCompletion:
    def test_batching_is_assumed(self, caplog: pytest.LogCaptureFixture) -> None:
        """X-24: 4, and the dynamic batcher."""
        with caplog.at_level(logging.WARNING):
            config = completed(context(), [("x", FP32, (-1, 3, -1))], [("y", INT64, (-1,))])
        assert config.max_batch_size == 4
        assert config.HasField("dynamic_batching")
        assert list(config.input[0].dims) == [3, -1]
        assert config.input[0].data_type == FP32
        assert list(config.output[0].dims) == [1]
        assert config.output[0].HasField("reshape")
        assert not config.output[0].reshape.shape
        assert (
            "autofilled max_batch_size to 4 for model 'm' since batching is supporrted but no "
            "max_batch_size is specified in model configuration."
        ) in caplog.text

    @pytest.mark.parametrize(("default", "batch"), [("8", 8), ("1", 0), ("0", 0), ("-1", 0)])
    def test_default_max_batch_size(self, default: str, batch: int) -> None:
        config = completed(
            context(settings={"default-max-batch-size": default}),
            [("x", FP32, (-1, 3))],
            [("y", FP32, (-1, 3))],
        )
        assert config.max_batch_size == batch
        assert config.HasField("dynamic_batching") == (batch > 1)
        assert list(config.input[0].dims) == ([3] if batch else [-1, 3])

    def test_explicit_zero_means_no_batching(self) -> None:
        config = completed(
            context("max_batch_size: 0", max_batch_size_set=True),
            [("x", FP32, (-1, 3))],
            [("y", FP32, (-1, 3))],
        )
        assert config.max_batch_size == 0
        assert list(config.input[0].dims) == [-1, 3]

    def test_a_scheduler_that_is_set_stays(self) -> None:
        config = completed(
            context("sequence_batching { }"), [("x", FP32, (-1, 3))], [("y", FP32, (-1, 3))]
        )
        assert config.WhichOneof("scheduling_choice") == "sequence_batching"

    def test_a_model_without_a_free_first_dimension(self) -> None:
        config = completed(context(), [("x", FP32, (1, 3))], [("y", FP32, ())])
        assert config.max_batch_size == 0
        assert not config.HasField("dynamic_batching")
        assert list(config.input[0].dims) == [1, 3]
        assert list(config.output[0].dims) == [1]
        assert not config.output[0].HasField("reshape")

    def test_batching_is_asked_of_a_model_that_cannot(self) -> None:
        with pytest.raises(InvalidArgError) as caught:
            completed(context("max_batch_size: 8"), [("x", FP32, (2, 3))], [("y", FP32, (2,))])
        assert caught.value.message == (
            "autofill failed for model 'm': model does not support batching while non-zero "
            "max_batch_size is specified"
        )

    def test_partial_tensors_are_completed(self) -> None:
        config = completed(
            context("max_batch_size: 2 input { name: 'x' } output { name: 'y' dims: 3 }"),
            [("x", STRING, (-1, 3))],
            [("y", FP32, (-1, 3)), ("z", FP32, (-1,))],
        )
        assert config.input[0].data_type == STRING
        assert list(config.input[0].dims) == [3]
        assert config.output[0].data_type == FP32
        assert [output.name for output in config.output] == ["y"]

    def test_a_tensor_that_the_model_has_not(self) -> None:
        with pytest.raises(InvalidArgError) as caught:
            completed(
                context("output { name: 'q' }"),
                [("x", FP32, (1,))],
                [("y", FP32, (1,)), ("z", FP32, (1,))],
            )
        assert caught.value.message == (
            "unexpected inference output 'q', allowed outputs are: y, z"
        )

    def test_types_that_the_protocol_has_not(self) -> None:
        config = completed(context(), [("x", FP32, (1,))], [("y", FP32, (1,)), ("map", 0, None)])
        assert [output.name for output in config.output] == ["y"]
        with pytest.raises(InvalidArgError, match="input 'x' has a type that requests cannot"):
            completed(context(), [("x", 0, None)], [("y", FP32, (1,))])

    def test_unknown_rank(self) -> None:
        config = completed(context(), [("x", FP32, (-1, 2))], [("y", FP32, None)])
        assert config.max_batch_size == 4
        assert not config.output[0].dims

    @pytest.mark.parametrize(
        ("text", "batch_set", "complete"),
        [
            ("", False, False),
            ("input { name: 'x' data_type: TYPE_FP32 dims: 1 }", True, False),
            (
                "input { name: 'x' data_type: TYPE_FP32 dims: 1 } output { name: 'y' dims: 1 }",
                True,
                False,
            ),
            (
                "input { name: 'x' data_type: TYPE_FP32 dims: 1 } "
                "output { name: 'y' data_type: TYPE_FP32 dims: 1 }",
                False,
                False,
            ),
            (
                "input { name: 'x' data_type: TYPE_FP32 dims: 1 } "
                "output { name: 'y' data_type: TYPE_FP32 dims: 1 }",
                True,
                True,
            ),
        ],
    )
    def test_a_model_is_opened_only_for_what_is_open(
        self, text: str, batch_set: bool, complete: bool
    ) -> None:
        assert is_complete(context(text, max_batch_size_set=batch_set)) == complete
