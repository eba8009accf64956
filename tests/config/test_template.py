"""The configuration file that `init` writes, and the example."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from quantummail.config import parse, template
from quantummail.config.sections import SECTIONS, keys

EXAMPLE = Path(__file__).parents[2] / "etc" / "quantummail.ini"


def example() -> str:
    """The text that etc/quantummail.ini should have."""
    return template.example({("server", "hostname"): "mail.example.org"}, template.production_listeners())


class TemplateTests(SynchronousTestCase):
    """What is written can be read, and is all there is."""

    def test_the_example_is_current(self) -> None:
        """etc/quantummail.ini is what the table says; write it again with `python -m tests.config.test_template`."""
        self.assertEqual(EXAMPLE.read_text("utf-8"), example())

    def test_the_example_is_in_order(self) -> None:
        """No error and no warning in the example."""
        self.assertEqual(parse(example()).warnings, ())

    def test_what_is_commented_out_are_the_defaults(self) -> None:
        """A file with every comment sign removed from its settings means the same."""
        lines = [line[1:] if line.startswith("#") and not line.startswith("# ") else line
                 for line in example().splitlines()]
        self.assertEqual(parse("\n".join(lines)), parse(example()))

    def test_every_key_is_explained(self) -> None:
        """Each key is shown in its section, or was in one before that has it too."""
        text = example()
        for section in SECTIONS:
            for name in keys(section):
                self.assertIn(f"{name} =", text)

    def test_local_listeners(self) -> None:
        """The server to try listens on this machine alone, on ports that need no rights."""
        config = parse(template.example({}, template.local_listeners()))
        for section in config.listeners().values():
            for endpoint in section.listen:
                self.assertEqual((endpoint.host, endpoint.port > 1024), ("127.0.0.1", True))

    def test_production_listeners(self) -> None:
        """LMTP, which trusts whoever connects, is not open to the Internet."""
        config = parse(template.example({}, template.production_listeners()))
        self.assertEqual([endpoint.host for endpoint in config.lmtp.listen], ["127.0.0.1"])
        self.assertEqual([str(endpoint) for endpoint in config.smtp.listen], ["0.0.0.0:25", "[::]:25"])


if __name__ == "__main__":
    EXAMPLE.write_text(example(), "utf-8")
