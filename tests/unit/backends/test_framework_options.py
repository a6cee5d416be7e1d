# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Settings of TensorFlow and OpenVINO, and frameworks that are not there (contract 5.4)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from google.protobuf import text_format
from penstock._proto.model_config_pb2 import ModelConfig
from penstock.backends.interface import Backend, ModelContext
from penstock.backends.openvino.options import openvino_options
from penstock.backends.registry import find_backend
from penstock.backends.tensorflow.options import CALLERS_THREAD, session_options
from penstock.errors import InvalidArgError, ServerError, UnsupportedError


def context(
    text: str = "",
    *,
    model_dir: Path = Path("/repository/m"),
    cpu_share: int = 8,
    settings: Mapping[str, str] | None = None,
) -> ModelContext:
    return ModelContext(
        name="m",
        version=1,
        model_dir=model_dir,
        config=text_format.Parse(text, ModelConfig(name="m")),
        backend_config=settings or {},
        cpu_share=cpu_share,
    )


def parameter(key: str, value: object) -> str:
    return f" parameters {{ key: '{key}' value {{ string_value: '{value}' }} }}"


class TestTensorFlow:
    def test_defaults(self) -> None:
        """Operations run on the instance's thread; what one divides, on the share's threads."""
        options = session_options(context())
        assert (options.intra_threads, options.inter_threads) == (8, CALLERS_THREAD)
        assert (options.tag, options.signature, options.share_count) == ("serve", "", 0)
        assert options.soft_placement
        assert not options.own_pool

    @pytest.mark.parametrize(("asked", "given"), [(3, 3), (0, 8), (100, 8)])
    def test_threads_inside_an_operation(self, asked: int, given: int) -> None:
        options = session_options(context(parameter("TF_NUM_INTRA_THREADS", asked)))
        assert options.intra_threads == given

    @pytest.mark.parametrize(("asked", "given"), [(3, 3), (0, CALLERS_THREAD), (100, 8)])
    def test_operations_side_by_side(self, asked: int, given: int) -> None:
        options = session_options(context(parameter("TF_NUM_INTER_THREADS", asked)))
        assert options.inter_threads == given

    @pytest.mark.parametrize("value", ["true", "On", "1", "yes"])
    def test_a_pool_of_each_session(self, value: str) -> None:
        assert session_options(context(parameter("TF_USE_PER_SESSION_THREADS", value))).own_pool

    def test_back_end_settings(self) -> None:
        settings = {"allow-soft-placement": "false", "gpu-memory-fraction": "0.5", "version": "2"}
        assert not session_options(context(settings=settings)).soft_placement

    def test_operations_that_initialise(self, tmp_path: Path) -> None:
        """The version's file goes before the model's."""
        text = parameter("TF_INIT_OPS_FILE", "init.json")
        (tmp_path / "1").mkdir()
        (tmp_path / "init.json").write_text(json.dumps({"init_ops": ["late"]}))
        assert session_options(context(text, model_dir=tmp_path)).init_ops == ("late",)
        (tmp_path / "1" / "init.json").write_text(json.dumps({"init_ops": ["init", "more"]}))
        assert session_options(context(text, model_dir=tmp_path)).init_ops == ("init", "more")

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"init_ops": "init"}', "\xff"])
    def test_files_that_name_none(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "init.json").write_text(content, encoding="latin-1")
        text = parameter("TF_INIT_OPS_FILE", "init.json")
        with pytest.raises(InvalidArgError, match="TF_INIT_OPS_FILE 'init.json' of model 'm'"):
            session_options(context(text, model_dir=tmp_path))


class TestOpenVino:
    def test_defaults(self) -> None:
        """A stream an instance; threads are not pinned to cores that others use as well."""
        options = openvino_options(context("instance_group { count: 2 }"))
        assert options.properties == {
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_NUM_THREADS": 8,
            "NUM_STREAMS": 2,
        }
        assert not options.changes_shapes

    @pytest.mark.parametrize("name", ["INFERENCE_NUM_THREADS", "NUM_STREAMS"])
    @pytest.mark.parametrize(("asked", "given"), [(3, 3), (100, 8)])
    def test_counts_are_bounded_by_the_share(self, name: str, asked: int, given: int) -> None:
        assert openvino_options(context(parameter(name, asked))).properties[name] == given

    def test_a_hint_chooses_the_streams(self) -> None:
        options = openvino_options(context(parameter("PERFORMANCE_HINT", "THROUGHPUT")))
        assert options.properties["PERFORMANCE_HINT"] == "THROUGHPUT"
        assert "NUM_STREAMS" not in options.properties

    @pytest.mark.parametrize(("value", "precision"), [("YES", "bf16"), ("no", "f32")])
    def test_precision(self, value: str, precision: str) -> None:
        options = openvino_options(context(parameter("HINT_BF16", value)))
        assert options.properties["INFERENCE_PRECISION_HINT"] == precision

    def test_a_fixed_batch_must_have_a_size(self) -> None:
        text = parameter("SKIP_OV_DYNAMIC_BATCHSIZE", "YES")
        with pytest.raises(InvalidArgError, match="needs a max_batch_size"):
            openvino_options(context(text))
        assert openvino_options(context("max_batch_size: 4" + text)).fixed_batch


#: back end, its model file, what it imports, its extra
FRAMEWORKS = [
    ("tensorflow", "model.savedmodel/", "tensorflow", "tensorflow"),
    ("litert", "model.tflite", "ai_edge_litert.interpreter", "litert"),
    ("openvino", "model.xml", "openvino", "openvino"),
    ("jax", "model.jaxexport", "jax", "jax"),
]


@pytest.mark.parametrize(("name", "filename", "module", "extra"), FRAMEWORKS)
@pytest.mark.parametrize("call", [lambda b: b.load, lambda b: b.auto_complete])
def test_a_framework_that_is_not_installed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    filename: str,
    module: str,
    extra: str,
    call: Callable[[Backend], Callable[[ModelContext], object]],
) -> None:
    """The back end is there; the first model that needs the framework learns what to install."""
    (tmp_path / "1").mkdir()
    if filename.endswith("/"):
        (tmp_path / "1" / filename).mkdir()
    else:
        (tmp_path / "1" / filename).write_bytes(b"a model")
    for loaded in [each for each in sys.modules if each.startswith(f"penstock.backends.{name}.")]:
        monkeypatch.delitem(sys.modules, loaded)
    package = sys.modules.get(f"penstock.backends.{name}")
    for attribute in ("graphs", "session", "interpreter", "network", "program", "tensors"):
        if package is not None:
            monkeypatch.delattr(package, attribute, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UnsupportedError) as caught:
        call(find_backend(name))(context(model_dir=tmp_path))
    assert caught.value.message.endswith(f"which is not installed: pip install 'penstock[{extra}]'")


@pytest.mark.parametrize(("name", "filename", "module", "extra"), FRAMEWORKS)
def test_no_framework_is_imported_for_a_file_that_is_not_there(
    tmp_path: Path, name: str, filename: str, module: str, extra: str
) -> None:
    (tmp_path / "1").mkdir()
    before = module in sys.modules
    with pytest.raises(ServerError, match=f"1/{filename.rstrip('/')}' for model 'm'"):
        find_backend(name).load(context(model_dir=tmp_path))
    assert (module in sys.modules) == before
