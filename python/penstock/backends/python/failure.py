# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a client and the log may see of a model's exception.

The text has the form that Triton's Python back end gives it: the exception, then `At:` and the
frames, outermost first; then, in the same form, what it was raised from. Only frames in the model's
own files, and in those of a Python-based back end, are shown: by their path below the model
repository, or the back end's folder.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_MAX_MESSAGE: Final = 4096
_MAX_FRAMES: Final = 16
_MAX_LINKS: Final = 8
#: What fits beside the rest of a response into the 8 KiB of headers that gRPC clients take.
_MAX_TEXT: Final = 6144

Observer = Callable[[BaseException], None]

_observer: Observer | None = None


def observe_failures(observer: Observer | None) -> None:
    """From now on told of every exception of a model, while its frames can be looked at.

    On the thread that it was raised on, and perhaps more than once.
    """
    global _observer
    _observer = observer


def failure_text(error: BaseException, *roots: Path) -> str:
    """`<type>: <message>`, and where in the model it was raised, if it was raised there.

    `roots`: the folders that the model's code is in.
    """
    if _observer is not None:
        _observer(error)
    links = [f"{relation}{_link_text(link, roots)}" for relation, link in _links(error)]
    text = "\n\n".join(links)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}..."


def _links(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """The exception, and what Python would print with it; a circle ends."""
    waiting = [("", error)]
    seen: list[BaseException] = []
    while waiting and len(seen) < _MAX_LINKS:
        relation, link = waiting.pop(0)
        if any(link is other for other in seen):
            continue
        seen.append(link)
        yield relation, link
        if link.__cause__ is not None:
            waiting.append(("Caused by ", link.__cause__))
        elif link.__context__ is not None and not link.__suppress_context__:
            waiting.append(("While handling ", link.__context__))
        if isinstance(link, BaseExceptionGroup):
            waiting += [("One of them: ", member) for member in link.exceptions[:_MAX_LINKS]]


def _link_text(error: BaseException, roots: tuple[Path, ...]) -> str:
    places = [
        (frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    if isinstance(error, SyntaxError) and error.filename:  # it has no frame there
        places.append((error.filename, error.lineno or 0, "<module>"))
    frames = [
        f"  {path}({line}): {name}"
        for filename, line, name in places
        if (path := _shown_path(filename, roots)) is not None
    ]
    lines = [_exception_text(error)]
    if frames:
        lines += ["", "At:", *frames[-_MAX_FRAMES:]]
    return "\n".join(lines)


def _exception_text(error: BaseException) -> str:
    try:
        message = str(error)
    except Exception as second:  # a model's own __str__ may fail too
        message = f"<its text could not be made: {type(second).__name__}>"
    if len(message) > _MAX_MESSAGE:
        message = f"{message[:_MAX_MESSAGE]}..."
    name = type(error).__name__
    return f"{name}: {message}" if message else name


def _shown_path(filename: str, roots: tuple[Path, ...]) -> Path | None:
    path = Path(filename)
    root = next((root for root in roots if path.is_relative_to(root)), None)
    return path.relative_to(root.parent) if root is not None else None
