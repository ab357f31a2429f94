"""A provider of logins that lies: OpenID Connect over HTTP with tokens as a test wants them."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey


@dataclass
class LyingProvider:
    """``claims`` are added to those of each ID token (None takes one away); ``sign`` makes another token of them.

    ``asked`` are the parameters of what was posted for a token, ``challenge`` what the login began with.
    """

    url: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"}))
    claims: dict[str, Any] = field(default_factory=dict)
    issuer: str = ""
    sign: Callable[[dict[str, Any]], str] | None = None
    nonce: str = ""
    challenge: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    def authorize(self, address: str) -> str:
        """What a browser does at the provider: the query with which it comes back."""
        said = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert said["code_challenge_method"] == "S256"
        self.nonce, self.challenge = said["nonce"], said["code_challenge"]
        return f"code=abc&state={said['state']}"

    def token(self, posted: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint; the verifier must fit the challenge (RFC 7636, 4.6)."""
        self.asked.append(posted)
        digest = hashlib.sha256(posted.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != self.challenge:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": "carecircle", "sub": "s-1", "iat": now, "exp": now + 60, "nonce": self.nonce}
        claims = {name: value for name, value in {**claims, **self.claims}.items() if value is not None}
        sign = self.sign or (lambda values: jwt.encode({"alg": "RS256", "kid": "1"}, values, self.key))
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": sign(claims)}

    def get(self, path: str) -> dict[str, Any]:
        """What it says of itself."""
        if path == "/jwks":
            return dict(KeySet([self.key]).as_dict(private=False))
        return {
            "issuer": self.issuer or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
        }


@contextmanager
def lying_provider() -> Iterator[LyingProvider]:
    """The provider on a free port of 127.0.0.1."""
    found = LyingProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200, found.get(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._say(*found.token({name: values[0] for name, values in parse_qs(body).items()}))

        def _say(self, status: int, what: dict[str, Any]) -> None:
            body = json.dumps(what).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
