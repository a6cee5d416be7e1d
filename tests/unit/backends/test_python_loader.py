# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""How `model.py` files are imported, and what their failures look like (contract 5.1)."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from penstock.backends.model_code import ModelModule
from penstock.backends.python.failure import failure_text, observe_failures
from penstock.backends.python.loader import import_model
from penstock.backends.python.pb_utils import TritonModelException, get_model_dir

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a model's files, by path below its directory; returns that of its version 1."""

    def write(name: str, **files: str) -> Path:
        for key, text in files.items():
            path = tmp_path / name / key.replace("__", "/")
            path = path.with_name(f"{path.name}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / name / "1" / "model.py"

    return write


def load(path: Path, name: str = "m") -> ModelModule:
    return import_model(path, name, 1)


class TestImports:
    def test_two_models_with_files_of_one_name(self, write: Write) -> None:
        loaded = [
            load(write(name, **{"1__model": "import shared\nVALUE = shared.VALUE",
                                "1__shared": f"VALUE = '{name}'"}))
            for name in ("a", "b")
        ]  # fmt: skip
        assert [module.module.VALUE for module in loaded] == ["a", "b"]
        assert "shared" not in sys.modules
        for module in loaded:
            module.close()

    def test_every_way_to_import(self, write: Write) -> None:
        path = write(
            "m",
            **{
                "1__model": (
                    "import triton_python_backend_utils as pb_utils\n"
                    "import beside, pack.inner, pack.inner as inner\n"
                    "from beside import VALUE\n"
                    "from . import beside as relative\n"
                    "from .pack import inner as deep\n"
                    "from above import NAME\n"
                    "def late():\n    import later\n    return later.VALUE\n"
                ),
                "1__beside": "from pack.inner import VALUE",
                "1__later": "from beside import VALUE",
                "1__pack__inner": "VALUE = 7",
                "above": "NAME = 'above'",
            },
        )
        path.parent.joinpath("pack", "__init__.py").touch()
        loaded = load(path)
        model = loaded.module
        assert model.VALUE == model.inner.VALUE == model.pack.inner.VALUE == model.late() == 7
        assert model.relative is model.beside
        assert model.deep is model.inner
        assert model.NAME == "above"
        assert model.pb_utils.Tensor
        loaded.close()

    def test_installed_packages_come_first(self, write: Write) -> None:
        path = write("m", **{"1__model": "import json", "1__json": "raise SystemExit"})
        loaded = load(path)
        assert loaded.module.json is sys.modules["json"]
        loaded.close()

    def test_a_missing_module_is_named(self, write: Write) -> None:
        with pytest.raises(ModuleNotFoundError, match="^No module named 'no_such_module'$"):
            load(write("m", **{"1__model": "import no_such_module"}))

    def test_an_edited_file_is_read_anew(self, write: Write, tmp_path: Path) -> None:
        for value in (1, 2):
            loaded = load(write("m", **{"1__model": f"VALUE = {value}"}))
            assert value == loaded.module.VALUE
            loaded.close()
        assert not list(tmp_path.rglob("__pycache__"))

    def test_classes_know_their_module(self, write: Write) -> None:
        source = (
            "from __future__ import annotations\nimport dataclasses\n"
            "@dataclasses.dataclass\nclass Point:\n    x: int\nVALUE = Point(3)"
        )
        loaded = load(write("m", **{"1__model": source}))
        assert loaded.module.VALUE.x == 3
        assert sys.modules[type(loaded.module.VALUE).__module__] is loaded.module
        loaded.close()

    @pytest.mark.parametrize("line", ["raise SystemExit(3)", "1 / 0", "def"])
    def test_nothing_stays_behind(self, write: Write, line: str) -> None:
        before, path = set(sys.modules), list(sys.path)
        source = {"1__model": f"import shared\n{line}", "1__shared": ""}
        with pytest.raises((SystemExit, ZeroDivisionError, SyntaxError)):
            load(write("m", **source))
        load(write("n", **{**source, "1__model": "import shared"})).close()
        assert {name for name in set(sys.modules) - before if "penstock_model" in name} == set()
        assert sys.path == path
        assert not [file for file in linecache.cache if "shared" in file]


class TestBackEndsOfAFolder:
    """Contract 3.4: one `model.py` for the models of a Python-based back end."""

    def test_where_modules_are_looked_for(self, write: Write) -> None:
        """Beside `model.py`, then in the model's own folders; never in a neighbour's."""
        back_end = write("back", model="import beside, own, shared\nimport neighbour")
        back_end = back_end.parent.parent / "model.py"
        write("back", beside="", shared="VALUE = 'back end'")
        write("neighbour", model="")
        version = write("m", **{"1__own": "", "shared": ""}).parent
        folders = (back_end.parent, version, version.parent)
        with pytest.raises(ModuleNotFoundError, match="neighbour"):
            import_model(back_end, "m", 1, *folders)
        back_end.write_text("import beside, own, shared")
        loaded = import_model(back_end, "m", 1, *folders)
        assert loaded.module.shared.VALUE == "back end"
        loaded.close()

    def test_the_models_own_folder(self, write: Write) -> None:
        """Whoever asks, as long as it is the model's code that has called."""
        source = (
            "import triton_python_backend_utils as pb_utils\n"
            "import shared\n"
            "AT_IMPORT = pb_utils.get_model_dir()\n"
            "def later(): return list(map(shared.ask, [0]))[0]\n"
        )
        shared = (
            "from triton_python_backend_utils import get_model_dir\nask = lambda _: get_model_dir()"
        )
        path = write("m", **{"1__model": source, "shared": shared})
        loaded = load(path)
        assert loaded.module.AT_IMPORT == loaded.module.later() == str(path.parent)
        loaded.close()
        elsewhere = path.parent.parent / "2"
        loaded = import_model(path, "m", 2, path.parent, path.parent.parent, version_dir=elsewhere)
        assert loaded.module.later() == str(elsewhere)
        loaded.close()
        with pytest.raises(TritonModelException, match="for the code of a model"):
            get_model_dir()


class TestFailureText:
    def test_frames_of_the_model_only(self, write: Write) -> None:
        source = (
            "import json, shared\n"
            "def run():\n"
            "    shared.go(lambda: json.loads('{'))\n"
        )  # fmt: skip
        path = write("m", **{"1__model": source, "1__shared": "def go(f):\n    f()"})
        loaded = load(path)
        with pytest.raises(ValueError, match="Expecting") as caught:
            loaded.module.run()
        loaded.close()
        text = failure_text(caught.value, path.parent.parent)
        assert text == (
            "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 "
            "(char 1)\n\nAt:\n  m/1/model.py(3): run\n  m/1/shared.py(2): go\n"
            "  m/1/model.py(3): <lambda>"
        )

    def test_frames_of_a_back_end(self, write: Write) -> None:
        """By the path below its folder, beside those of the model."""
        back_end = write("backends/scaler", model="import own\ndef run(): own.go()")
        back_end = back_end.parent.parent / "model.py"
        version = write("m", **{"1__own": "def go(): 1 / 0"}).parent
        loaded = import_model(back_end, "m", 1, back_end.parent, version)
        with pytest.raises(ZeroDivisionError) as caught:
            loaded.module.run()
        loaded.close()
        text = failure_text(caught.value, version.parent, back_end.parent)
        assert text.endswith("At:\n  scaler/model.py(2): run\n  m/1/own.py(1): go")

    def test_bounds(self, tmp_path: Path) -> None:
        assert len(failure_text(ValueError("x" * 100_000), tmp_path)) < 5000

    def test_no_message(self, tmp_path: Path) -> None:
        assert failure_text(SystemExit(), tmp_path) == "SystemExit"

    def test_an_exception_without_a_text(self, tmp_path: Path) -> None:
        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no text")

        assert failure_text(Mute(), tmp_path) == (
            "Mute: <its text could not be made: RuntimeError>"
        )

    def test_what_it_was_raised_from(self, write: Write) -> None:
        source = (
            "import shared\n"
            "def run(how):\n"
            "    try:\n"
            "        shared.find()\n"
            "    except KeyError as error:\n"
            "        if how == 'from':\n"
            "            raise ValueError('no such word') from error\n"
            "        if how == 'none':\n"
            "            raise ValueError('no such word') from None\n"
            "        raise ValueError('no such word')\n"
        )
        path = write("m", **{"1__model": source, "1__shared": "def find():\n    {}['word']"})
        loaded = load(path)

        def text(how: str) -> str:
            with pytest.raises(ValueError, match="no such word") as caught:
                loaded.module.run(how)
            return failure_text(caught.value, path.parent.parent)

        inner = "KeyError: 'word'\n\nAt:\n  m/1/model.py(4): run\n  m/1/shared.py(2): find"
        outer = "ValueError: no such word\n\nAt:\n  m/1/model.py({}): run"
        assert text("from") == f"{outer.format(7)}\n\nCaused by {inner}"
        assert text("none") == outer.format(9)
        assert text("") == f"{outer.format(10)}\n\nWhile handling {inner}"
        loaded.close()

    def test_a_group(self, tmp_path: Path) -> None:
        group = ExceptionGroup("two", [ValueError("a"), ExceptionGroup("one", [KeyError("b")])])
        assert failure_text(group, tmp_path) == (
            "ExceptionGroup: two (2 sub-exceptions)\n\nOne of them: ValueError: a\n\n"
            "One of them: ExceptionGroup: one (1 sub-exception)\n\nOne of them: KeyError: 'b'"
        )

    def test_a_circle_and_a_long_chain(self, tmp_path: Path) -> None:
        first, second = ValueError("a"), ValueError("b")
        first.__cause__, second.__cause__ = second, first
        assert failure_text(first, tmp_path) == "ValueError: a\n\nCaused by ValueError: b"
        error = ValueError("x" * 3000)
        for _ in range(100):
            outer = ValueError("x" * 3000)
            outer.__cause__, error = error, outer
        assert len(failure_text(error, tmp_path)) < 8000

    @pytest.mark.parametrize("name", ["model", "shared"])
    def test_a_syntax_error_has_its_line(self, write: Write, name: str) -> None:
        files = {"model": "import shared", "shared": ""} | {name: "x = 1\ndef f(:\n"}
        path = write("m", **{f"1__{key}": source for key, source in files.items()})
        with pytest.raises(SyntaxError) as caught:
            load(path)
        place = f"  m/1/{name}.py(2): <module>"
        importing = ["  m/1/model.py(1): <module>"] if name == "shared" else []
        assert failure_text(caught.value, path.parent.parent).split("At:\n")[1].split("\n") == [
            *importing,
            place,
        ]

    def test_an_observer_sees_the_frames(self, write: Write) -> None:
        path = write("m", **{"1__model": "def run():\n    return 1 / 0"})
        loaded = load(path)
        seen: list[BaseException] = []
        observe_failures(seen.append)
        try:
            with pytest.raises(ZeroDivisionError) as caught:
                loaded.module.run()
            failure_text(caught.value, path.parent.parent)
        finally:
            observe_failures(None)
        assert seen == [caught.value]
        failure_text(caught.value, path.parent.parent)
        assert len(seen) == 1
        loaded.close()
