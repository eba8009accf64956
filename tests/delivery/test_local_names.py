"""Names of this machine's users as recipients."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.local_names import AliasFile, LocalNames, is_user, parse_aliases
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class FileTests(SynchronousTestCase):
    """The file of aliases."""

    def test_as_sendmail_has_it(self) -> None:
        """Comments, lists, lines that go on, quotes; names in any case."""
        found, complaints = parse_aliases(
            "# ours\nroot: alice@x.test,\n\tbob\nPostMaster:root\n\"a b\": \"c, d\"@x.test, e\nempty:\n\n")
        self.assertEqual(found, {
            "root": ("alice@x.test", "bob"), "postmaster": ("root",), "a b": ('c, d"@x.test', "e")})
        self.assertEqual(complaints, [])

    def test_refused(self) -> None:
        """Programs, files and lists are not delivered to, and said to be so; the rest of the line holds."""
        found, complaints = parse_aliases(
            'a: |/bin/sh\nb: "|/bin/sh -c x", c\nd: /dev/null\ne: :include:/etc/x\nnonsense\n')
        self.assertEqual(found, {"b": ("c",)})
        self.assertEqual(len(complaints), 5)

    def test_read_again(self) -> None:
        """A change counts at once; a file that goes away has no aliases."""
        path = temporary_directory(self) / "aliases"
        aliases = AliasFile(path)
        self.assertEqual(aliases.targets("root"), ())
        path.write_text("root: a@x.test\n")
        self.assertEqual(aliases.targets("ROOT"), ("a@x.test",))
        path.write_text("root: b@x.test, c@x.test\n")
        os.utime(path, (1, 1))
        self.assertEqual(aliases.targets("root"), ("b@x.test", "c@x.test"))
        path.unlink()
        self.assertEqual(aliases.targets("root"), ())


class ResolvingTests(SynchronousTestCase):
    """Whom mail to a name is for."""

    def setUp(self) -> None:
        self.store = make_store(self)
        make_user(self.store)
        now(self.store.users.create("boss@example.test", "x", admin=True))
        self.path: Path = temporary_directory(self) / "aliases"

    def resolve(self, aliases: str, address: str, domain: str = "host.test") -> tuple[bool, list[str], list[str]]:
        """Whether it is ours, accounts, addresses elsewhere."""
        self.path.write_text(aliases)
        names = LocalNames(self.store.directory, domain, AliasFile(self.path), lambda name: name in ("root", "www"))
        local_part, _, of = address.partition("@")
        found = now(names.resolve(local_part, of))
        return found.ours, sorted(found.local), found.remote

    def test_cases(self) -> None:
        """The file, then users of the machine, whose mail is for administrators; nobody else."""
        for aliases, address, expected in (
            ("", "root@host.test", (True, ["boss@example.test"], [])),
            ("", "nobody.such@host.test", (True, [], [])),
            ("root: alice@example.test", "root@host.test", (True, ["alice@example.test"], [])),
            ("root: x@far.test, alice@example.test", "root@HOST.test",
             (True, ["alice@example.test"], ["x@far.test"])),
            ("www: root\nroot: alice@example.test", "www@host.test", (True, ["alice@example.test"], [])),
            ("a: b\nb: a", "a@host.test", (True, [], [])),
            ("root: root", "root@host.test", (True, [], [])),
            ("root: x@far.test", "root@elsewhere.test", (False, [], [])),
            ("alice: x@far.test", "alice@example.test", (True, ["alice@example.test"], [])),
        ):
            self.assertEqual(self.resolve(aliases, address), expected, (aliases, address))

    def test_domain_of_ours(self) -> None:
        """Where names belong to a domain of ours, accounts come before the file."""
        aliases = "alice: x@far.test\nroot: y@far.test"
        self.assertEqual(self.resolve(aliases, "alice@example.test", "example.test"),
                         (True, ["alice@example.test"], []))
        self.assertEqual(self.resolve(aliases, "root@example.test", "example.test"), (True, [], ["y@far.test"]))

    def test_users(self) -> None:
        """The machine is asked for its users."""
        self.assertTrue(is_user("root"))
        self.assertFalse(is_user("no such user"))
        self.assertFalse(is_user("a\0b"))
