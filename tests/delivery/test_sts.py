"""Discovery of MTA-STS policies."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.sts import Discovered, StsDiscovery
from quantummail.fetch.client import FetchFailed, WebAnswer
from tests.support.stores import make_store, now
from tests.support.zone import Zone

POLICY = "version: STSv1\nmode: enforce\nmx: mx.a.test\nmax_age: 86400\n"
PLAIN = {"content-type": "text/plain; charset=utf-8"}


class FakeWeb:
    """A web server that has one page, or trouble."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.page: WebAnswer | FetchFailed | Deferred[WebAnswer] = WebAnswer(200, PLAIN, POLICY.encode())

    async def request(self, _method: str, url: str, **_rest: Any) -> WebAnswer:
        """The page."""
        self.asked.append(url)
        if isinstance(self.page, FetchFailed):
            raise self.page
        return await self.page if isinstance(self.page, Deferred) else self.page


class DiscoveryTests(SynchronousTestCase):
    """What is known about a.test, whose record may change."""

    def setUp(self) -> None:
        self.zone = Zone({"_mta-sts.a.test": {"TXT": ['"v=STSv1; id=1"']}})
        self.web = FakeWeb()
        self.seconds = 1_000_000.0
        self.store = make_store(self).sts_policies
        self.restart()

    def restart(self) -> None:
        """Only what is stored is known."""
        self.sts = StsDiscovery(
            self.zone.resolver(), cast("Any", self.web), self.store, wall=lambda: self.seconds)

    def says(self, record: str | None) -> None:
        """DNS says something else now."""
        self.zone.records["_mta-sts.a.test"] = {"FAIL": []} if record is None else {"TXT": [record] if record else []}
        self.sts._resolver.forget()

    def found(self) -> Discovered:
        """What is known now."""
        return now(self.sts.of("a.test"))

    def mode(self) -> str | None:
        """The mode of the policy, if there is one."""
        policy = self.found().policy
        return policy.mode if policy is not None else None

    def test_fetched_once(self) -> None:
        """A policy is fetched once, and remembered over a restart."""
        for _ in range(3):
            self.assertEqual(self.mode(), "enforce")
        self.restart()
        self.assertEqual(self.mode(), "enforce")
        self.assertEqual(self.web.asked, ["https://mta-sts.a.test/.well-known/mta-sts.txt"])

    def test_no_record(self) -> None:
        """Without a record nothing is fetched."""
        for record in ("", None, '"v=spf1 -all"'):
            self.says(record)
            self.assertEqual(self.found(), Discovered(None))
        self.assertEqual(self.web.asked, [])

    def test_promised(self) -> None:
        """What was promised holds when the record vanishes, DNS fails, or the web server does, until it expires."""
        self.found()
        for record in ("", None):
            self.says(record)
            self.assertEqual(self.mode(), "enforce")
        self.web.page = FetchFailed("refused")
        self.says('"v=STSv1; id=2"')
        self.assertEqual(self.mode(), "enforce")
        self.says("")
        self.seconds += 86_399
        self.assertEqual(self.mode(), "enforce")
        self.seconds += 1
        self.assertIsNone(self.mode())

    def test_new_id(self) -> None:
        """A new id means a new policy."""
        self.found()
        self.web.page = WebAnswer(200, PLAIN, POLICY.replace("enforce", "none").encode())
        self.says('"v=STSv1; id=2"')
        self.assertEqual(self.mode(), "none")
        self.restart()
        self.assertEqual(self.mode(), "none")
        self.assertEqual(len(self.web.asked), 2)

    def test_problems(self) -> None:
        """Why there is no policy is told, and the server left alone for a while."""
        for page, problem in (
            (FetchFailed("refused"), "sts-policy-fetch-error"),
            (FetchFailed("wrong name", certificate=True), "sts-webpki-invalid"),
            (WebAnswer(404, PLAIN, b""), "sts-policy-fetch-error"),
            (WebAnswer(301, {**PLAIN, "location": "/x"}, b""), "sts-policy-fetch-error"),
            (WebAnswer(200, {"content-type": "text/html"}, POLICY.encode()), "sts-policy-fetch-error"),
            (WebAnswer(200, {}, POLICY.encode()), "sts-policy-fetch-error"),
            (WebAnswer(200, PLAIN, b"<html>"), "sts-policy-invalid"),
        ):
            self.restart()
            self.web.page = page
            self.assertEqual(self.found().problem, problem)
        asked = len(self.web.asked)
        self.web.page = WebAnswer(200, PLAIN, POLICY.encode())
        self.seconds += 299
        self.assertIsNone(self.mode())
        self.assertEqual(len(self.web.asked), asked)
        self.seconds += 1
        self.assertEqual(self.mode(), "enforce")

    def test_together(self) -> None:
        """Who asks while it is being fetched waits for that."""
        self.web.page = Deferred()
        asking = [Deferred.fromCoroutine(self.sts.of("a.test")) for _ in range(3)]
        self.web.page.callback(WebAnswer(200, PLAIN, POLICY.encode()))
        for one in asking:
            self.assertIsNotNone(self.successResultOf(one).policy)
        self.assertEqual(len(self.web.asked), 1)

    def test_refreshed(self) -> None:
        """Long before it expires it is fetched anew, and nobody waits for that."""
        self.found()
        self.seconds += 43_200
        pending: Deferred[WebAnswer] = Deferred()
        self.web.page = pending
        for _ in range(2):
            self.assertEqual(self.mode(), "enforce")
        self.assertEqual(len(self.web.asked), 2)
        pending.callback(WebAnswer(200, PLAIN, POLICY.encode()))
        self.says("")
        self.seconds += 86_399
        self.assertEqual(self.mode(), "enforce")

    def test_stopped(self) -> None:
        """At the end nothing is fetched any more."""
        self.found()
        self.seconds += 43_200
        self.web.page = Deferred()
        self.found()
        now(self.sts.stop())
        self.assertFalse(self.sts._refreshing)
