# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Loading and unloading (contract 1.10, 3.5, S-READY, X-18 to X-22, X-61, X-62)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from penstock.errors import (
    InternalError,
    InvalidArgError,
    ServerError,
    UnavailableError,
    UnsupportedError,
)
from penstock.models.lifecycle import IndexEntry, Lifecycle, VersionState
from puppet import PuppetLoader, write_model

Begin = Callable[..., Lifecycle]
READY = VersionState.READY
UNAVAILABLE = VersionState.UNAVAILABLE


def failure(action: Callable[[], None], kind: type[ServerError]) -> str:
    with pytest.raises(kind) as caught:
        action()
    assert type(caught.value) is kind
    return caught.value.message


def wait_drained(lifecycle: Lifecycle, loader: PuppetLoader, count: int) -> None:
    """All drains that were begun are done: close() waits for them and loads nothing."""
    lifecycle.close()
    assert len(loader.unloaded) == count


# ---------------------------------------------------------------- start


def test_mode_none_loads_everything(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "a", versions=(1, 3))
    write_model(tmp_path, "b", "version_policy { all {} }", versions=(1, 2))
    lifecycle = begin("none")
    assert not lifecycle.ready()
    assert lifecycle.load_all() == []
    assert (loader.ready("a"), loader.ready("b")) == ([3], [1, 2])
    assert lifecycle.ready()
    assert lifecycle.index() == [
        IndexEntry("a", 3, READY),
        IndexEntry("b", 1, READY),
        IndexEntry("b", 2, READY),
    ]


def test_version_whose_devices_are_lost_is_unavailable(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a")
    write_model(tmp_path, "b")
    lifecycle = begin("none")
    assert lifecycle.load_all() == []
    loader.published["a"][0][0].problem = "GPU 0 is lost"
    assert lifecycle.index() == [
        IndexEntry("a", 1, UNAVAILABLE, "GPU 0 is lost"),
        IndexEntry("b", 1, READY),
    ]
    assert [entry.name for entry in lifecycle.index(ready_only=True)] == ["b"]
    assert not lifecycle.ready()  # S-READY


def test_one_bad_model_disturbs_nobody(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "good")
    write_model(tmp_path, "bad_file", "nonsense")
    write_model(tmp_path, "bad_load")
    write_model(tmp_path, "empty", versions=())
    loader.failures["bad_load", 1] = [InvalidArgError("no luck")]
    lifecycle = begin("none")
    failures = {failed.name: failed.reason for failed in lifecycle.load_all()}
    assert set(failures) == {"bad_file", "bad_load", "empty"}
    assert failures["bad_load"] == (
        "load failed for model 'bad_load': version 1 is at UNAVAILABLE state: no luck;\n"
    )
    assert failures["empty"] == "failed to load 'empty', no version is available"
    prefix = "failed to load 'bad_file', failed to poll from model repository: failed to read text"
    assert failures["bad_file"].startswith(prefix)
    assert loader.ready("good") == [1]
    assert not lifecycle.ready()
    reasons = {
        entry.name: (entry.version, entry.state, entry.reason) for entry in lifecycle.index()
    }
    assert reasons["good"] == (1, READY, "")
    assert reasons["bad_load"] == (1, UNAVAILABLE, "no luck")
    assert reasons["empty"] == (None, UNAVAILABLE, "Not loaded: No model version was found")
    assert reasons["bad_file"][:2] == (None, UNAVAILABLE)
    assert "config.pbtxt: 1:" in reasons["bad_file"][2]
    assert [entry.name for entry in lifecycle.index(ready_only=True)] == ["good"]


def test_readiness_need_not_be_strict(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "bad", "nonsense")
    lifecycle = begin("none", strict_readiness=False)
    assert not lifecycle.ready()
    lifecycle.load_all()
    assert lifecycle.ready()


@pytest.mark.parametrize(
    ("names", "loaded"),
    [((), []), (("a",), ["a"]), (("b", "a", "b"), ["a", "b"]), (("*",), ["a", "b"])],
)
def test_explicit_start(
    tmp_path: Path, loader: PuppetLoader, begin: Begin, names: tuple[str, ...], loaded: list[str]
) -> None:
    write_model(tmp_path, "a")
    write_model(tmp_path, "b")
    lifecycle = begin(load_models=names)
    assert lifecycle.load_all() == []
    assert sorted(handle.name for handle in loader.loaded) == loaded
    assert lifecycle.ready()  # also with nothing loaded
    named_only = [entry.name for entry in lifecycle.index() if entry == IndexEntry(entry.name)]
    assert sorted(loaded + named_only) == ["a", "b"]


@pytest.mark.parametrize("name", ["none", "..", ""])
def test_explicit_start_with_a_bad_name(begin: Begin, name: str) -> None:
    lifecycle = begin(load_models=(name,))
    assert [failed.name for failed in lifecycle.load_all()] == [name]
    assert lifecycle.index() == []


def test_duplicates_are_not_served(
    tmp_path: Path, loader: PuppetLoader, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    roots = [tmp_path / "r1", tmp_path / "r2"]
    for root in roots:
        write_model(root, "both")
    write_model(roots[1], "one")
    lifecycle = begin("none", roots=roots)
    assert [failed.name for failed in lifecycle.load_all()] == ["both"]
    assert lifecycle.index() == [
        IndexEntry("both", None, UNAVAILABLE, "model appears in two or more repositories"),
        IndexEntry("one", 1, READY),
    ]
    expected = "failed to poll model 'both': not unique across all model repositories"
    assert expected in caplog.messages


# ---------------------------------------------------------------- load


def test_load_and_unload_need_explicit_mode(tmp_path: Path, begin: Begin) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin("none")
    lifecycle.load_all()
    text = "explicit model load / unload is not allowed if polling is enabled"
    assert failure(lambda: lifecycle.load("a"), UnavailableError) == text
    assert failure(lambda: lifecycle.unload("a"), UnavailableError) == text


def test_load_and_its_log(
    tmp_path: Path, loader: PuppetLoader, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    write_model(tmp_path, "a", versions=(2,))
    lifecycle = begin()
    with caplog.at_level(logging.INFO, "penstock.models"):
        lifecycle.load("a")
        assert loader.ready("a") == [2]
        lifecycle.unload("a")
        wait_drained(lifecycle, loader, 1)
    assert [message for message in caplog.messages if not message.startswith("loaded ")] == [
        "loading: a:2",
        "successfully loaded 'a'",
        "successfully unloaded 'a' version 2",
    ]


def test_unknown_models(begin: Begin, loader: PuppetLoader) -> None:
    lifecycle = begin()
    message = failure(lambda: lifecycle.load("none"), InternalError)
    assert message.startswith("failed to load 'none', failed to poll from model repository")
    lifecycle.unload("none")
    assert lifecycle.index() == []
    assert not loader.published


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_bad_names(begin: Begin, name: str) -> None:
    failure(lambda: begin().load(name), InvalidArgError)


def test_a_failed_load(
    tmp_path: Path, loader: PuppetLoader, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    write_model(tmp_path, "a", "version_policy { all {} }", versions=(1, 2, 3))
    loader.failures["a", 2] = [InvalidArgError("bad file")]
    loader.failures["a", 3] = [ValueError("boom")]
    lifecycle = begin()
    lifecycle.load_all()
    assert failure(lambda: lifecycle.load("a"), InvalidArgError) == (
        "load failed for model 'a': version 2 is at UNAVAILABLE state: bad file;\n"
        "version 3 is at UNAVAILABLE state: ValueError: boom;\n"
    )
    assert "failed to load 'a' version 2: Invalid argument: bad file" in caplog.messages
    assert "failed to load 'a' version 3: Internal: ValueError: boom" in caplog.messages
    assert loader.published["a"] == ([], [1, 2, 3])
    assert lifecycle.index() == [
        IndexEntry("a", 1, UNAVAILABLE, "unloaded"),
        IndexEntry("a", 2, UNAVAILABLE, "bad file"),
        IndexEntry("a", 3, UNAVAILABLE, "ValueError: boom"),
    ]
    assert not lifecycle.ready()
    lifecycle.load("a")  # the same load can be tried again
    assert loader.ready("a") == [1, 2, 3]
    assert lifecycle.ready()


def test_unloading_a_failed_model_is_the_end_of_it(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a")
    write_model(tmp_path, "b", "nonsense")
    loader.failures["a", 1] = [InvalidArgError("x")]
    lifecycle = begin(load_models=("*",))
    lifecycle.load_all()
    assert not lifecycle.ready()
    lifecycle.unload("a")
    lifecycle.unload("b")
    assert lifecycle.ready()
    assert lifecycle.index() == [IndexEntry("a", 1, UNAVAILABLE, "unloaded"), IndexEntry("b")]


def test_retries(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "a")
    lifecycle = begin(retry_count=2)
    loader.failures["a", 1] = [InternalError("1"), InternalError("2")]
    lifecycle.load("a")
    assert loader.attempts == [("a", 1)] * 3
    lifecycle.unload("a")
    loader.failures["a", 1] = [InternalError(str(number)) for number in range(3)]
    message = failure(lambda: lifecycle.load("a"), InvalidArgError)
    assert message.endswith("UNAVAILABLE state: 2;\n")


def test_the_policy_selects_nothing(
    tmp_path: Path, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    write_model(tmp_path, "a", "version_policy { specific { versions: [7] } }")
    message = failure(lambda: begin().load("a"), InternalError)
    assert message == "failed to load 'a', no version is available"
    assert caplog.messages == [
        "version 7 of model 'a' is specified but does not exist",
        "at least one version must be available under the version policy of model 'a'",
    ]


def test_bad_configurations(tmp_path: Path, begin: Begin) -> None:
    lifecycle = begin()
    for config, reason in (
        ('name: "b"', "unexpected directory name 'a' for model 'b', directory name must equal"),
        ("max_batch_size: -1", "'max_batch_size' must be non-negative value for a"),
    ):
        write_model(tmp_path, "a", config)
        message = failure(lambda: lifecycle.load("a"), InternalError)
        assert message.startswith(
            f"failed to load 'a', failed to poll from model repository: {reason}"
        )
        assert lifecycle.index()[0].reason.startswith(reason)


def test_what_cannot_be_served_says_so(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "a", "model_repository_agents { agents {} }")
    message = failure(lambda: begin().load("a"), InvalidArgError)
    assert "model 'a' cannot be served: 'model_repository_agents' is not supported" in message
    assert loader.attempts == []
    assert issubclass(UnsupportedError, ServerError)


# ---------------------------------------------------------------- completion


def test_the_back_end_completes(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "a", "dynamic_batching {}")
    write_model(tmp_path, "b", "max_batch_size: 0")
    loader.completion["a"] = 4
    lifecycle = begin()
    lifecycle.load("a")
    lifecycle.load("b")
    assert loader.completed == [("a", 1, False), ("b", 1, True)]
    config = loader.loaded[0].config
    assert (config.name, config.max_batch_size) == ("a", 4)
    assert list(config.dynamic_batching.preferred_batch_size) == [4]  # normalised again
    assert [group.name for group in config.instance_group] == ["a"]


def test_completion_is_validated(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    write_model(tmp_path, "a")
    loader.completion["a"] = -1
    message = failure(lambda: begin().load("a"), InvalidArgError)
    assert "'max_batch_size' must be non-negative value for a" in message


def test_without_completion_the_file_must_be_there(
    tmp_path: Path, loader: PuppetLoader, begin: Begin
) -> None:
    write_model(tmp_path, "a")
    (write_model(tmp_path, "b.puppet") / "config.pbtxt").unlink()
    lifecycle = begin(auto_complete=False)
    lifecycle.load("a")
    assert loader.completed == []
    message = failure(lambda: lifecycle.load("b.puppet"), InternalError)
    assert "failed to read text proto from" in message
    begin().load("b.puppet")
    assert loader.loaded[-1].config.backend == "puppet"


def test_custom_configuration_names(tmp_path: Path, loader: PuppetLoader, begin: Begin) -> None:
    model_dir = write_model(tmp_path, "a")
    (model_dir / "configs").mkdir()
    (model_dir / "configs" / "big.pbtxt").write_text('backend: "puppet" max_batch_size: 64')
    begin(config_name="big").load("a")
    assert loader.loaded[0].config.max_batch_size == 64
