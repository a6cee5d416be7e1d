# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The dynamic batcher, item by item (contract 4.2, C-3, X-28..X-32), by stock clients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugged_models import Answer, Queue, until, write_model
from server_process import ServerProcess

_LONG = "max_queue_delay_microseconds: 20000000"


def _policy(text: str, *, key: int | None = None) -> str:
    if key is None:
        return f"default_queue_policy {{ {text} }}"
    return f"priority_queue_policy {{ key: {key} value {{ {text} }} }}"


#: By name: what stands in dynamic_batching, and max_batch_size. One test uses each.
MODELS = {
    "sizes": ("", 4),
    "large": ("", 4),
    "shapes": ("", 4),
    "optional": ("", 4),
    "preferred": (f"preferred_batch_size: [2] {_LONG}", 4),
    "early": (f"preferred_batch_size: [3] {_LONG}", 4),
    "delayed": ("max_queue_delay_microseconds: 300000", 4),
    "levels": ("priority_levels: 3 default_priority_level: 2", 1),
    "level_sizes": (
        "priority_levels: 2 default_priority_level: 1 "
        + _policy("max_queue_size: 2", key=1)
        + _policy("max_queue_size: 1", key=2),
        1,
    ),
    "bounded": (_policy("max_queue_size: 2"), 4),
    "expires": (_policy("default_timeout_microseconds: 50000"), 4),
    "lowers": (
        _policy("default_timeout_microseconds: 60000000 allow_timeout_override: true"),
        4,
    ),
    "raises": (_policy("default_timeout_microseconds: 50000 allow_timeout_override: true"), 4),
    "no_default": (_policy("allow_timeout_override: true"), 4),
    "no_override": (_policy("default_timeout_microseconds: 60000000"), 4),
    "delays": (
        _policy(
            "timeout_action: DELAY default_timeout_microseconds: 60000000 "
            "allow_timeout_override: true"
        ),
        1,
    ),
    "cancels": ("", 4),
    "ordered": ("preserve_ordering: true", 1),
    "unordered": ("", 1),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("batching_models")
    for name, (batching, size) in MODELS.items():
        instances = "instance_group { count: 2 }" if name.endswith("ordered") else ""
        write_model(
            root, name, f"dynamic_batching {{ {batching} }} {instances}", max_batch_size=size
        )
    return root


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(root, tmp_path_factory.mktemp("log") / "log") as started:
        yield started


@pytest.fixture
def queue(request: pytest.FixtureRequest, server: ServerProcess, root: Path) -> Iterator[Queue]:
    """Of the model that the test names."""
    with Queue(server, root, request.param) as queue:
        yield queue


def of(model: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("queue", [model], indirect=True)


def runs(*answers: Answer) -> list[tuple[int, int]]:
    return [answer.ran for answer in answers]


# ---- S-2, S-3, S-4: what becomes a batch ----


@of("sizes")
def test_what_waits_is_merged_up_to_the_limit(queue: Queue) -> None:
    """S-2.1, S-3, S-4: nothing is taken before an instance is free, and then all that fits."""
    queue.plug()
    answers = [queue.put([i]) for i in range(6)]
    queue.pull()
    assert runs(*answers) == [(1, 4)] * 4 + [(2, 2)] * 2


@of("large")
def test_the_rows_of_requests_count(queue: Queue) -> None:  # S-2.1
    queue.plug()
    answers = [queue.put(*[[0]] * rows) for rows in (3, 2, 1, 4)]
    queue.pull()
    assert runs(*answers) == [(1, 1), (2, 2), (2, 2), (3, 1)]


@of("shapes")
def test_another_shape_closes_the_batch(queue: Queue) -> None:
    """S-2.2, X-31: and nobody is passed to find a match."""
    queue.plug()
    answers = [queue.put([0] * width) for width in (1, 1, 2, 1, 1)]
    queue.pull()
    assert runs(*answers) == [(1, 2), (1, 2), (2, 1), (3, 2), (3, 2)]


@of("optional")
def test_another_set_of_inputs_closes_the_batch(queue: Queue) -> None:  # C-3, X-32
    queue.plug()
    answers = [queue.put([0], y=y) for y in (True, True, False, True)]
    queue.pull()
    assert runs(*answers) == [(1, 2), (1, 2), (2, 1), (3, 1)]


@of("preferred")
def test_a_preferred_size_is_sent_at_once(queue: Queue) -> None:
    """S-2: although more would fit, and the delay is far from over."""
    queue.plug(rows=2)
    answers = [queue.put([i]) for i in range(4)]
    queue.pull()
    assert runs(*answers) == [(1, 2), (1, 2), (2, 2), (2, 2)]


@of("early")
def test_a_batch_waits_for_its_preferred_size(queue: Queue) -> None:  # S-2
    answers = [queue.put([0]), queue.put([0])]
    answers.append(queue.send([0]))
    assert runs(*answers) == [(1, 3)] * 3


@of("delayed")
def test_a_batch_goes_when_the_oldest_has_waited_long_enough(queue: Queue) -> None:  # S-2
    begin = time.monotonic()
    answers = [queue.send([0]), queue.send([0])]
    assert runs(*answers) == [(1, 2)] * 2
    assert time.monotonic() - begin >= 0.3


# ---- S-1: priorities ----


@of("levels")
def test_more_urgent_levels_are_served_first(queue: Queue) -> None:
    """S-1: no priority, and one that there is not, are the default level."""
    queue.plug()
    answers = [queue.put([0], priority=priority) for priority in (3, 0, 1, 9, 2, 1)]
    queue.pull()
    assert [count for count, _ in runs(*answers)] == [6, 3, 1, 4, 5, 2]


# ---- S-7: queue policies ----

_FULL = ("StatusCode.UNAVAILABLE", "[request id: mine] Exceeds maximum queue size")
_EXPIRED = ("StatusCode.UNAVAILABLE", "Request timeout expired")


@of("bounded")
def test_a_full_queue_refuses_at_once(queue: Queue) -> None:
    queue.plug()
    answers = [queue.put([0]), queue.put([0])]
    assert queue.send([0], request_id="mine").refusal == _FULL
    queue.pull()
    assert runs(*answers) == [(1, 2)] * 2


@of("level_sizes")
def test_every_level_has_its_own_size(queue: Queue) -> None:
    queue.plug()
    answers = [queue.put([0], priority=priority) for priority in (1, 2, 1)]
    for priority in (1, 2):
        assert queue.send([0], priority=priority, request_id="mine").refusal == _FULL
    queue.pull()
    assert [count for count, _ in runs(*answers)] == [1, 3, 2]


@of("expires")
def test_what_waits_too_long_is_rejected(queue: Queue) -> None:
    """S-7 REJECT, X-5: without the request's id, while the instance is still busy."""
    queue.plug()
    late = queue.send([0], request_id="mine")
    assert late.refusal == _EXPIRED
    queue.pull()
    until(lambda: queue.executed == 1)  # the plug's


@of("lowers")
def test_a_request_may_have_a_shorter_time_out(queue: Queue) -> None:
    queue.plug()
    late, patient = queue.send([0], timeout=50000), queue.send([0])
    assert late.refusal == _EXPIRED
    queue.pull()
    assert patient.ran == (1, 1)


@of("raises")
def test_a_request_may_not_have_a_longer_time_out(queue: Queue) -> None:
    queue.plug()
    assert queue.send([0], timeout=60000000).refusal == _EXPIRED


@pytest.mark.parametrize("queue", ["no_default", "no_override"], indirect=True)
def test_a_time_out_that_is_not_looked_at(queue: Queue) -> None:
    """X-28: without a default there is nothing to lower; and it must be allowed."""
    queue.plug()
    answer = queue.put([0], timeout=1)
    queue.put([0])
    queue.pull()
    assert answer.ran == (1, 2)


@of("delays")
def test_who_is_late_goes_behind_the_others(queue: Queue) -> None:  # S-7 DELAY
    queue.plug()
    late, patient = queue.put([0], timeout=1000), queue.put([0])
    queue.pull()
    assert [count for count, _ in runs(late, patient)] == [2, 1]


# ---- S-8: cancellation ----


@of("cancels")
def test_what_is_cancelled_in_the_queue_never_runs(queue: Queue) -> None:
    queue.plug()
    first, gone, last = (queue.put([0]) for _ in range(3))
    gone.call.cancel()
    assert gone.refusal[0] == "StatusCode.CANCELLED"
    queue.left()
    queue.pull()
    assert runs(first, last) == [(1, 2)] * 2
    assert queue.executed == 3  # with the plug


# ---- S-6: order ----


@of("ordered")
def test_answers_keep_the_order_of_their_requests(queue: Queue) -> None:
    """S-6: what is done on another instance waits for the one before it."""
    queue.plug()
    answers = [queue.send([0]), queue.send([0])]
    until(lambda: queue.executed == 2)
    assert not any(answer.done for answer in answers)
    queue.pull()
    assert sorted(runs(*answers)) == [(1, 1), (2, 1)]


@of("unordered")
def test_without_it_they_do_not(queue: Queue) -> None:
    queue.plug()
    assert queue.send([0]).ran == (1, 1)
