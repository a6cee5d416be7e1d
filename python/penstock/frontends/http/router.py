# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Exact routing by path segments: a small tree of dictionaries, no regular expressions.

A path matches as a whole and undecoded (contract 1.1): `%2D` is three characters of a name. The
query string is not part of it. A version segment is digits only (H-22).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

HandlerT = TypeVar("HandlerT")


@dataclass
class _Node(Generic[HandlerT]):
    literals: dict[str, _Node[HandlerT]] = field(default_factory=dict)
    parameter: _Node[HandlerT] | None = None
    parameter_name: str = ""
    handlers: dict[str, HandlerT] = field(default_factory=dict)


class NoRouteError(Exception):
    """No route has this path."""


class MethodError(Exception):
    """The path has routes, but none for this method."""


class Router(Generic[HandlerT]):
    """Maps (method, path) to a handler and the path's parameters."""

    def __init__(self) -> None:
        self._root: _Node[HandlerT] = _Node()

    def add(self, method: str, pattern: str, handler: HandlerT) -> None:
        """Adds a route such as `/v2/models/{model}/infer`.

        Raises ValueError when two routes want different names for a segment, or are the same.
        """
        node = self._root
        for segment in _segments(pattern):
            if segment.startswith("{") and segment.endswith("}"):
                name = segment[1:-1]
                if node.parameter is None:
                    node.parameter, node.parameter_name = _Node(), name
                elif node.parameter_name != name:
                    raise ValueError(f"{pattern}: segment is already {{{node.parameter_name}}}")
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        if method in node.handlers:
            raise ValueError(f"{method} {pattern}: added twice")
        node.handlers[method] = handler

    def resolve(self, method: str, path: str) -> tuple[HandlerT, dict[str, str]]:
        """The handler and the parameters of a path without its query.

        A literal segment wins over a parameter; a dead end tries the parameter. Raises
        NoRouteError (404) or MethodError (405).
        """
        parameters: dict[str, str] = {}
        node = _descend(self._root, _segments(path), 0, parameters)
        if node is None:
            raise NoRouteError(path)
        handler = node.handlers.get(method)
        if handler is None:
            raise MethodError(method)
        return handler, parameters

    def routes(self) -> list[tuple[str, str]]:
        """All (method, pattern) pairs, sorted."""
        found: list[tuple[str, str]] = []
        pending = [("", self._root)]
        while pending:
            prefix, node = pending.pop()
            found.extend((method, prefix) for method in node.handlers)
            pending.extend((f"{prefix}/{name}", child) for name, child in node.literals.items())
            if node.parameter is not None:
                pending.append((f"{prefix}/{{{node.parameter_name}}}", node.parameter))
        return sorted(found)


def _segments(path: str) -> list[str]:
    head, *segments = path.split("/")
    return segments if not head else []  # the root, which has no handlers


def _descend(
    node: _Node[HandlerT], segments: list[str], at: int, parameters: dict[str, str]
) -> _Node[HandlerT] | None:
    """The node of segments[at:]; the recursion is as deep as the longest route, not the path."""
    if at == len(segments):
        return node if node.handlers else None
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _descend(literal, segments, at + 1, parameters)
        if found is not None:
            return found
    if node.parameter is None or not segment:
        return None
    if node.parameter_name == "version" and not (segment.isascii() and segment.isdigit()):
        return None
    found = _descend(node.parameter, segments, at + 1, parameters)
    if found is not None:
        parameters[node.parameter_name] = segment
    return found
