# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The cache of stored objects, and downloads into it: whole, verified, bounded, resumed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from penstock.errors import InternalError, NotFoundError, UnavailableError
from penstock.models.stores.cache import ContentCache
from penstock.models.stores.cloud_source import CloudSource
from penstock.models.stores.download import PART_BYTES
from penstock.models.stores.location import Location
from penstock.models.stores.objects import StoredObject

Objects = dict[str, bytes]


class FakeStore:
    """Objects in memory; `faults` are raised by the reads that come next."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.faults: list[Exception] = []
        self.reads: list[tuple[str, int]] = []
        self.on_read = lambda: None
        self._lock = threading.Lock()

    def list(self, prefix: str) -> list[StoredObject]:
        return [
            StoredObject(key, len(data), str(hash(data)), 1)
            for key, data in self.objects.items()
            if key.startswith(prefix)
        ]

    def read(self, key: str, etag: str, start: int, end: int) -> bytes:
        with self._lock:
            self.reads.append((key, start))
            if self.faults and start:
                raise self.faults.pop(0)
        self.on_read()
        data = self.objects[key]
        if str(hash(data)) != etag:
            raise UnavailableError("it has changed meanwhile")
        return data[start:end]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ContentCache]:
    made = ContentCache(tmp_path / "cache", 1 << 30)
    yield made
    made.close()
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def source_of(store: FakeStore, cache: ContentCache) -> CloudSource:
    return CloudSource(Location("s3://b", "s3", "b"), store, cache)


def ignore(done: int, total: int) -> None:
    pass


BIG = os.urandom(2 * PART_BYTES + 5)


def test_a_model_is_fetched_once(cache: ContentCache) -> None:
    store = FakeStore({"m/config.pbtxt": b'name: "m"', "m/1/x": BIG, "m/1/empty": b""})
    source = source_of(store, cache)
    seen: list[tuple[int, int]] = []
    files = source.open("m", lambda done, total: seen.append((done, total)))
    assert (files.model_dir / "1" / "x").read_bytes() == BIG
    assert (files.model_dir.name, (files.model_dir / "1" / "empty").read_bytes()) == ("m", b"")
    assert (seen[0], max(seen)) == ((0, len(BIG) + 9), (len(BIG) + 9, len(BIG) + 9))
    count = len(store.reads)
    again = source.open("m", ignore)
    assert len(store.reads) == count
    assert again.model_dir != files.model_dir
    for opened in (files, again):
        opened.release()
        assert not opened.model_dir.exists()
    source.close()


def test_what_was_cut_off_goes_on_where_it_ended(cache: ContentCache) -> None:
    store = FakeStore({"m/1/x": BIG})
    store.faults = [UnavailableError("reset")] * 3
    source = source_of(store, cache)
    with pytest.raises(UnavailableError, match="reset"):
        source.open("m", ignore)
    store.reads.clear()
    source.open("m", ignore).release()
    assert min(start for _, start in store.reads) == PART_BYTES
    source.close()


def test_a_transient_fault_is_not_seen(cache: ContentCache) -> None:
    store = FakeStore({"m/1/x": BIG})
    store.faults = [UnavailableError("reset")] * 2
    source = source_of(store, cache)
    source.open("m", ignore).release()
    source.close()


def test_a_model_that_changes_meanwhile_is_of_one_time(cache: ContentCache) -> None:
    store = FakeStore({"m/1/a": b"old", "m/1/b": b"old"})
    changed = threading.Event()

    def change() -> None:
        if not changed.is_set():
            changed.set()
            store.objects |= {"m/1/a": b"new", "m/1/c": b"new"}

    store.on_read = change
    source = source_of(store, cache)
    try:
        files = source.open("m", ignore)
        assert sorted(os.listdir(files.model_dir / "1")) == ["a", "b", "c"]
        assert (files.model_dir / "1" / "a").read_bytes() == b"new"
        files.release()
    except UnavailableError as error:  # a part of the old one was asked for
        assert "changed meanwhile" in error.message
    source.close()


def test_content_that_was_spoiled_is_fetched_again(tmp_path: Path, cache: ContentCache) -> None:
    store = FakeStore({"m/1/x": b"right"})
    source = source_of(store, cache)
    files = source.open("m", ignore)
    (content,) = (tmp_path / "cache" / "content").glob("*/*")
    content.chmod(0o644)
    content.write_bytes(b"wrong")
    files.release()
    files = source.open("m", ignore)
    assert (files.model_dir / "1" / "x").read_bytes() == b"right"
    files.release()
    source.close()


def test_it_survives_and_is_bounded(tmp_path: Path) -> None:
    root = tmp_path / "bounded"
    store = FakeStore({f"m{n}/1/x": bytes([n]) * 1000 for n in range(8)})
    cache = ContentCache(root, 3000)
    source = source_of(store, cache)
    for number in range(8):
        files = source.open(f"m{number}", ignore)
        assert (files.model_dir / "1" / "x").stat().st_size == 1000  # also while others are evicted
        files.release()
        assert cache.size_bytes <= 3000
    cache.close()
    restarted = ContentCache(root, 3000)
    other = source_of(store, restarted)
    store.reads.clear()
    other.open("m7", ignore).release()
    assert store.reads == []
    restarted.close()
    source.close()
    other.close()


def test_many_at_once_download_once(cache: ContentCache) -> None:
    store = FakeStore({"m/1/x": BIG})
    sources = [source_of(store, cache) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for files in threads.map(lambda one: one.open("m", ignore), sources):
            assert (files.model_dir / "1" / "x").read_bytes() == BIG
            files.release()
    assert len(store.reads) == 3
    for source in sources:
        source.close()


def test_folders_of_processes_that_died_are_removed(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    script = (
        "import os, sys; from pathlib import Path; "
        "from penstock.models.stores.cache import ContentCache; "
        "ContentCache(Path(sys.argv[1]), 1).new_folder(); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script, str(root)], check=False)
    assert len(list((root / "models").iterdir())) == 2
    living = ContentCache(root, 1)
    folder = living.new_folder()
    ContentCache(root, 1).close()
    assert folder.exists()
    living.close()
    assert list((root / "models").iterdir()) == []


@pytest.mark.parametrize("key", ["m/../../x", "m//x", "../x", "m/1/./x", "m/\0"])
def test_keys_that_lead_out_are_refused(cache: ContentCache, key: str) -> None:
    source = source_of(FakeStore({"m/1/x": b"", key: b"x"}), cache)
    with pytest.raises(UnavailableError, match="an object that is no file"):
        source.names()
    source.close()


def test_markers_are_folders(cache: ContentCache) -> None:
    source = source_of(FakeStore({"m": b"", "m/1": b"", "m/2": b"", "m/2/x": b"y"}), cache)
    assert source.names() == {"m"}
    files = source.open("m", ignore)
    assert sorted(path.name for path in files.model_dir.iterdir() if path.is_dir()) == ["1", "2"]
    files.release()
    with pytest.raises(NotFoundError):
        source.open("none", ignore)
    source.close()


def test_a_full_disk_is_an_error_and_leaves_nothing(
    cache: ContentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(FakeStore({"m/1/x": b"data"}), cache)

    def full(key: str, partial: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(cache, "add", full)
        with pytest.raises(InternalError, match="model cache: No space left on device"):
            source.open("m", ignore)
    source.open("m", ignore).release()
    source.close()
