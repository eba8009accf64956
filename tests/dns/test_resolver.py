"""The caching resolver."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.dns.errors import NoRecords, NoSuchName, Unavailable
from quantummail.dns.question import Answer, Question
from quantummail.dns.resolver import Resolver
from tests.support.stores import now
from tests.support.zone import Zone, dead


class CacheTests(SynchronousTestCase):
    """What is asked for, and how often."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.zone = Zone({"a.test": {"A": ["192.0.2.1"]}, "broken.test": {"FAIL": []}}, ttl=100)
        self.resolver = self.zone.resolver(self.clock)

    def test_remembered(self) -> None:
        """An answer is remembered as long as it holds, under any spelling of the name, and grows older."""
        now(self.resolver.query("a.test", "A"))
        self.clock.advance(60)
        self.assertEqual(now(self.resolver.query("A.Test.", "A")).ttl, 40)
        self.assertEqual(len(self.zone.asked), 1)
        self.clock.advance(41)
        now(self.resolver.query("a.test", "A"))
        self.assertEqual(len(self.zone.asked), 2)

    def test_absence_remembered(self) -> None:
        """That there is nothing is remembered too."""
        for _ in range(3):
            self.assertIsInstance(self.failure(NoSuchName, "b.test", "A"), NoSuchName)
        self.assertEqual(len(self.zone.asked), 1)
        self.clock.advance(61)
        self.failure(NoSuchName, "b.test", "A")
        self.assertEqual(len(self.zone.asked), 2)

    def test_failure_remembered_shortly(self) -> None:
        """A failure is remembered for a moment: a dead domain is not asked for with every message."""
        for _ in range(3):
            self.failure(Unavailable, "broken.test", "A")
        asked = len(self.zone.asked)
        self.clock.advance(6)
        self.failure(Unavailable, "broken.test", "A")
        self.assertEqual((asked, len(self.zone.asked)), (2, 4))

    def test_forget(self) -> None:
        """Everything can be forgotten."""
        now(self.resolver.query("a.test", "A"))
        self.resolver.forget()
        now(self.resolver.query("a.test", "A"))
        self.assertEqual(len(self.zone.asked), 2)

    def test_bounded(self) -> None:
        """Memory is bounded: what was not asked for longest goes first."""
        async def put(_server: tuple[str, int], question: Question, _seconds: float) -> Answer:
            asked.append(question.name)
            return Answer(("192.0.2.1",), False, question.name, 100)

        asked: list[str] = []
        resolver = Resolver(self.clock, put, [("127.0.0.1", 53)], most_answers=2)
        for name in ("a.test", "b.test", "a.test", "c.test", "a.test", "b.test"):
            now(resolver.query(name, "A"))
        self.assertEqual(asked, ["a.test", "b.test", "c.test", "b.test"])

    def failure(self, kind: type[Exception], *question: str) -> Exception:
        """What a question that fails raises."""
        error: Exception = self.assertRaises(kind, lambda: now(self.resolver.query(*question)))
        return error


class ServerTests(SynchronousTestCase):
    """Which servers are asked."""

    def resolver(self, *servers: str, validating: bool | None = None) -> Resolver:
        """A resolver whose first server is dead."""
        async def put(server: tuple[str, int], question: Question, seconds: float) -> Answer:
            self.asked.append(server[0])
            if server[0].endswith(".1"):
                return await dead(server, question, seconds)
            return Answer(("192.0.2.1",), True, question.name, 100)

        self.asked: list[str] = []
        return Resolver(Clock(), put, [(server, 53) for server in servers], validating=validating)

    def test_next_server(self) -> None:
        """Where the first server does not answer, the next one is asked."""
        now(self.resolver("127.0.0.1", "127.0.0.2").query("a.test", "A"))
        self.assertEqual(self.asked, ["127.0.0.1", "127.0.0.2"])

    def test_all_dead(self) -> None:
        """Each is asked twice before the question fails, for now."""
        with self.assertRaises(Unavailable):
            now(self.resolver("127.0.0.1", "192.0.2.1").query("a.test", "A"))
        self.assertEqual(self.asked, ["127.0.0.1", "192.0.2.1"] * 2)

    def test_no_servers(self) -> None:
        """Without servers every question fails, for now."""
        with self.assertRaises(Unavailable):
            now(self.resolver().query("a.test", "A"))

    def test_validating(self) -> None:
        """The word of a resolver on another machine does not count unless the administrator says so."""
        for servers, told, expected in (
            (["127.0.0.2"], None, True), (["127.0.0.2", "192.0.2.9"], None, False), (["192.0.2.9"], True, True),
            (["127.0.0.2"], False, False),
        ):
            answer = now(self.resolver(*servers, validating=told).query("a.test", "A"))
            self.assertEqual(answer.authenticated, expected, (servers, told))


class TogetherTests(SynchronousTestCase):
    """Who asks for the same at the same time."""

    def setUp(self) -> None:
        async def put(_server: tuple[str, int], _question: Question, _seconds: float) -> Answer:
            self.count += 1
            return await self.pending

        self.count = 0
        self.pending: Deferred[Answer] = Deferred()
        self.resolver = Resolver(Clock(), put, [("127.0.0.1", 53)])
        self.asking = [Deferred.fromCoroutine(self.resolver.query("a.test", "A")) for _ in range(3)]

    def test_one_question(self) -> None:
        """One question serves all who wait for the answer."""
        self.pending.callback(Answer(("192.0.2.1",), False, "a.test", 100))
        self.assertEqual([self.successResultOf(one).records for one in self.asking], [("192.0.2.1",)] * 3)
        self.assertEqual(self.count, 1)

    def test_one_absence(self) -> None:
        """All of them learn that there is nothing."""
        self.pending.errback(NoRecords("nothing", 10))
        for one in self.asking:
            self.failureResultOf(one, NoRecords)

    def test_a_bug(self) -> None:
        """What nobody foresaw reaches who asked first; the others do not wait for ever."""
        self.pending.errback(ZeroDivisionError())
        self.failureResultOf(self.asking[0], ZeroDivisionError)
        for one in self.asking[1:]:
            self.failureResultOf(one, Unavailable)
