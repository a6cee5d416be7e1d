# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""`ModelConfig` of auto_complete_config and the configuration look-ups (contract 5.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from penstock.backends.python.pb_utils import (
    ModelConfig,
    get_input_config_by_name,
    get_output_config_by_name,
    using_decoupled_model_transaction_policy,
)

X = {"name": "x", "data_type": "TYPE_FP32", "dims": [4]}


def config(**fields: Any) -> ModelConfig:
    return ModelConfig(
        json.dumps({"name": "m", "max_batch_size": 0, "input": [], "output": [], **fields})
    )


class TestTensors:
    @pytest.mark.parametrize("kind", ["input", "output"])
    def test_added_and_repeated(self, kind: str) -> None:
        model = config()
        add = getattr(model, f"add_{kind}")
        add(X)
        add({**X, "dims": (4,)})
        assert model.as_dict()[kind] == [X]

    def test_optional_is_for_inputs(self) -> None:
        model = config()
        model.add_input({**X, "optional": True})
        assert model.as_dict()["input"][0]["optional"] is True
        with pytest.raises(ValueError, match="property other than name, data_type, dims: "):
            model.add_output({**X, "optional": True})

    def test_what_the_file_leaves_open_is_filled(self) -> None:
        model = config(input=[{"name": "x", "data_type": "TYPE_INVALID", "dims": []}])
        model.add_input(X)
        assert model.as_dict()["input"] == [X]

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"data_type": "TYPE_INT8"}, "expects data_type TYPE_FP32 for input 'x'"),
            ({"dims": [5]}, r"expects dims \[4\] for input 'x', model provides \[5\]"),
        ],
    )
    def test_what_the_file_says_stays(self, change: dict[str, Any], text: str) -> None:
        with pytest.raises(ValueError, match=text):
            config(input=[X]).add_input({**X, **change})

    @pytest.mark.parametrize("missing", ["name", "data_type", "dims"])
    def test_missing_property(self, missing: str) -> None:
        given = {key: value for key, value in X.items() if key != missing}
        with pytest.raises(ValueError, match=f"for model 'm' is missing '{missing}' property"):
            config().add_input(given)

    def test_unknown_property(self) -> None:
        with pytest.raises(ValueError, match="property other than .*: 'is_shape_tensor'"):
            config().add_input({**X, "is_shape_tensor": True})


class TestBatching:
    def test_max_batch_size(self) -> None:
        model = config()
        model.set_max_batch_size(8)
        assert model.as_dict()["max_batch_size"] == 8
        smaller = config(max_batch_size=4)
        smaller.set_max_batch_size(8)
        assert smaller.as_dict()["max_batch_size"] == 8
        with pytest.raises(ValueError, match="specified max_batch_size 16, but .* 8"):
            config(max_batch_size=16).set_max_batch_size(8)

    def test_dynamic_batching(self) -> None:
        model = config()
        model.set_dynamic_batching()
        assert model.as_dict()["dynamic_batching"] == {}
        kept = config(dynamic_batching={"preferred_batch_size": [2]})
        kept.set_dynamic_batching()
        assert kept.as_dict()["dynamic_batching"] == {"preferred_batch_size": [2]}

    @pytest.mark.parametrize("scheduler", ["sequence_batching", "ensemble_scheduling"])
    def test_another_scheduler(self, scheduler: str) -> None:
        with pytest.raises(ValueError, match=f"configuration specified {scheduler}"):
            config(**{scheduler: {}}).set_dynamic_batching()


class TestTransactionPolicy:
    def test_set(self) -> None:
        model = config()
        model.set_model_transaction_policy({"decoupled": True})
        model.set_model_transaction_policy({"decoupled": True})
        assert using_decoupled_model_transaction_policy(model.as_dict())
        assert not using_decoupled_model_transaction_policy(config().as_dict())

    def test_contradiction(self) -> None:
        model = config(model_transaction_policy={"decoupled": False})
        with pytest.raises(ValueError, match="already set to 'False'"):
            model.set_model_transaction_policy({"decoupled": True})

    def test_unknown_key(self) -> None:
        with pytest.raises(ValueError, match="property other than 'decoupled': 'coupled'"):
            config().set_model_transaction_policy({"coupled": True})

    def test_nothing(self) -> None:
        model = config()
        model.set_model_transaction_policy({})
        assert "model_transaction_policy" not in model.as_dict()


def test_look_ups() -> None:
    model = {"input": [X], "output": [{**X, "name": "y"}]}
    assert get_input_config_by_name(model, "x") is X
    assert get_input_config_by_name(model, "y") is None
    assert get_output_config_by_name(model, "y") == {**X, "name": "y"}
    assert get_output_config_by_name({}, "y") is None
