"""What becomes of a login: password, second factor, invitation. Values in, values out; the pages are in ``pages``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection, Engine, select, update

from console.access import attempts, audit, second, sessions, users
from console.access.models import user as table
from console.access.passwords import check_password, hash_password, is_outdated, is_password
from console.access.rules import EVERYWHERE, Role
from console.access.sessions import Lifetimes
from console.access.users import Identity, User
from console.access.viewer import Viewer
from registry.database import writing


class Fault(StrEnum):
    """Why somebody is not logged in; what they are told does not tell which names exist."""

    WRONG = "wrong"
    WAIT = "wait"
    VOID = "void"  # an invitation that was used or is too old
    AGAIN = "again"  # the form is too old, or was made for another browser


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a login comes from."""

    address: str
    agent: str
    remember: bool = False


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session has begun: the secret for the browser, how far it goes, how long the browser may keep it (0: until it
    is closed)."""

    user: User
    secret: str
    stage: str
    keep_s: int


@dataclass(frozen=True, slots=True)
class NotLoggedIn:
    """No session: why, and how long to wait."""

    fault: Fault
    wait_s: int = 0


Result = LoggedIn | NotLoggedIn


class Door:
    """Lets people in."""

    def __init__(self, engine: Engine, lifetimes: Lifetimes) -> None:
        self._engine = engine
        self._lifetimes = lifetimes

    def with_password(self, name: str, password: str, browser: Browser, now_ms: int) -> Result:
        """The first step; for who has a second factor, or must get one, a session that only leads there."""
        account = name.strip().lower()[:64]
        with writing(self._engine) as connection:
            attempt = attempts.begin(connection, account, browser.address, now_ms)
            query = select(table.c.id, table.c.password, table.c.disabled).where(table.c.name == account)
            row = connection.execute(query).first()
        if not attempt.id:
            return NotLoggedIn(Fault.WAIT, attempt.wait_s)
        right = is_password(row.password if row else "", password)  # takes its time: not in a transaction
        with writing(self._engine) as connection:
            if not right or row is None or row.disabled:
                return self._refused(connection, attempt, account, browser, now_ms)
            if is_outdated(row.password):
                fresh = hash_password(password)
                connection.execute(update(table).where(table.c.id == row.id).values(password=fresh))
            attempts.forgive(connection, attempt)
            return self.begin(connection, users.get_user(connection, row.id), browser, now_ms, how="password")

    def with_code(self, viewer: Viewer, code: str, browser: Browser, now_ms: int) -> Result:
        """The second step, with a code or a recovery code; the session of the first one ends."""
        with writing(self._engine) as connection:
            one = users.get_user(connection, viewer.user)
            attempt = attempts.begin(connection, _account_of_codes(one), browser.address, now_ms)
            if not attempt.id:
                return NotLoggedIn(Fault.WAIT, attempt.wait_s)
            if second.check_code(connection, one.id, code, now_ms):
                how = "code"
            elif second.use_recovery(connection, one.id, code):
                how = "recovery"
                audit.record(
                    connection, audit.Event.RECOVERY_USED, who=one.name, user=one.id, now_ms=now_ms,
                    address=browser.address, data={"left": second.recovery_left(connection, one.id)},
                )  # fmt: skip
            else:
                return self._refused(connection, attempt, one.name, browser, now_ms, how="code")
            attempts.forgive(connection, attempt)
            remember = sessions.end(connection, one.id, viewer.session) and viewer.remember
            browser = replace(browser, remember=remember)
            return self.begin(connection, one, browser, now_ms, how=how, second_done=True)

    def enrol(self, viewer: Viewer, code: str, browser: Browser, now_ms: int) -> tuple[Result, list[str]]:
        """Set up a second factor with its first code; the session begins anew. Returns the recovery codes too."""
        with writing(self._engine) as connection:
            one = users.get_user(connection, viewer.user)
            attempt = attempts.begin(connection, _account_of_codes(one), browser.address, now_ms)
            if not attempt.id:
                return NotLoggedIn(Fault.WAIT, attempt.wait_s), []
            if one.second_factor or not second.check_code(connection, one.id, code, now_ms):
                return self._refused(connection, attempt, one.name, browser, now_ms, how="code"), []
            attempts.forgive(connection, attempt)
            codes = second.finish(connection, one.id)
            audit.record(
                connection, audit.Event.SECOND_FACTOR, who=one.name, user=one.id, now_ms=now_ms,
                address=browser.address, data={"on": True},
            )  # fmt: skip
            sessions.end(connection, one.id, viewer.session)
            again = users.get_user(connection, one.id)
            return self.begin(connection, again, browser, now_ms, how="enrolled", second_done=True), codes

    def with_invitation(self, secret: str, name: str, password: str, browser: Browser, now_ms: int) -> Result:
        """A user's first password, or a new one; the first administrator where there is no user yet.

        Raises:
            BadUserError, BadPasswordError: the name or the password will not do; the invitation stays.
        """
        with writing(self._engine) as connection:
            holds, one = users.invited(connection, secret, now_ms)
            if not holds or (one is not None and one.disabled) or not users.use_invitation(connection, secret):
                return NotLoggedIn(Fault.VOID)
            if one is None:
                check_password(password)  # an empty one would make a user without
                one = users.add_user(
                    connection, name, roles=[Role.ADMINISTRATOR], areas=[EVERYWHERE], now_ms=now_ms, by="set-up link",
                    password=password,
                )  # fmt: skip
            else:
                users.set_password(connection, one.id, password, now_ms=now_ms, by=one.name)
            return self.begin(connection, users.get_user(connection, one.id), browser, now_ms, how="invitation")

    def with_identity(self, identity: Identity, browser: Browser, now_ms: int) -> Result:
        """Somebody whom the provider vouches for: added at the first time, with roles and areas as it says now."""
        with writing(self._engine) as connection:
            identity = users.known_identity(connection, identity)
            if not identity.roles or not identity.areas:
                audit.record(
                    connection, audit.Event.LOGIN_FAILED, who=identity.name, now_ms=now_ms, address=browser.address,
                    data={"how": "provider", "roles": len(identity.roles), "areas": len(identity.areas)},
                )  # fmt: skip
                return NotLoggedIn(Fault.VOID)
            one = users.take_identity(connection, identity, now_ms)
            if one.disabled:
                return NotLoggedIn(Fault.VOID)
            return self.begin(connection, one, browser, now_ms, how="provider", second_done=identity.strong)

    def begin(
        self,
        connection: Connection,
        one: User,
        browser: Browser,
        now_ms: int,
        *,
        how: str,
        second_done: bool = False,
    ) -> LoggedIn:
        """Begin a session for somebody who has shown who they are."""
        stage = "full"
        if not second_done:
            stage = "code" if one.second_factor else "enrol" if second.is_required(one.roles) else "full"
        remember = browser.remember and sessions.may_be_remembered(one)
        secret = sessions.start(
            connection, one, stage=stage, remember=remember, now_ms=now_ms, address=browser.address,
            agent=browser.agent, lifetimes=self._lifetimes,
        )  # fmt: skip
        if stage == "full":
            audit.record(
                connection, audit.Event.LOGIN, who=one.name, user=one.id, now_ms=now_ms, address=browser.address,
                data={"how": how, "remember": remember},
            )  # fmt: skip
        return LoggedIn(one, secret, stage, self._lifetimes.remembered_ms // 1000 if remember else 0)

    def _refused(
        self,
        connection: Connection,
        attempt: attempts.Try,
        account: str,
        browser: Browser,
        now_ms: int,
        *,
        how: str = "password",
    ) -> NotLoggedIn:
        event = audit.Event.LOCKED if attempt.locks else audit.Event.LOGIN_FAILED
        audit.record(
            connection, event, who=account, now_ms=now_ms, kind="user", subject=account, address=browser.address,
            data={"how": how},
        )  # fmt: skip
        if attempt.locks:
            return NotLoggedIn(Fault.WAIT, attempts.LOCKED_S)
        return NotLoggedIn(Fault.WRONG)


def _account_of_codes(one: User) -> str:
    """Codes are counted apart: a right password must not forgive wrong codes."""
    return f"code:{one.name}"
