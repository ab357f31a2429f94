"""Logging in with the account of another organisation: OpenID Connect, authorization code with PKCE (RFC 7636).

https://openid.net/specs/openid-connect-core-1_0.html, 3.1. The browser carries what is remembered of its trip to the
provider in a signed cookie: state against forged returns, nonce against replayed tokens, the verifier of PKCE.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from requests import RequestException

from console.access.errors import ProviderError
from console.access.rules import EVERYWHERE, Role
from console.access.secret import draw, same
from console.access.users import Identity
from console.settings import OidcSettings

#: How long somebody may take at the provider.
TRIP_S = 600
_TIMEOUT_S = 10
_KEPT_S = 3600
#: Signatures that need the provider's key: never "none", never one with the secret that we know too.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_CLOCK_OFF_S = 60
#: What providers call a login with a second factor (RFC 8176).
_STRONG = frozenset({"mfa", "otp", "hwk", "swk", "fpt", "face", "sc"})


class Provider:
    """A provider of logins, by its issuer's address. For several threads."""

    def __init__(self, settings: OidcSettings, key: str) -> None:
        self._settings = settings
        self._signer = URLSafeTimedSerializer(key, salt="console-oidc")
        self._lock = threading.Lock()
        self._read_s = -float(_KEPT_S)
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None

    @property
    def label(self) -> str:
        """How people call it."""
        return self._settings.label or self._settings.issuer.partition("://")[2].partition("/")[0]

    def begin(self, return_address: str, back: str) -> tuple[str, str]:
        """Where the browser goes, and what it keeps meanwhile. Raises ProviderError."""
        metadata = self._described()
        state, nonce, verifier = draw(), draw(), draw()
        with self._client(return_address) as client:
            address, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return address, self._signer.dumps({"state": state, "nonce": nonce, "verifier": verifier, "back": back})

    def finish(self, return_address: str, query: str, kept: str, now_ms: int) -> tuple[Identity, str]:
        """Who has come back, and to which page they wanted. Raises ProviderError."""
        try:
            trip = self._signer.loads(kept, max_age=TRIP_S)
        except BadData as error:
            raise ProviderError(f"the browser returned without having left, or too late ({error})") from None
        said = {name: values[0] for name, values in parse_qs(query).items()}
        if not same(said.get("state", ""), trip["state"]):
            raise ProviderError("the return does not belong to this browser")
        if "error" in said or "code" not in said:
            raise ProviderError(f"the provider says {said.get('error', 'nothing')!r}")
        metadata = self._described()
        if said.get("iss", self._settings.issuer) != self._settings.issuer:  # RFC 9207
            raise ProviderError(f"another provider answers: {said['iss']!r}")
        try:
            with self._client(return_address) as client:
                tokens = client.fetch_token(
                    metadata["token_endpoint"], code=said["code"], code_verifier=trip["verifier"], timeout=_TIMEOUT_S
                )
                claims = self._claims(str(tokens.get("id_token", "")), trip["nonce"], now_ms)
                claims = self._more(client, metadata, claims)
        except (AuthlibBaseError, RequestException) as error:
            raise ProviderError(f"the provider does not give a token: {error}") from None
        return identity_of(claims, self._settings), str(trip["back"])

    def _client(self, return_address: str) -> OAuth2Session:
        given = self._settings
        return OAuth2Session(
            given.client_id, given.client_secret or None, scope=given.scopes, redirect_uri=return_address,
            code_challenge_method="S256",
            token_endpoint_auth_method="client_secret_basic" if given.client_secret else "none",
        )  # fmt: skip

    def _described(self, *, again: bool = False) -> dict[str, Any]:
        """What the provider says of itself, read again after an hour."""
        with self._lock:
            if not again and time.monotonic() - self._read_s < _KEPT_S:
                return self._metadata
            issuer = self._settings.issuer
            try:
                with OAuth2Session() as client:
                    found = _json(client, issuer.rstrip("/") + "/.well-known/openid-configuration")
                    if found.get("issuer") != issuer:
                        raise ProviderError(f"{issuer!r} calls itself {found.get('issuer')!r}: set that as issuer")
                    keys: Any = _json(client, found["jwks_uri"])
                    self._keys = KeySet.import_key_set(keys)
            except (RequestException, JoseError, KeyError, ValueError) as error:
                raise ProviderError(f"{issuer!r} cannot be asked: {error!r}") from None
            self._metadata, self._read_s = found, time.monotonic()
            return found

    def _claims(self, token: str, nonce: str, now_ms: int) -> dict[str, Any]:
        """What an ID token says, once it is known to be the provider's, for us, for this login, and fresh."""
        registry = jwt.JWTClaimsRegistry(
            now=now_ms // 1000, leeway=_CLOCK_OFF_S,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.client_id},
            sub={"essential": True}, exp={"essential": True}, iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )  # fmt: skip
        for again in (False, True):  # its keys may be new
            self._described(again=again)
            assert self._keys is not None
            try:
                claims = jwt.decode(token, self._keys, algorithms=_ALGORITHMS).claims
                registry.validate(claims)
            except (JoseError, ValueError) as error:
                if again:
                    raise ProviderError(f"its token does not hold: {error!r}") from None
                continue
            parties = claims["aud"]
            if isinstance(parties, list) and len(parties) > 1 and claims.get("azp") != self._settings.client_id:
                raise ProviderError("its token is for somebody else")
            return dict(claims)
        raise AssertionError

    def _more(self, client: OAuth2Session, metadata: Mapping[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
        """Many providers tell groups and names at another address only."""
        address = metadata.get("userinfo_endpoint")
        if not address or self._settings.role_claim in claims:
            return claims
        more = _json(client, str(address))
        return {**more, **claims} if more.get("sub") == claims["sub"] else claims


def identity_of(claims: Mapping[str, Any], settings: OidcSettings) -> Identity:
    """Claims in our words: unknown roles and areas count for nothing. Pure."""
    roles = frozenset(
        Role(settings.roles[word])
        for word in _words(claims.get(settings.role_claim))
        if settings.roles.get(word) in set(Role)
    )
    told = _words(claims.get(settings.area_claim)) if settings.area_claim else []
    areas = [settings.areas[word] for word in told if word in settings.areas] if settings.areas else told
    if not settings.areas:  # everything is given by us, not asked for
        areas = [area for area in areas if area != EVERYWHERE]
    name = next((str(claims[key]) for key in ("preferred_username", "email", "sub") if claims.get(key)), "")
    responder = claims.get(settings.responder_claim, "") if settings.responder_claim else ""
    return Identity(
        issuer=settings.issuer,
        subject=str(claims["sub"])[:255],
        name=name,
        full_name=str(claims.get("name") or name),
        roles=roles,
        areas=tuple(dict.fromkeys(areas or settings.default_areas)),
        responder=responder if isinstance(responder, str) else "",
        strong=bool(_STRONG & set(_words(claims.get("amr")))),
    )


def _words(claim: object) -> list[str]:
    if isinstance(claim, str):
        return claim.split()
    return [word for word in claim if isinstance(word, str)] if isinstance(claim, Sequence) else []


def _json(client: OAuth2Session, address: str) -> dict[str, Any]:
    withhold = client.token is None
    answer = client.get(address, timeout=_TIMEOUT_S, withhold_token=withhold)
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise ValueError(f"{address} answers with no object")
    return found
