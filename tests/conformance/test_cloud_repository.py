# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Repositories in object stores behave as local ones (contract 3.7): S3 and Google's, by moto, and
Azure's, by azurite (`make azurite`)."""

from __future__ import annotations

import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from server_process import ServerProcess

pytest.importorskip("obstore")
boto3: Any = pytest.importorskip("boto3")
moto_server: Any = pytest.importorskip("moto.server")

_TENSOR = "data_type: TYPE_FP32 dims: [ -1 ]"
_CONFIG = f"""backend: "identity" input {{ name: "INPUT0" {_TENSOR} }}
output {{ name: "OUTPUT0" {_TENSOR} }} """
_BODY = {"inputs": [{"name": "INPUT0", "shape": [1], "datatype": "FP32", "data": [2.5]}]}
#: azurite's own, the same for everybody
_AZURITE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_BIG = bytes(range(256)) * (5 << 12)  # 5 MiB: more than one part


class Bucket(ABC):
    """A bucket of an emulator, for one of the schemes."""

    scheme: str
    #: what a server is started with
    repository: str
    environment: Mapping[str, str]

    @abstractmethod
    def put(self, key: str, data: bytes | str) -> None:
        """An object below the repository."""

    @abstractmethod
    def keys(self) -> list[str]:
        """All objects."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """One of `keys`."""

    def put_model(self, name: str, version: int = 1, config: str = _CONFIG) -> None:
        self.put(f"{name}/config.pbtxt", config)
        self.put(f"{name}/{version}/model.bin", _BIG)

    def clear(self) -> None:
        for key in self.keys():
            self.delete(key)

    def remove(self, name: str) -> None:
        for key in self.keys():
            if key.startswith(f"models/{name}/"):
                self.delete(key)


class MotoBucket(Bucket):
    """Amazon's, which Google's store may read too."""

    def __init__(self, port: int, scheme: str) -> None:
        self.scheme = scheme
        place = {"s3": f"s3://127.0.0.1:{port}/bucket", "gs": "gs://bucket"}
        self.repository = f"{place[scheme]}/models"
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        self.environment = {**keys, "STORAGE_EMULATOR_HOST": f"127.0.0.1:{port}"}
        self._client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        self._client.create_bucket(Bucket="bucket")

    def put(self, key: str, data: bytes | str) -> None:
        # public: Google's store is asked without credentials, which moto does not know of
        place = {"Bucket": "bucket", "Key": f"models/{key}", "ACL": "public-read"}
        self._client.put_object(**place, Body=data)

    def keys(self) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket="bucket")
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket="bucket", Key=key)


class AzureContainer(Bucket):
    """Azure's, by its emulator."""

    scheme = "as"

    def __init__(self, port: int) -> None:
        blob = pytest.importorskip("azure.storage.blob", reason="make azurite")
        account, endpoint = "devstoreaccount1", f"http://127.0.0.1:{port}/devstoreaccount1"
        self.repository = f"as://{account}/bucket/models"
        self.environment = {
            "AZURE_STORAGE_ACCOUNT": account,
            "AZURE_STORAGE_KEY": _AZURITE_KEY,
            "AZURE_STORAGE_ENDPOINT": endpoint,
        }
        service = blob.BlobServiceClient(endpoint, credential=_AZURITE_KEY)
        self._client = service.create_container("bucket")

    def put(self, key: str, data: bytes | str) -> None:
        self._client.upload_blob(f"models/{key}", data, overwrite=True)

    def keys(self) -> list[str]:
        return list(self._client.list_blob_names())

    def delete(self, key: str) -> None:
        self._client.delete_blob(key)


@contextmanager
def azurite() -> Iterator[int]:
    """The port of Azure's emulator. Its tests are a job of their own: `make azurite`."""
    program = os.environ.get("AZURITE")
    if not program:
        pytest.skip("make azurite")
    options = ("--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck")
    with subprocess.Popen(
        [program, *options, "--blobPort", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            listens = next(line for line in process.stdout if "successfully listens" in line)
            yield int(listens.rpartition(":")[2])
        finally:
            process.terminate()


@pytest.fixture(scope="module", params=["s3", "gs", "as"])
def emulated(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    if request.param == "as":
        with azurite() as port:
            yield AzureContainer(port)
        return
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield MotoBucket(server.get_host_and_port()[1], request.param)
    server.stop()


Begin = Callable[..., ServerProcess]


@pytest.fixture
def bucket(emulated: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    emulated.clear()
    for name, value in emulated.environment.items():
        monkeypatch.setenv(name, value)
    return emulated


def server_of(bucket: Bucket, tmp_path: Path, *options: str) -> ServerProcess:
    cache = f"--model-cache-directory={tmp_path / 'cache'}"
    server = ServerProcess(Path("-"), tmp_path / "log", cache, *options)
    index = next(i for i, part in enumerate(server.command) if "--model-repository=" in part)
    server.command[index] = f"--model-repository={bucket.repository}"
    return server


def states(server: ServerProcess) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in server.request("POST", "/v2/repository/index", {}).json:
        found.setdefault(entry["name"], []).append(
            (entry.get("version", ""), entry.get("state", ""))
        )
    return found


def answers(server: ServerProcess, model: str) -> str:
    reply = server.request("POST", f"/v2/models/{model}/infer", _BODY)
    assert reply.status == 200, reply.body
    assert reply.json["outputs"][0]["data"] == [2.5]
    version: str = reply.json["model_version"]
    return version


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_start_and_a_restart(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put_model("a")
    bucket.put_model("b")
    with server_of(bucket, tmp_path) as server:
        assert answers(server, "a") == answers(server, "b") == "1"
        assert "fetched '" in server.log
    contents = set((tmp_path / "cache" / "content").glob("*/*"))
    assert len(contents) == 2  # the two models have the same files
    assert list((tmp_path / "cache" / "models").iterdir()) == []
    with server_of(bucket, tmp_path) as server:  # out of the cache
        assert answers(server, "a") == "1"


def test_explicit_loads_and_hot_swaps(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put_model("a")
    with server_of(bucket, tmp_path, "--model-control-mode=explicit") as server:
        load = "/v2/repository/models/a/load"
        assert server.request("POST", load).status == 200
        assert answers(server, "a") == "1"
        bucket.put_model("a", 2)
        assert server.request("POST", load).status == 200
        assert answers(server, "a") == "2"
        bucket.put("a/config.pbtxt", "nonsense")
        reply = server.request("POST", load)
        assert (reply.status, answers(server, "a")) == (500, "2")
        reply = server.request("POST", "/v2/repository/models/none/load")
        assert "no model repository has the model" in reply.error
        assert server.request("POST", "/v2/repository/models/a/unload").status == 200
        wait_for(lambda: {s for _, s in states(server)["a"]} == {"UNAVAILABLE"})


def test_polls(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put_model("a")
    options = ("--model-control-mode=poll", "--repository-poll-secs=0.3")
    with server_of(bucket, tmp_path, *options) as server:
        assert answers(server, "a") == "1"
        bucket.put_model("a", 2)
        bucket.put_model("b")
        wait_for(lambda: ("1", "READY") in states(server).get("b", []))
        wait_for(lambda: answers(server, "a") == "2")
        bucket.remove("b")
        wait_for(lambda: "b" not in states(server))
        bucket.clear()  # an empty listing is not believed
        time.sleep(1.0)
        assert answers(server, "a") == "2"
        assert "lists no models at all; what is loaded of it stays" in server.log
