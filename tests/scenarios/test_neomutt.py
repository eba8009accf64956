"""A person at neomutt: reads a mail, answers it, and the answer goes out and into Sent."""

from __future__ import annotations

import sys
from email import message_from_bytes, policy
from pathlib import Path

from tests.scenarios.case import HOST, Scenario, simple_message
from tests.support.terminal import Terminal


class Neomutt(Scenario):
    """alice has a mail from bob."""

    def muttrc(self, home: Path) -> None:
        """The configuration: IMAP on 993, submission on 465, an editor that types for us."""
        editor = home / "editor"
        editor.write_text(f"#!{sys.executable}\nimport sys\n"
                          "open(sys.argv[1], 'a').write('Fine, thank you. Grüße\\n')\n", "utf-8")
        editor.chmod(0o755)
        login, password = self.address("alice"), self.password("alice")
        self.private_file(home / ".neomuttrc", f"""
set imap_user = "{login}"
set imap_pass = "{password}"
set folder = "imaps://{HOST}:{self.server.ports["imaps"]}/"
set spoolfile = "+INBOX"
set record = "+Sent"
set postponed = "+Drafts"
set imap_authenticators = "plain"
set smtp_url = "smtps://{login.replace("@", "%40")}@{HOST}:{self.server.ports["submissions"]}/"
set smtp_pass = "{password}"
set smtp_authenticators = "plain"
set certificate_file = "{self.server.certificate}"
set from = "{login}"
set realname = "Alice"
set hostname = "client.example.net"
set editor = "{editor} %s"
set header_cache = ""
set quit = yes
set fast_reply = yes
set include = yes
set autoedit = yes
set confirmappend = no
set mail_check = 1
set timeout = 1
set pager_index_lines = 0
set imap_check_subscribed = yes
set sidebar_visible = no
""")

    def test_read_and_answer(self) -> None:
        """The mail is read, seen, answered; the answer is in bob's inbox and in Sent, and the mail is marked."""
        question = simple_message("how are you", "A question.\r\n", From="Bob <bob@example.test>")
        self.deliver(question, "alice", sender="bob@example.test")
        home = self.home()
        self.muttrc(home)
        with Terminal(home, "neomutt") as terminal:
            terminal.wait_for("how are you")
            terminal.keys("Enter")
            screen = terminal.wait_for("A question.")
            self.assertIn("From: Bob <bob@example.test>", screen)
            terminal.keys("r")
            terminal.wait_for("Re: how are you")
            terminal.keys("y")
            terminal.wait_for("Mail sent")
            terminal.keys("i")
            self.eventually(lambda: self.inbox("bob"))
            terminal.keys("q")
            self.eventually(lambda: "how are you" not in terminal.screen)

        (answer,) = self.inbox("bob")
        self.assertIn(b"Subject: Re: how are you\r\n", answer)
        self.assertIn(b"In-Reply-To: <how.are.you@example.net>\r\n", answer)
        text = message_from_bytes(answer, policy=policy.default).get_content()
        self.assertIn("Fine, thank you. Grüße", text)
        self.assertIn("> A question.", text)
        self.assertIn(b"with ESMTPSA id", answer)
        (kept,) = self.inbox(folder="Sent")
        self.assertIn(b"Subject: Re: how are you\r\n", kept)
        imap = self.imap()
        imap.select()
        self.assertEqual(imap.search(None, "SEEN ANSWERED"), ("OK", [b"1"]))

    def test_new_mail_and_deletion(self) -> None:
        """New mail comes up by itself (IDLE); `d` and `$` remove one for good; the folders are listed."""
        self.deliver(simple_message("to be removed"))
        home = self.home()
        self.muttrc(home)
        with (home / ".neomuttrc").open("a") as muttrc:
            muttrc.write("set imap_idle = yes\nset delete = yes\n")
        with Terminal(home, "neomutt") as terminal:
            terminal.wait_for("to be removed")
            self.deliver(simple_message("came meanwhile"))
            terminal.wait_for("came meanwhile")
            terminal.keys("1", "Enter", "d", "$")
            self.eventually(lambda: len(self.inbox()) == 1)
            self.assertIn(b"Subject: came meanwhile", self.inbox()[0])
            terminal.keys("c", "?")
            screen = terminal.wait_for("Archive")
            for name in ("INBOX", "Drafts", "Sent", "Junk", "Trash"):
                self.assertIn(name, screen)
