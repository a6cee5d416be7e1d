# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What is to be: pure functions from what is on disk, policy and requests to what to do.

`plan_load` says how one model gets from what serves to what is wanted; `decide` says which models
a poll loads and unloads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from penstock._proto.model_config_pb2 import ModelConfig
from penstock.models.identity import ModelId
from penstock.models.layout import is_version
from penstock.models.manifest import MANIFEST
from penstock.models.repository import Look
from penstock.models.tree import Tree

#: The parts of a configuration that may change while its versions serve (R-25).
_IN_PLACE = ("instance_group", "version_policy")

# ---------------------------------------------------------------- one model


@dataclass(frozen=True)
class Transition:
    """From what serves to what is wanted, by version."""

    keep: frozenset[int] = frozenset()  # they serve on, from the files they came from
    load: frozenset[int] = frozenset()
    drop: frozenset[int] = frozenset()
    update: bool = False  # those that are kept change their instances

    @property
    def nothing(self) -> bool:
        """All is as it should be."""
        return not (self.load or self.drop or self.update)


@dataclass(frozen=True)
class Served:
    """What of a model serves now."""

    versions: frozenset[int]
    config: ModelConfig
    #: None: its files came with a load request
    tree: Tree | None


def plan_load(
    served: Served | None,
    wanted: Collection[int],
    config: ModelConfig,
    tree: Tree | None,
    *,
    forced: bool = False,
) -> Transition:
    """The least that has to be done. `tree` is None when the files come with the request.

    `forced`: what a request overrides is loaded even where nothing seems to have changed.
    """
    versions = frozenset(wanted)
    everything = Transition(load=versions, drop=served.versions if served else frozenset())
    if served is None or tree is None or served.tree is None:
        return everything
    if not _same_but_for(_IN_PLACE, served.config, config):
        return everything
    touched = touched_versions(tree.changes_since(served.tree))
    if touched is None:
        return everything
    update = not _same_but_for(("version_policy",), served.config, config)
    keep = (versions & served.versions) - touched
    transition = Transition(
        keep=keep,
        load=versions - keep,
        drop=served.versions - keep,
        update=update and bool(keep),
    )
    if forced and transition.nothing and _same_but_for((), served.config, config):
        return everything
    return transition


def touched_versions(paths: Iterable[str]) -> frozenset[int] | None:
    """The versions whose files changed; None when a change may concern all of them.

    Configurations are judged by what they say, not here.
    """
    touched: set[int] = set()
    for path in paths:
        top = path.partition("/")[0]
        if is_version(top):
            touched.add(int(top))
        elif top != "configs" and path not in {"config.pbtxt", MANIFEST}:
            return None
    return frozenset(touched)


def _same_but_for(fields: Iterable[str], first: ModelConfig, second: ModelConfig) -> bool:
    stripped = []
    for config in (first, second):
        copy = ModelConfig()
        copy.CopyFrom(config)
        for name in fields:
            copy.ClearField(name)
        stripped.append(copy)
    return stripped[0] == stripped[1]


def fits_as_before(
    ensemble: ModelConfig,
    name: str,
    before: Mapping[int, ModelConfig],
    after: Mapping[int, ModelConfig],
) -> bool:
    """Whether the versions of a model look the same to the steps of an ensemble that call it."""
    for step in ensemble.ensemble_scheduling.step:
        if step.model_name != name:
            continue
        old, new = (_called(versions, step.model_version) for versions in (before, after))
        if old is None or new is None or _interface(old) != _interface(new):
            return False
        if any(output.label_filename for output in new.output):
            return False  # S-50: what is in the file may have changed
    return True


def _called(versions: Mapping[int, ModelConfig], version: int) -> ModelConfig | None:
    return versions.get(max(versions, default=-1) if version < 0 else version)


def _interface(config: ModelConfig) -> tuple[object, ...]:
    """What an ensemble depends on."""
    decoupled = config.model_transaction_policy.decoupled
    return (config.max_batch_size, decoupled, list(config.input), list(config.output))


# ---------------------------------------------------------------- a poll


@dataclass(frozen=True)
class Known:
    """What the server has of a model."""

    serving: bool
    #: of the last load, also when it failed; None: never tried, or not from the repository
    tree: Tree | None = None
    location: str = ""
    #: the last load failed, and may be tried again now
    retry: bool = False


@dataclass(frozen=True)
class Decision:
    """What one poll does. A model that waits stays as it is until a later one."""

    load: frozenset[ModelId] = frozenset()
    unload: frozenset[ModelId] = frozenset()
    waiting: Mapping[ModelId, str] = field(default_factory=dict)


_CHANGING = "its files are still being written: it is loaded when two polls find them unchanged"


def decide(
    before: Look,
    now: Look,
    known: Mapping[ModelId, Known],
    *,
    complete: Callable[[Tree], str | None] = lambda tree: None,
    since_ns: int = 0,
) -> Decision:
    """Which models a poll loads and unloads (contract 3.5, R-2, R-22, X-64).

    `complete`: what a model lacks by its manifest, "" for nothing, None without one. `since_ns`:
    when the look `before` was taken; files that were there before then, under whatever name, have
    been quiet since.
    """
    load: set[ModelId] = set()
    waiting: dict[ModelId, str] = {}
    for model, tree in now.trees.items():
        has = known.get(model)
        changed = has is None or has.tree is None or bool(tree.changes_since(has.tree))
        if not changed and not (has is not None and has.retry):
            continue
        reason = _unfit(model, tree, before, complete, since_ns)
        if reason:
            waiting[model] = reason
        else:
            load.add(model)
    unload = {model for model, has in known.items() if has.serving and _gone(model, has, now)}
    return Decision(frozenset(load), frozenset(unload), waiting)


def _unfit(
    model: ModelId,
    tree: Tree,
    before: Look,
    complete: Callable[[Tree], str | None],
    since_ns: int,
) -> str:
    """Why the files are not to be loaded yet; "" when they are."""
    lacks = complete(tree)
    if lacks is not None:
        return lacks
    if tree.files and 0 < tree.newest_ns < since_ns:
        return ""  # renamed to where it is, after it was written
    old = before.trees.get(model)
    return "" if old is not None and not tree.changes_since(old) else _CHANGING


def _gone(model: ModelId, has: Known, now: Look) -> bool:
    """Deleted, or no longer unique; not: somewhere that cannot be looked at."""
    if has.location in now.failed or model in now.unreadable:
        return False
    if not has.location and now.failed:
        return False
    return model not in now.trees
