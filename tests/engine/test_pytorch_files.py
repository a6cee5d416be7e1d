# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `pytorch`: bad files, pickles, devices and parameters (5.3).

A pickle that was run would leave the file `ran` behind.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from penstock.backends import registry
from penstock.errors import Code, ServerError
from served_models import ServedModels

torch = pytest.importorskip("torch")
from torch_models import Sentinel, save_exported, save_script, script  # noqa: E402

BACKEND = 'backend: "pytorch"'
TEXT = f"""{BACKEND} max_batch_size: 2
    input {{ name: "x" data_type: TYPE_FP32 dims: 2 }}
    output {{ name: "y" data_type: TYPE_FP32 dims: 2 }}"""
PT2 = TEXT + ' default_model_filename: "model.pt2"'
CODE = TEXT + ' runtime: "model.py"'
SOURCE = """
import torch
class Net(torch.nn.Module):
    def forward(self, x):
        return x
"""


class Plain(torch.nn.Module):
    def forward(self, x: Any) -> Any:
        return x * 2


@pytest.fixture
def ran(tmp_path: Path) -> Iterator[Path]:
    """What a pickle that is run makes: never."""
    path = tmp_path / "ran"
    yield path
    assert not path.exists(), "a pickle was run"


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    (tmp_path / "m" / "1").mkdir(parents=True)
    return tmp_path / "m"


def refused(model_dir: Path, text: str = TEXT, served: ServedModels | None = None) -> ServerError:
    with pytest.raises(ServerError) as caught:
        (served or ServedModels()).load(model_dir, text)
    assert str(model_dir.parent) not in caught.value.message
    return caught.value


def parameter(name: str, value: str) -> str:
    return f'parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}'


class TestPickles:
    SAVED: dict[str, Callable[[Any, Path], None]] = {
        "zip": torch.save,
        "legacy": lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False),
        "pickle": lambda value, path: path.write_bytes(pickle.dumps(value)),
        "pickle-5": lambda value, path: path.write_bytes(pickle.dumps(value, 5)),
    }

    def test_the_sentinel_works(self, tmp_path: Path) -> None:
        torch.save({"w": Sentinel(tmp_path / "ran")}, tmp_path / "file")
        torch.load(tmp_path / "file", weights_only=False)
        assert (tmp_path / "ran").exists()

    @pytest.mark.parametrize("how", SAVED)
    def test_a_whole_model(self, model_dir: Path, ran: Path, how: str) -> None:
        self.SAVED[how]({"model": Sentinel(ran)}, model_dir / "1" / "model.pt")
        error = refused(model_dir)
        assert error.code is Code.INTERNAL
        assert error.message == (
            "failed to load model 'm': version 1: 'm/1/model.pt' is a pickle. Pickles can run any "
            "code and are never loaded. Save the model as TorchScript "
            "(torch.jit.script(model).save('model.pt')), by torch.export.save('model.pt2'), or as "
            "model.py with its weights in model.safetensors"
        )

    @pytest.mark.parametrize("how", SAVED)
    def test_a_state_dict(self, model_dir: Path, ran: Path, how: str) -> None:
        (model_dir / "1" / "model.py").write_text(SOURCE)
        self.SAVED[how]({"w": Sentinel(ran)}, model_dir / "1" / "model.pt")
        message = refused(model_dir, CODE).message
        assert "'m/1/model.pt' is not only weights, and other pickles are never loaded" in message
        assert "save_file(model.state_dict(), 'model.safetensors')" in message

    @pytest.mark.parametrize(
        "record",
        [
            "data/sample_inputs/model.pt",
            "data/weights/model.pt",
            "data/constants/model.pt",
            "data/weights/evil",
            "data/constants/tensor_0",
            "data/constants/opaque_obj_0",
        ],
    )
    def test_hidden_in_an_exported_program(
        self, tmp_path: Path, model_dir: Path, ran: Path, record: str
    ) -> None:
        """Where PyTorch would look for one: everything but its plain tensors."""
        path = save_exported(model_dir, Plain(), (torch.ones(2, 2),)) / "1" / "model.pt2"
        torch.save({"w": Sentinel(ran)}, tmp_path / "hidden")
        hidden = (tmp_path / "hidden").read_bytes()
        if "opaque" in record:
            hidden = pickle.dumps(Sentinel(ran))
        records = {record: hidden}
        if not record.endswith(".pt"):
            folder, filename = record.rsplit("/", 1)
            config = {"path_name": filename, "is_param": False, "use_pickle": True}
            config["tensor_meta"] = None
            kind = folder.rpartition("/")[2]
            records[f"{folder}/model_{kind}_config.json"] = json.dumps(
                {"config": {"w": config}}
            ).encode()
        rewrite(path, records)
        assert "Pickles can run any code and are never loaded" in refused(model_dir, PT2).message

    def test_without_a_pickle_it_loads(self, model_dir: Path) -> None:
        """The tests above would pass, too, if nothing were ever loaded."""
        path = save_exported(model_dir, Plain(), (torch.ones(2, 2),)) / "1" / "model.pt2"
        rewrite(path, {})
        served = ServedModels()
        served.load(
            model_dir, served.complete(model_dir, f"{BACKEND} default_model_filename: 'model.pt2'")
        )
        served.unload("m")


def rewrite(path: Path, records: dict[str, bytes]) -> None:
    """Puts records into an archive of torch, in the place of those of the same name."""
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
        kept = {name: archive.read(name) for name in archive.namelist()}
    kept |= {f"{root}/{name}": data for name, data in records.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in kept.items():
            archive.writestr(name, data)


class TestBadFiles:
    @pytest.mark.parametrize(
        ("filename", "content", "message"),
        [
            ("model.pt", b"", "'m/1/model.pt' is a damaged or an unknown file, expected Torch"),
            ("model.pt", b"\x08\x07onnx" * 99, "is a damaged or an unknown file, expected Torch"),
            ("model.pt2", b"PK\3\4" * 99, "is a damaged or an unknown file, expected Torch"),
            ("model.pt", b"\x10\0\0\0\0\0\0\0{}", "is a safetensors file, expected TorchScript"),
        ],
    )
    def test_wrong_files(
        self, model_dir: Path, filename: str, content: bytes, message: str
    ) -> None:
        (model_dir / "1" / filename).write_bytes(content)
        assert message in refused(model_dir, PT2 if filename.endswith("2") else TEXT).message

    def test_truncated_files(self, model_dir: Path) -> None:
        whole = script("x", "return x")
        for size in range(0, len(whole), len(whole) // 23):
            (model_dir / "1" / "model.pt").write_bytes(whole[:size])
            assert refused(model_dir).message.startswith("failed to load model 'm': version 1: ")

    def test_damaged_files(self, model_dir: Path) -> None:
        """A byte here and there: refused, or loaded when it did not matter; never a crash."""
        path = save_exported(model_dir, Plain(), (torch.ones(2, 2),)) / "1" / "model.pt2"
        whole = path.read_bytes()
        served = ServedModels()
        for at in range(0, len(whole), len(whole) // 29):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
            try:
                served.load(model_dir, PT2)
            except ServerError as error:
                assert error.message
        if served._loaded:
            served.unload("m")

    def test_no_file(self, model_dir: Path) -> None:
        error = refused(model_dir)
        assert error.message == "unable to find 'm/1/model.pt' for model 'm'"
        assert error.code is Code.UNAVAILABLE

    def test_no_code(self, model_dir: Path) -> None:
        assert refused(model_dir, CODE).message == (
            "failed to load model 'm': version 1: unable to find 'm/1/model.py'"
        )

    def test_tensors_that_nobody_says(self, model_dir: Path) -> None:
        """TorchScript does not know its types (3.2): the error shows what to write."""
        save_script(model_dir, "x, scale", "return x * scale")
        with pytest.raises(ServerError) as caught:
            ServedModels().complete(model_dir, BACKEND)
        assert (caught.value.code, caught.value.message) == (
            Code.INVALID_ARG,
            "model 'm': the model file does not say the types and shapes of its tensors, inputs "
            "must be written in the configuration (forward takes: x, scale)",
        )


class TestInstances:
    def test_a_gpu_that_is_not_there(self, model_dir: Path) -> None:
        save_script(model_dir, "x", "return x")
        device = torch.cuda.device_count()
        text = f"{TEXT} instance_group {{ kind: KIND_GPU count: 1 gpus: {device} name: 'g' }}"
        if device == 0:
            error = refused(model_dir, text)
            assert error.code is Code.UNSUPPORTED
            assert error.message == (
                f"instance 'g_0' has kind KIND_GPU and device 0, which PyTorch cannot use: PyTorch "
                f"{torch.__version__} finds: cpu"
            )

    def test_where_the_model_says(self, model_dir: Path) -> None:
        save_script(model_dir, "x", "return x")
        served = ServedModels()
        served.load(model_dir, f"{TEXT} instance_group {{ kind: KIND_MODEL count: 1 }}")
        served.unload("m")

    def test_an_accelerator(self, model_dir: Path) -> None:
        save_script(model_dir, "x", "return x")
        text = """ optimization { execution_accelerators {
            cpu_execution_accelerator { name: "warp" } } }"""
        assert refused(model_dir, TEXT + text).message == (
            "unknown Execution Accelerator 'warp' is requested for model 'm'"
        )


class TestParameters:
    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("INFERENCE_MODE", "perhaps", "must be true or false, got 'perhaps'"),
            ("ENABLE_WEIGHT_SHARING", "2", "must be true or false, got '2'"),
            ("DISABLE_CUDNN", "", "must be true or false, got ''"),
            ("INTRA_OP_THREAD_COUNT", "-1", "must be a count, got '-1'"),
            ("INTER_OP_THREAD_COUNT", "many", "must be a count, got 'many'"),
            ("NUM_THREADS", "1.5", "must be a count, got '1.5'"),
        ],
    )
    def test_values_that_are_none(
        self, model_dir: Path, name: str, value: str, message: str
    ) -> None:
        save_script(model_dir, "x", "return x")
        error = refused(model_dir, TEXT + parameter(name, value))
        assert error.code is Code.INVALID_ARG
        assert error.message == f"parameter '{name}' of model 'm' {message}"

    def test_what_is_of_the_process_is_decided_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(registry, "_found", {})  # a back end that has decided nothing yet
        served = ServedModels()
        before = torch._C._jit_set_profiling_mode(True)
        try:
            for name, value in (("a", "true"), ("b", "1")):
                model_dir = save_script(tmp_path / name, "x", "return x")
                served.load(model_dir, TEXT + parameter("ENABLE_JIT_PROFILING", value))
            model_dir = save_script(tmp_path / "m", "x", "return x")
            error = refused(model_dir, TEXT + parameter("ENABLE_JIT_PROFILING", "0"), served)
        finally:
            torch._C._jit_set_profiling_mode(before)
        assert (error.code, error.message) == (
            Code.UNSUPPORTED,
            "parameter 'ENABLE_JIT_PROFILING' of model 'm' is false, but is of the whole process "
            "and was set to true by model 'a'",
        )
        served.unload("a")
        served.unload("b")

    @pytest.mark.parametrize(
        ("text", "threads"), [("", 2), ("1", 1), ("3", 3), ("64", 4), ("0", 2)]
    )
    def test_threads_stay_within_the_share(
        self, model_dir: Path, monkeypatch: pytest.MonkeyPatch, text: str, threads: int
    ) -> None:
        """Two instances of a model that may use four cores."""
        chosen: list[int] = []
        monkeypatch.setattr(torch, "set_num_threads", chosen.append)
        monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
        save_script(model_dir, "x", "return x")
        more = parameter("INTRA_OP_THREAD_COUNT", text) if text else ""
        served = ServedModels()
        served.load(model_dir, f"{TEXT} {more} instance_group {{ kind: KIND_CPU count: 2 }}")
        served.unload("m")
        assert chosen == [threads, threads]

    @pytest.mark.parametrize(("value", "inference"), [("true", True), ("false", False)])
    def test_inference_mode(
        self, model_dir: Path, monkeypatch: pytest.MonkeyPatch, value: str, inference: bool
    ) -> None:
        (model_dir / "1" / "model.py").write_text(
            SOURCE.replace("return x", "return x + torch.is_inference_mode_enabled()")
        )
        seen = answer_of(model_dir, CODE + parameter("INFERENCE_MODE", value))
        assert seen == [[float(inference)] * 2]

    @pytest.mark.parametrize(("value", "optimized"), [("true", False), ("false", True)])
    def test_optimized_execution(self, model_dir: Path, value: str, optimized: bool) -> None:
        (model_dir / "1" / "model.py").write_text(
            SOURCE.replace("return x", "return x + torch._C._get_graph_executor_optimize()")
        )
        seen = answer_of(model_dir, CODE + parameter("DISABLE_OPTIMIZED_EXECUTION", value))
        assert seen == [[float(optimized)] * 2]


def answer_of(model_dir: Path, text: str) -> Any:
    """What a model answers to zeros."""

    served = ServedModels()
    served.load(model_dir, text)  # outside: with the first one the framework starts its threads

    async def ask() -> Any:
        async with served.running():
            answer = await served.infer("m", {"x": np.zeros((1, 2), np.float32)})
            return answer.array("y").tolist()

    return asyncio.run(ask())
