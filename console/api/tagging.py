"""Answers that a program has already are not sent again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute


class Tagged(APIRoute):
    """Answers of a GET carry an ETag of their content; who has it is told so (RFC 9110, 13.1.2)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            response = await handle(request)
            if request.method == "GET" and response.status_code == 200:
                digest = hashlib.blake2b(bytes(response.body), digest_size=12).hexdigest()
                tag = f'W/"{digest}"'
                known = {one.strip() for one in request.headers.get("if-none-match", "").split(",")}
                headers = {"etag": tag, "cache-control": "private, no-cache"}
                if tag in known:
                    return Response(status_code=304, headers=headers)
                response.headers.update(headers)
            return response

        return tagged
