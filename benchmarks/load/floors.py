# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Bare echo servers on the frameworks that the frontends use: what a request costs at least.

An aiohttp low-level server and a grpc.aio server with a generic handler, both on uvloop, that send
back what they receive. Nothing is parsed beyond HTTP and gRPC themselves.
"""

from __future__ import annotations

import argparse
import asyncio

import grpc
import uvloop
from aiohttp import web

_LARGEST = 64 << 20


async def _echo(request: web.BaseRequest) -> web.Response:
    return web.Response(body=await request.read())


async def _echo_message(message: bytes, context: object) -> bytes:
    return message


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    def service(self, details: object) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(_echo_message)


async def serve(http_port: int, grpc_port: int) -> None:
    """Until the process is ended."""
    loop = asyncio.get_running_loop()
    http = web.Server(_echo, access_log=None)
    listener = await loop.create_server(http, "127.0.0.1", http_port)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", _LARGEST)])
    server.add_generic_rpc_handlers((_Handlers(),))
    server.add_insecure_port(f"127.0.0.1:{grpc_port}")
    await server.start()
    async with listener:
        await listener.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--grpc-port", type=int, required=True)
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.http_port, arguments.grpc_port))
