"""From text and environment to a configuration, or to every error in them."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from quantummail.config import Config, ConfigError, Endpoint, config_path, load, parse
from quantummail.config.sections import SECTIONS, keys
from quantummail.config.values import Pair
from tests.support.places import temporary_directory


class ReadTests(SynchronousTestCase):
    """Values, defaults, overrides, errors."""

    def errors(self, text: str, environ: dict[str, str] | None = None) -> list[str]:
        error = self.assertRaises(ConfigError, parse, text, environ)
        return [str(problem) for problem in error.problems]

    def test_every_default_is_valid(self) -> None:
        """An empty file is a configuration, in which every listener is off."""
        config = parse("")
        self.assertEqual(config.listeners(), {})
        self.assertIn("no listener is on: every `listen` is empty", config.warnings)

    def test_every_section_of_the_table_is_in_the_configuration(self) -> None:
        """The table and the fields of Config name the same sections."""
        self.assertEqual([name for name in Config.__dataclass_fields__ if name != "warnings"], list(SECTIONS))

    def test_every_key_has_a_meaning(self) -> None:
        """No key is without a sentence that ends in a full stop."""
        for section in SECTIONS:
            for name, key in keys(section).items():
                self.assertTrue(key.meaning.endswith("."), f"[{section}] {name}")

    def test_values(self) -> None:
        """Settings become values of their kinds."""
        config = parse("[smtp]\nlisten = 127.0.0.1:2525\nmax_message_size = 10M\n[imap]\nidle_timeout = 1h\n")
        self.assertEqual(config.smtp.listen, (Endpoint("tcp", "127.0.0.1", 2525),))
        self.assertEqual((config.smtp.max_message_size, config.imap.idle_timeout), (10 * 1024 * 1024, 3600.0))
        self.assertEqual(list(config.listeners()), ["smtp"])

    def test_listeners_have_defaults_of_their_own(self) -> None:
        """POP3 clients may connect ten times a minute, others as they like."""
        config = parse("")
        self.assertEqual((config.pop3s.max_connections_per_minute, config.imap.max_connections_per_minute), (10, 0))

    def test_paths_begin_at_the_file(self) -> None:
        """A relative path begins at the directory of the configuration file, wherever it is read."""
        config = parse("[server]\ndata_dir = var\n[tls]\nadditional_pairs = a.pem /k/a.key\n", None, Path("/etc/mail"))
        self.assertEqual(config.server.data_dir, Path("/etc/mail/var"))
        self.assertEqual(config.tls.additional_pairs, (Pair(Path("/etc/mail/a.pem"), Path("/k/a.key")),))

    def test_other_paths_follow_the_data_directory(self) -> None:
        """What is not said otherwise is below data_dir."""
        config = parse("[server]\ndata_dir = /srv/mail\n[storage]\nmail_root = {data_dir}/boxes\n")
        self.assertEqual(config.database.url, "sqlite:////srv/mail/quantummail.sqlite")
        self.assertEqual(config.storage.mail_root, Path("/srv/mail/boxes"))
        self.assertEqual(config.tls.certificate, Path("/srv/mail/tls/certificate.pem"))

    def test_the_environment_is_stronger(self) -> None:
        """QUANTUMMAIL_SECTION_KEY wins over the file."""
        config = parse("[imap]\nidle_timeout = 1h\n", {"QUANTUMMAIL_IMAP_IDLE_TIMEOUT": "35m", "HOME": "/"})
        self.assertEqual(config.imap.idle_timeout, 2100.0)

    def test_every_error_at_once(self) -> None:
        """Nobody corrects a file error by error: all of them are told, in the order of the file."""
        text = "[smtp]\nmax_conections = 4\nmax_errors = none\n[imapp]\n[tls]\nmax_recipients = 3\nwhat\n"
        self.assertEqual(self.errors(text, {"QUANTUMMAIL_POP3_MAX_MESSAGES": "0"}), [
            "line 2: [smtp] max_conections = 4: unknown key, did you mean `max_connections`?",
            "line 3: [smtp] max_errors = none: accepted: a whole number from 1 to 999999999999",
            "line 4: [imapp]: unknown section, did you mean `imap`?",
            ("line 6: [tls] max_recipients = 3: unknown key; it belongs to "
             "[local], [smtp], [submission], [submissions], [lmtp], [lmtps]"),
            "line 7: [tls]: neither `[section]` nor `key = value`: 'what'",
            "QUANTUMMAIL_POP3_MAX_MESSAGES: [pop3] max_messages = 0: accepted: a whole number from 1 to 999999999999",
        ])

    def test_an_error_says_what_is_wrong_with_it(self) -> None:
        """Where more is known than what would be accepted, it is told."""
        (error,) = self.errors("[smtp]\nlisten = mail.example.org:25\n")
        self.assertIn("'mail.example.org' is not an IP address; accepted: `address:port`", error)

    def test_two_listeners_in_one_place(self) -> None:
        """The same address twice is an error before it is one of the kernel."""
        (error,) = self.errors("[imap]\nlisten = 127.0.0.1:143\n[pop3]\nlisten = localhost:143\n")
        self.assertEqual(error, "[pop3] listen = 127.0.0.1:143: [imap] listens there too")

    def test_systemd_in_two_sections_is_no_conflict(self) -> None:
        """`systemd` means another socket in each section."""
        config = parse("[imap]\nlisten = systemd\n[pop3]\nlisten = systemd\n")
        self.assertEqual(list(config.listeners()), ["imap", "pop3"])

    def test_unknown_variables_only_warn(self) -> None:
        """Kubernetes sets QUANTUMMAIL_PORT_25_TCP for a service of our name; that is no reason to stop."""
        config = parse("", {"QUANTUMMAIL_PORT_25_TCP": "tcp://10.0.0.1:25"})
        self.assertIn("QUANTUMMAIL_PORT_25_TCP in the environment is not the name of a setting, and has no effect",
                      config.warnings)

    def test_names_of_platforms_only_warn(self) -> None:
        """A service that is called quantummail-smtp looks like our section; a wrong key there is an error."""
        names = ("PORT", "PORT_25_TCP_ADDR", "SERVICE_HOST", "SERVICE_PORT_SMTP")
        config = parse("", {f"QUANTUMMAIL_SMTP_{name}": "tcp://10.0.0.1:25" for name in names})
        self.assertEqual(sum("QUANTUMMAIL_SMTP_" in warning for warning in config.warnings), len(names))
        self.assertEqual(len(self.errors("", {"QUANTUMMAIL_SMTP_LISTENN": "127.0.0.1:25"})), 1)

    def test_misspelt_sections_in_the_environment(self) -> None:
        """Whoever misspells a section is told what may have been meant."""
        (warning,) = (each for each in parse("", {"QUANTUMMAIL_SMPT_LISTEN": ""}).warnings if "SMPT" in each)
        self.assertTrue(warning.endswith("did you mean QUANTUMMAIL_SMTP_LISTEN?"))

    def test_a_missing_file_says_how_to_make_one(self) -> None:
        """The error of a missing file names the file and the command."""
        path = temporary_directory(self) / "nothing"
        (problem,) = self.assertRaises(ConfigError, load, path, {}).problems
        self.assertEqual(
            str(problem), f"{path}: No such file or directory; `quantummail init` makes a configuration")

    def test_which_file(self) -> None:
        """The one given, otherwise that of the environment, otherwise the usual one."""
        environ = {"QUANTUMMAIL_CONFIG": "/b"}
        self.assertEqual([str(config_path("/a", environ)), str(config_path(None, environ)), str(config_path(None, {}))],
                         ["/a", "/b", "/etc/quantummail/quantummail.ini"])
