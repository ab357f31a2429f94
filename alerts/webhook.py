"""One webhook call: signed, bounded in time, never redirected, and its result by name."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import httpx
from standardwebhooks.webhooks import Webhook

from alerts.delivery import SendResult
from alerts.reasons import Reason

_MAX_ANSWER_BYTES = 64 << 10
_REST_S = 0.25
_TRY_LATER = frozenset({408, 425, 429})


def signed_headers(secret: str, message_id: str, body: bytes, now_ms: int) -> dict[str, str]:
    """The headers of Standard Webhooks (https://www.standardwebhooks.com) and the idempotency key.

    Raises:
        ValueError: the secret is not base64.
    """
    at = datetime.fromtimestamp(now_ms // 1000, UTC)
    signature = Webhook(secret).sign(msg_id=message_id, timestamp=at, data=body.decode())
    return {
        "content-type": "application/json",
        "user-agent": "carecircle",
        "idempotency-key": message_id,
        "webhook-id": message_id,
        "webhook-timestamp": str(now_ms // 1000),
        "webhook-signature": signature,
    }


async def send_webhook(
    client: httpx.AsyncClient, url: str, secret: str, message_id: str, body: bytes, now_ms: int, timeout_s: float
) -> SendResult:
    """Post ``body`` and say what came of it; the call takes ``timeout_s`` at most, whatever the other side does."""
    try:
        headers = signed_headers(secret, message_id, body, now_ms)
    except (ValueError, RuntimeError) as error:
        return SendResult(Reason.BAD_CHANNEL, error=f"the secret cannot be used ({error}): give the one in base64")
    try:
        async with asyncio.timeout(timeout_s):
            return await _post(client, url, body, headers)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        return SendResult(Reason.CONNECT_FAILED, recoverable=True, error=_said(error))
    except (TimeoutError, httpx.TimeoutException):
        return SendResult(Reason.TIMEOUT, recoverable=True, error=f"no answer within {timeout_s:g} s")
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError, UnicodeError) as error:
        return SendResult(Reason.BAD_CHANNEL, error=f"the url {url!r} cannot be used: {_said(error)}")
    except httpx.HTTPError as error:
        return SendResult(Reason.ANSWER_LOST, recoverable=True, error=_said(error))


async def _post(client: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str]) -> SendResult:
    async with client.stream("POST", url, content=body, headers=headers, follow_redirects=False) as response:
        result = judge(response.status_code, response.headers.get("retry-after"))
        # The status decides. Reading the rest only lets the connection be used again, so it gets little time and room.
        size = 0
        with contextlib.suppress(httpx.HTTPError, TimeoutError):
            async with asyncio.timeout(_REST_S):
                async for piece in response.aiter_raw():
                    size += len(piece)
                    if size > _MAX_ANSWER_BYTES:
                        break
        return result


def judge(status: int, retry_after: str | None = None) -> SendResult:
    """What an HTTP status means for a notification."""
    if 200 <= status < 300:
        return SendResult(Reason.DELIVERED)
    error = f"the endpoint answered {status}"
    wait_s = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    if status in _TRY_LATER:
        return SendResult(Reason.THROTTLED, recoverable=True, error=error, retry_after_s=wait_s)
    if status >= 500:
        return SendResult(Reason.SERVER_ERROR, recoverable=True, error=error, retry_after_s=wait_s)
    if 300 <= status < 400:
        return SendResult(Reason.REDIRECTED, error=f"{error}: redirects are not followed, give the final url")
    return SendResult(Reason.GONE if status == 410 else Reason.REJECTED, error=error)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
