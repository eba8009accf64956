"""Asking about tokens, with an authorization server in memory."""

from __future__ import annotations

import base64
import json
from typing import Any, cast
from urllib.parse import parse_qs

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

from quantummail.auth.attempt import LoginUnavailable
from quantummail.auth.introspection import MAX_ANSWER, Introspection, IntrospectionSettings

ALICE = "alice@example.test"


class Answer:
    """A response, whose body comes at once."""

    def __init__(self, code: int, body: bytes) -> None:
        self.code = code
        self.body = body

    def deliverBody(self, protocol: Any) -> None:  # noqa: N802  # Twisted's name
        protocol.makeConnection(StringTransport())
        for start in range(0, len(self.body), 4096):
            protocol.dataReceived(self.body[start : start + 4096])
        protocol.connectionLost(Failure(ResponseDone()))


@implementer(IAgent)
class Server:
    """Answers with `claims`, or as it is told."""

    def __init__(self) -> None:
        self.claims: Any = {"active": True, "username": ALICE}
        self.code = 200
        self.body: bytes | None = None
        self.failure: Exception | None = None
        self.silent = False
        self.asked: list[tuple[str, dict[str, str], dict[str, list[str]]]] = []

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None,  # noqa: N803  # IAgent
    ) -> Any:
        """One question."""
        assert headers is not None
        assert bodyProducer is not None
        transport = StringTransport()
        bodyProducer.startProducing(transport)
        fields = {name.decode(): values[0].decode() for name, values in headers.getAllRawHeaders()}
        self.asked.append((f"{method.decode()} {uri.decode()}", fields, parse_qs(transport.value().decode())))
        answer: Deferred[Any] = Deferred()
        if self.failure is not None:
            answer.errback(Failure(self.failure))
        elif not self.silent:
            answer.callback(Answer(self.code, self.body or json.dumps(self.claims).encode()))
        return answer


class IntrospectionTests(SynchronousTestCase):
    """What a server says, and what comes of it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = Server()
        self.wall = 1000.0

    def owner(self, token: str = "t", **settings: Any) -> Deferred[str | None]:
        """Ask, with other settings than before."""
        values = {
            "url": "https://as.example/introspect", "client_id": "mail server", "client_secret": "s:cret", **settings}
        self.introspection = Introspection(
            IntrospectionSettings(**values), cast("Any", self.server), self.clock, lambda: self.wall)
        return self.again(token)

    def again(self, token: str = "t") -> Deferred[str | None]:
        """Ask the same one."""
        return Deferred.fromCoroutine(self.introspection.owner(token))

    def test_question(self) -> None:
        """RFC 7662 2.1: POST, a form with the token, and our credentials, encoded."""
        self.assertEqual(self.successResultOf(self.owner("a+b/c")), ALICE)
        ((what, headers, form),) = self.server.asked
        self.assertEqual(what, "POST https://as.example/introspect")
        self.assertEqual(form, {"token": ["a+b/c"], "token_type_hint": ["access_token"]})
        self.assertEqual(base64.b64decode(headers["Authorization"].removeprefix("Basic ")), b"mail+server:s%3Acret")
        self.assertEqual(headers["Content-Type"], "application/x-www-form-urlencoded")

    def test_not_good(self) -> None:
        """What is not active, has expired, or says neither lets nobody in."""
        for claims in ({"active": False}, {}, {"active": "true", "username": ALICE}, {"active": True},
                       {"active": True, "username": ALICE, "exp": 999}, {"active": True, "username": "alice"},
                       {"active": True, "username": [ALICE]}):
            self.server.claims = claims
            self.assertIsNone(self.successResultOf(self.owner()), claims)

    def test_names(self) -> None:
        """The first claim that holds an address counts."""
        self.server.claims = {"active": True, "username": "al", "email": "Alice@Example.test", "upn": "x@y.test"}
        self.assertEqual(self.successResultOf(self.owner()), ALICE)
        self.assertEqual(self.successResultOf(self.owner(username_claims=("upn",))), "x@y.test")

    def test_unverified_address(self) -> None:
        """An address that anybody may have written there does not count."""
        for verified, owner in ((True, ALICE), (False, None), ("true", None)):
            self.server.claims = {"active": True, "email": ALICE, "email_verified": verified}
            self.assertEqual(self.successResultOf(self.owner()), owner)

    def test_scope_and_audience(self) -> None:
        """Scopes and audience that are wanted must be there."""
        for claims, owner in (
            ({"scope": "openid mail", "aud": "qm"}, ALICE), ({"scope": "mail", "aud": ["x", "qm"]}, ALICE),
            ({"scope": "openid", "aud": "qm"}, None), ({"scope": "mail"}, None), ({"aud": "qm"}, None),
            ({"scope": "mail", "aud": "qm2"}, None), ({"scope": "mailbox", "aud": "qm"}, None),
        ):
            self.server.claims = {"active": True, "username": ALICE, **claims}
            self.assertEqual(self.successResultOf(self.owner(scopes=("mail",), audience="qm")), owner, claims)

    def test_remembered(self) -> None:
        """An answer counts for a while, and no longer than the token; a bad one is asked about again."""
        self.successResultOf(self.owner(remembered_for=60))
        self.successResultOf(self.again())
        self.assertEqual(len(self.server.asked), 1)
        self.wall += 60
        self.server.claims["exp"] = 1070
        self.successResultOf(self.again())
        self.wall += 10
        self.assertIsNone(self.successResultOf(self.again()))
        self.assertIsNone(self.successResultOf(self.again()))
        self.assertEqual(len(self.server.asked), 4)

    def test_tokens_are_not_kept(self) -> None:
        """A token is in no memory, and no secret in a text."""
        self.successResultOf(self.owner("very-secret-token"))
        self.assertNotIn("very-secret", repr(vars(self.introspection)))
        self.assertNotIn("s:cret", repr(self.introspection.settings))

    def test_trouble(self) -> None:
        """A server that is away, or does not answer as it should, makes nobody's token bad."""
        trouble: list[dict[str, Any]] = [
            {"failure": OSError("refused")}, {"code": 401}, {"code": 500}, {"body": b"<html>"}, {"body": b"[]"},
            {"body": b"x" * (MAX_ANSWER + 1)}]
        for change in trouble:
            self.server = Server()
            vars(self.server).update(change)
            self.failureResultOf(self.owner(), LoginUnavailable)

    def test_silence(self) -> None:
        """Who does not answer is waited for no longer than `timeout`."""
        self.server.silent = True
        waiting = self.owner(timeout=5)
        self.clock.advance(4.9)
        self.assertNoResult(waiting)
        self.clock.advance(0.2)
        self.failureResultOf(waiting, LoginUnavailable)

    def test_error(self) -> None:
        """A program is told where it gets tokens."""
        self.owner(openid_configuration="https://as.example/.well-known/openid-configuration", scopes=("a", "b"))
        self.assertEqual(json.loads(self.introspection.error(xoauth2=False)), {
            "status": "invalid_token", "scope": "a b",
            "openid-configuration": "https://as.example/.well-known/openid-configuration"})
