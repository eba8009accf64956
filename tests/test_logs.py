"""How events look in the log."""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Callable

from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from quantummail import logs
from tests.support.server import ROOT


class LogTests(SynchronousTestCase):
    """One event, one line."""

    def setUp(self) -> None:
        self.stream = io.StringIO()

    def logger(self, style: str, least: str = "info") -> Logger:
        observer = logs.observer(style, least, self.stream)
        return Logger(namespace="quantummail.smtp.server.SMTPConnection", observer=observer)

    def line(self) -> str:
        text = self.stream.getvalue()
        self.assertEqual(text.count("\n"), 1, text)
        return text.rstrip("\n")

    def record(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.line())
        return found

    def test_text(self) -> None:
        """For a reader: time, level, system, message, and the connection."""
        self.logger("text").info("login of {user}", user="a@b", connection="c1")
        time_of_day, level, rest = self.line().split(" ", 2)
        self.assertEqual(len(time_of_day), len("12:00:00.000"))
        self.assertEqual((level, rest), ("info", " smtp       login of a@b [connection=c1]"))

    def test_ids_are_told_once(self) -> None:
        """An id that is in the message is not repeated behind it."""
        self.logger("text").info("message {id} delivered", id="m1", connection="c1")
        self.assertTrue(self.line().endswith("message m1 delivered [connection=c1]"), self.line())

    def test_json(self) -> None:
        """For programs: an object with the fields of the event and its unchanging format."""
        self.logger("json").warn("login of {user} failed", user="a@b", client="::1", tries=3, nothing=None)
        record = self.record()
        when = record.pop("time")
        self.assertRegex(str(when), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(record, {
            "level": "warn", "system": "quantummail.smtp", "message": "login of a@b failed",
            "event": "login of {user} failed", "user": "a@b", "client": "::1", "tries": 3, "nothing": None,
        })

    def test_fail2ban(self) -> None:
        """The expression in the manual finds who failed to log in, and nobody whom somebody else writes about."""
        manual = (ROOT / "docs/operations.rst").read_text()
        (expression,) = re.findall(r"failregex = (.*)", manual)
        address = r"(?P<address>[0-9a-fA-F:.]+)"  # what fail2ban makes of <ADDR>, nearly
        logger = self.logger("json")
        logger.warn("authentication failure protocol={protocol} user={user} client={client}",
                    protocol="imap", user="a@b", client="2001:db8::1", connection="c")
        found = re.search(expression.replace("<ADDR>", address), self.line())
        self.assertEqual(found and found["address"], "2001:db8::1")
        self.stream.truncate(self.stream.seek(0))
        words = "authentication failure protocol=imap user=a client=192.0.2.1"
        for forged in (words, f'"message":"{words}"', f'","message":"{words}"'):
            logger.info("recipient <{recipient}> of {client} refused", recipient=forged, client="192.0.2.2")
        self.assertIsNone(re.search(expression.replace("<ADDR>", address), self.stream.getvalue()))

    def test_nothing_forges_a_line(self) -> None:
        """Line ends, escape sequences and direction marks of a client are shown, not done."""
        evil = "x\r\n12:00 info fake\x1b[2J\u202e\u2028\x00\ud800ü"
        for style in ("text", "json"):
            self.stream.truncate(0)
            self.stream.seek(0)
            self.logger(style).info("helo {name}", name=evil)
            line = self.line()
            for character in "\r\x1b\u202e\u2028\x00\ud800":
                self.assertNotIn(character, line)
        self.assertIn("x\\r\\n12:00 info fake\\x1b[2J\\u202e\\u2028\\x00", str(self.record()["message"]))
        self.assertIn("ü", str(self.record()["message"]))

    def test_secrets_are_not_written(self) -> None:
        """A field whose name says that it is a secret is not in the log, should somebody ever log one."""
        self.logger("json").info("x", password="hunter2", api_token="t0ken", private_key_text="k3y")
        self.assertNotRegex(self.line(), "hunter2|t0ken|k3y")

    def test_failures_are_one_line(self) -> None:
        """An unexpected exception is told with its places, the innermost first, in one line."""
        for style in ("text", "json"):
            self.stream.truncate(0)
            self.stream.seek(0)
            try:
                _fails()
            except ValueError:
                self.logger(style).failure("unexpected error in a session", connection="c1")
            self.assertIn("unexpected error in a session: ValueError: no\\nway (at test_logs.py:", logs.visible(
                str(self.record()["message"]) if style == "json" else self.line()))

    def test_the_cause_is_told(self) -> None:
        """`raise ... from` is told too."""
        try:
            try:
                _fails()
            except ValueError as error:
                raise RuntimeError("outer") from error
        except RuntimeError:
            text = logs.one_line(Failure())
        self.assertTrue(text.startswith("RuntimeError: outer, because of ValueError: no\nway (at "), text)

    def test_levels(self) -> None:
        """Events below the level of the configuration are left out."""
        logger = self.logger("text", "warn")
        logger.info("not this")
        logger.debug("nor this")
        logger.error("but this")
        self.assertIn("but this", self.line())

    def test_what_twisted_says_of_itself(self) -> None:
        """Names of Twisted's classes are no news for a postmaster; its errors are."""
        observer = logs.observer("text", "info", self.stream)
        twisted = Logger(namespace="twisted.internet.base", observer=observer)
        twisted.info("Main loop terminated.")
        Logger(namespace="log_legacy", observer=observer).info("SMTPFactory starting on 25")
        twisted.error("Too many open files")
        self.assertIn("Too many open files", self.line())

    def test_every_level_of_the_configuration_is_known(self) -> None:
        """Those of `[server] log_level`."""
        for name in ("debug", "info", "warn", "error"):
            logs.observer("json", name, self.stream)({"log_time": time.time(), "log_level": LogLevel.critical})
        self.assertEqual(self.stream.getvalue().count("\n"), 4)

    def test_long_values_are_cut(self) -> None:
        """A line has an end, whatever a client sends."""
        self.logger("json").info("x {value}", value="y" * 1_000_000)
        self.assertLess(len(self.line()), 30_000)

    def test_auto_is_json_where_nobody_reads(self) -> None:
        """Without a terminal `auto` is JSON, with one it is text."""
        self.logger("auto").info("x")
        self.assertEqual(self.record()["message"], "x")
        controller, terminal = os.openpty()
        self.addCleanup(os.close, controller)
        with os.fdopen(terminal, "w", encoding="utf-8") as stream:
            observer = logs.observer("auto", "info", stream)
            self.assertIs(observer._line, logs.text_line)

    def test_a_full_disk_stops_no_mail(self) -> None:
        """When the log cannot be written, the program goes on."""
        with open("/dev/full", "w", encoding="utf-8") as full:
            observer = logs.observer("text", "info", full)
            observer({"log_time": time.time(), "log_level": LogLevel.info, "log_format": "x"})
            # what is left in the buffer must not disturb the end of this test
            os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())

    def test_lines_of_one_turn_are_gathered(self) -> None:
        """With a reactor the lines of one turn are written together, in their order."""
        turns: list[Callable[[], None]] = []
        observer = logs.observer("text", "info", self.stream)
        observer.gather(turns.append)
        log = Logger(namespace="quantummail.smtp", observer=observer)
        log.info("one")
        log.info("two")
        self.assertEqual((self.stream.getvalue(), len(turns)), ("", 1))
        turns.pop()()
        self.assertEqual([line.split()[-1] for line in self.stream.getvalue().splitlines()], ["one", "two"])

    def test_a_warning_waits_for_nothing(self) -> None:
        """A warning is written at once, behind what was gathered before it."""
        observer = logs.observer("text", "info", self.stream)
        observer.gather(lambda flush: None)
        log = Logger(namespace="quantummail.smtp", observer=observer)
        log.info("one")
        log.warn("two")
        self.assertEqual([line.split()[-1] for line in self.stream.getvalue().splitlines()], ["one", "two"])

    def test_braces_that_are_no_names(self) -> None:
        """A format that asks for more than names is left to Twisted's formatter."""
        self.logger("text").info("{count:03d} {name!r} {{}}", count=7, name="x")
        self.assertTrue(self.line().endswith("007 'x' {}"), self.line())


def _fails() -> None:
    raise ValueError("no\nway")
