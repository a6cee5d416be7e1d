# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""ModelInfer (G-6): serialised messages straight through the core, no protobuf in Python."""

from __future__ import annotations

import logging

from grpc import StatusCode

from penstock.errors import ServerError
from penstock.frontends.grpc.context import Context, model_of, timeout_us
from penstock.frontends.grpc.metadata import check_restricted, of_metadata
from penstock.frontends.grpc.status import GRPC_STATUS, retry_metadata
from penstock.frontends.header_policy import HeaderPolicy
from penstock.serving.control_plane import ControlPlane
from penstock.serving.data_plane import DataPlane

_LOGGER = logging.getLogger(__name__)


class InferRpc:
    """ModelInfer. grpc.aio cancels the coroutine when the client leaves or its deadline passes."""

    def __init__(self, data: DataPlane, control: ControlPlane, headers: HeaderPolicy) -> None:
        self._data = data
        self._control = control
        self._headers = headers

    async def serve(self, message: bytes, context: Context) -> bytes:
        """A serialised ModelInferRequest in, a serialised ModelInferResponse out."""
        retry: tuple[tuple[str, str], ...] = ()
        try:
            self._control.check_started()
            await check_restricted(self._headers, "inference", context)
            if self._control.loads_on_demand:
                await self._control.demand(model_of(message))
            parameters, trace_context = of_metadata(self._headers, context)
            return await self._data.infer_grpc(
                message, parameters, trace_context, timeout_us=timeout_us(context)
            )
        except ServerError as error:
            status, text = GRPC_STATUS[error.code], error.message
            retry = retry_metadata(error)
        except Exception:
            _LOGGER.exception("failed to handle ModelInfer")
            status, text = StatusCode.INTERNAL, "Internal server error"
        await context.abort(status, text, retry)
