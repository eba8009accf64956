"""Logging in."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.login import Authenticator, LoginFailed, LoginLimits, LoginUnavailable, Peer
from quantummail.auth.names import normalised, printable
from quantummail.store.errors import Unavailable
from quantummail.store.records import Credentials, User
from tests.auth.accounts import PASSWORDS, CountedHashing, MemoryUsers

SECRET = "tanstaaf tanstaaf"


class LoginCase(SynchronousTestCase):
    """An authenticator with one account, and everything that it logs."""

    limits = LoginLimits()

    def setUp(self) -> None:
        self.clock = Clock()
        self.users = MemoryUsers()
        self.alice = self.users.add("alice@example.test", PASSWORDS.hash(SECRET))
        self.hashing = CountedHashing()
        self.authenticator = Authenticator(cast("Any", self.users), self.hashing, self.clock, self.limits)
        self.events: list[LogEvent] = []
        observer = cast("ILogObserver", self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def login(self, username: str = "alice@example.test", password: str = SECRET,
              client: str = "192.0.2.1") -> Deferred[User]:
        """Begin a login."""
        return Deferred.fromCoroutine(self.authenticator.login(username, password, Peer("pop3", client, "c0ffee")))

    def lines(self) -> list[str]:
        """What was logged."""
        return [formatEvent(event) for event in self.events]


class AnswerTests(LoginCase):
    """Who gets in."""

    def test_right(self) -> None:
        """The right password gives the account."""
        self.assertEqual(self.successResultOf(self.login()), self.alice)

    def test_name_in_any_case(self) -> None:
        """Addresses are the same in any case."""
        self.assertEqual(self.successResultOf(self.login("Alice@EXAMPLE.test")), self.alice)

    def test_failures(self) -> None:
        """A wrong password, an unknown name and a disabled account fail in the same words."""
        self.users.add("bob@example.test", PASSWORDS.hash(SECRET), enabled=False)
        texts = set()
        for username, password in [("alice@example.test", "wrong"), ("nobody@example.test", SECRET),
                                   ("bob@example.test", SECRET), ("bob@example.test", "wrong"), ("alice", SECRET),
                                   ("", SECRET), ("alice@", SECRET), ("@example.test", SECRET),
                                   ("alice@example.test\0", SECRET), ("a" * 1000 + "@example.test", SECRET)]:
            failed = self.login(username, password)
            self.clock.pump([1.0] * 10)
            texts.add(str(self.failureResultOf(failed, LoginFailed).value))
        self.assertEqual(texts, {"authentication failed"})

    def test_store_unavailable(self) -> None:
        """When the store cannot be asked the password is not called wrong."""
        self.users.failure = Unavailable("database is locked")
        self.failureResultOf(self.login(), LoginUnavailable)

    def test_unexpected_error(self) -> None:
        """Nor after an error that nobody thought of, which is logged."""
        self.users.failure = KeyError("oops")
        self.failureResultOf(self.login(), LoginUnavailable)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_trouble_is_no_guess(self) -> None:
        """What could not be checked costs no guess."""
        self.users.failure = Unavailable("database is locked")
        for _ in range(100):
            self.failureResultOf(self.login(), LoginUnavailable)
        self.users.failure = None
        self.successResultOf(self.login())

    def test_better_hash(self) -> None:
        """A hash of another server is replaced at the first login, and known from then on."""
        carol = self.users.add("carol@example.test", "{PLAIN}" + SECRET)
        self.successResultOf(self.login("carol@example.test"))
        ((account, old, new),) = self.users.replaced
        self.assertEqual((account, old), (carol.id, "{PLAIN}" + SECRET))
        self.assertEqual(PASSWORDS.verify(SECRET, new), (True, None))
        self.successResultOf(self.login("carol@example.test"))
        self.assertEqual(self.hashing.done, ["verify"])


class BrokenReplacement(MemoryUsers):
    """Cannot write."""

    async def replace_hash(self, user_id: int, old_hash: str, new_hash: str) -> None:
        raise Unavailable("disk full")


class ReplacementTests(LoginCase):
    """When the better hash cannot be stored."""

    def test_login_goes_on(self) -> None:
        """The login succeeds all the same."""
        users = BrokenReplacement()
        carol = users.add("carol@example.test", "{PLAIN}" + SECRET)
        self.authenticator = Authenticator(cast("Any", users), self.hashing, self.clock)
        self.assertEqual(self.successResultOf(self.login("carol@example.test")), carol)


class TimingTests(LoginCase):
    """Names cannot be told by the time an answer takes (faults.md P2)."""

    def test_one_calculation_each(self) -> None:
        """Known, unknown, disabled and impossible names cost one calculation each."""
        self.users.add("bob@example.test", PASSWORDS.hash(SECRET), enabled=False)
        for username in ("alice@example.test", "nobody@example.test", "bob@example.test", "no domain", ""):
            self.hashing.done.clear()
            failed = self.login(username, "wrong", client="127.0.0.1")
            self.clock.pump([1.0] * 5)
            self.failureResultOf(failed, LoginFailed)
            self.assertEqual(len(self.hashing.done), 1, username)

    def test_remembered_account(self) -> None:
        """A wrong guess costs one too while the right password is remembered."""
        self.successResultOf(self.login())
        self.hashing.done.clear()
        self.failureResultOf(self.login(password="wrong"), LoginFailed)
        self.assertEqual(len(self.hashing.done), 1)


class MemoryTests(LoginCase):
    """Successful logins are remembered for a while."""

    def test_second_login(self) -> None:
        """The second login costs no calculation."""
        self.successResultOf(self.login())
        self.successResultOf(self.login())
        self.assertEqual(len(self.hashing.done), 1)

    def test_five_minutes(self) -> None:
        """After five minutes it does again."""
        self.successResultOf(self.login())
        self.clock.advance(300)
        self.successResultOf(self.login())
        self.assertEqual(len(self.hashing.done), 2)

    def test_changed_password(self) -> None:
        """A changed password ends it at once."""
        self.successResultOf(self.login())
        self.users.accounts["alice@example.test"] = Credentials(self.alice, PASSWORDS.hash("another one"))
        self.failureResultOf(self.login(), LoginFailed)

    def test_disabled_account(self) -> None:
        """So does disabling the account."""
        self.successResultOf(self.login())
        self.users.add("alice@example.test", PASSWORDS.hash(SECRET), enabled=False)
        self.failureResultOf(self.login(), LoginFailed)


class ThrottleTests(LoginCase):
    """Guesses are slowed down, then refused."""

    limits = LoginLimits(client=5, client_per_hour=60)

    def test_delay(self) -> None:
        """After three failures the password is looked at a second later."""
        for _ in range(3):
            self.failureResultOf(self.login(password="wrong"), LoginFailed)
        late = self.login()
        self.assertNoResult(late)
        self.assertEqual(len(self.hashing.done), 3)
        self.clock.advance(1)
        self.successResultOf(late)

    def test_in_parallel(self) -> None:
        """Guesses at the same time get no more tries than guesses one after another."""
        guesses = [self.login(password=f"wrong {number}") for number in range(50)]
        self.clock.advance(60)
        for guess in guesses[:5]:
            self.failureResultOf(guess, LoginFailed)
        for guess in guesses[5:]:
            self.failureResultOf(guess, LoginUnavailable)
        self.assertEqual(len(self.hashing.done), 5)

    def test_owner(self) -> None:
        """The owner still gets in from where he was before, though guesses from there were refused."""
        self.successResultOf(self.login())
        for number in range(6):
            self.login(f"user{number}@example.test", "wrong").addErrback(lambda _: None)
        self.clock.advance(2)
        self.failureResultOf(self.login("other@example.test"), LoginUnavailable)
        self.successResultOf(self.login())


class LogTests(LoginCase):
    """What administrators and fail2ban read."""

    def test_success(self) -> None:
        """A login is one line."""
        self.successResultOf(self.login())
        self.assertEqual(self.lines(), ["login protocol=pop3 user=alice@example.test client=192.0.2.1"])

    def test_failure(self) -> None:
        """So is a failure, in words that stay."""
        self.failureResultOf(self.login(password="wrong"), LoginFailed)
        self.assertEqual(self.lines(), [
            "authentication failure protocol=pop3 user=alice@example.test client=192.0.2.1"])

    def test_connection(self) -> None:
        """The connection's id is with it."""
        self.failureResultOf(self.login(password="wrong"), LoginFailed)
        self.assertEqual(self.events[0]["connection"], "c0ffee")

    def test_names_that_lie(self) -> None:
        """A name can neither break the line nor bring a client address of its own."""
        self.failureResultOf(self.login("a@b client=198.51.100.1\r\n\x1b[0m\u202e"), LoginFailed)
        self.assertEqual(self.lines(), [
            "authentication failure protocol=pop3 user=a@b?client=198.51.100.1???[0m? client=192.0.2.1"])

    def test_braces(self) -> None:
        """A name with braces is a name, not a format."""
        self.failureResultOf(self.login("{log_time}@example.test"), LoginFailed)
        self.assertIn("user={log_time}@example.test", self.lines()[0])

    def test_never_a_password(self) -> None:
        """No event holds a password, however the login ends."""
        self.successResultOf(self.login())
        self.failureResultOf(self.login(password="wrong-secret"), LoginFailed)
        self.users.failure = KeyError("oops")
        self.failureResultOf(self.login(), LoginUnavailable)
        self.flushLoggedErrors(KeyError)
        shown = repr(self.events) + "".join(self.lines())
        self.assertNotIn(SECRET, shown)
        self.assertNotIn("wrong-secret", shown)


class NameTests(SynchronousTestCase):
    """User names."""

    def test_normalised(self) -> None:
        """One spelling for each account, nothing for what is no address."""
        for name, address in [("Alice@Example.TEST", "alice@example.test"), ("alice", ""), ("@example.test", ""),
                              ("alice@", ""), ("a@b@c", ""), ("", "")]:
            self.assertEqual(normalised(name), address, name)

    def test_printable(self) -> None:
        """Control, format and white-space characters are not written."""
        self.assertEqual(printable("a b\tc\u2028d\x00e\u00a0f\u00fc"), "a?b?c?d?e?f\u00fc")
        self.assertEqual(len(printable("x" * 1000)), 320)
