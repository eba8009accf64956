"""What is in the wheel, and that an installed one is a whole server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from quantummail.config import parse
from tests.support.places import temporary_directory
from tests.support.server import ROOT

PARTS = ("alembic", "etc", "quantummail", "systemd", "twisted", "LICENSE", "README.rst", "pyproject.toml", "setup.cfg")
DATA = "quantummail-{version}.data/data/share/quantummail/"


class WheelTests(SynchronousTestCase):
    """Built from a copy of the checkout, as an administrator would."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = Path(os.path.realpath(os.environ.get("TMPDIR", "/tmp"))) / f"quantummail-wheel-{os.getpid()}"
        source = cls.directory / "source"
        source.mkdir(parents=True)
        for name in PARTS:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.cache"))
            else:
                shutil.copy(ROOT / name, source / name)
        pip("wheel", "--no-deps", "--wheel-dir", str(cls.directory), str(source))
        (cls.wheel,) = cls.directory.glob("*.whl")
        with zipfile.ZipFile(cls.wheel) as archive:
            cls.names = set(archive.namelist())
            data = DATA.format(version=cls.wheel.name.split("-")[1])
            cls.example = archive.read(f"{data}etc/quantummail.ini").decode()
        cls.data = {name.removeprefix(data) for name in cls.names if name.startswith(data)}

    @classmethod
    def tearDownClass(cls) -> None:
        shutil.rmtree(cls.directory, ignore_errors=True)

    directory: Path
    wheel: Path
    names: set[str]
    data: set[str]
    example: str

    def test_packages(self) -> None:
        """Every module is in it, typed, with the plugin of twistd and nothing of the tests."""
        modules = {str(path.relative_to(ROOT)) for path in (ROOT / "quantummail").rglob("*.py")}
        self.assertEqual(modules - self.names, set())
        self.assertIn("quantummail/py.typed", self.names)
        self.assertIn("twisted/plugins/quantummail_plugin.py", self.names)
        tops = {name.split("/")[0] for name in self.names}
        self.assertEqual({top for top in tops if not top.startswith("quantummail")}, {"twisted"})

    def test_nothing_of_twisted_is_overwritten(self) -> None:
        """No __init__.py where Twisted's plugins, or Alembic, have theirs."""
        self.assertNotIn("twisted/__init__.py", self.names)
        self.assertNotIn("twisted/plugins/__init__.py", self.names)
        for name in ("alembic/__init__.py", "alembic/versions/__init__.py", "twisted/__init__.py",
                     "twisted/plugins/__init__.py"):
            self.assertFalse((ROOT / name).exists(), name)

    def test_data(self) -> None:
        """Migrations, example and units are in it."""
        revisions = {f"alembic/versions/{path.name}" for path in (ROOT / "alembic" / "versions").glob("*.py")}
        units = {f"systemd/{path.name}" for path in (ROOT / "systemd").iterdir()}
        self.assertEqual(self.data, {"alembic/env.py", "etc/quantummail.ini"} | revisions | units)
        self.assertEqual(parse(self.example).warnings, ())

    def test_an_installed_wheel_is_a_server(self) -> None:
        """Installed away from the checkout it makes its database, and twistd lists it."""
        place = temporary_directory(self)
        # --ignore-installed: pip would first uninstall what these tests run in
        pip("install", "--ignore-installed", "--no-deps", "--no-warn-script-location",
            "--prefix", str(place / "prefix"), str(self.wheel))
        (packages,) = (place / "prefix").glob("lib/python*/site-packages")
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), "HOME": str(place)}

        def run(*command: str) -> str:
            done = subprocess.run(command, env=environ, cwd=place, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return done.stdout

        where = run(sys.executable, "-c", (
            "import quantummail; from quantummail.store.migrations import scripts;"
            "print(quantummail.__file__, scripts(), sep='\\n')")).splitlines()
        self.assertEqual([Path(path).is_relative_to(place) for path in where], [True, True], where)
        program = str(place / "prefix" / "bin" / "quantummail")
        said = run(program, "--config", str(place / "q.ini"), "init", "--local", "--domain", "example.test")
        self.assertIn("made the database", said)
        self.assertIn("postmaster@example.test", run(program, "--config", str(place / "q.ini"), "user", "list"))
        plugins = run(sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "--help")
        self.assertRegex(plugins, r"\n +quantummail +A complete private mail server")

    def test_a_checkout_is_on_the_path(self) -> None:
        """An editable install leaves it to the path what there is: twistd looks for plugins nowhere else."""
        place, source = temporary_directory(self), self.directory / "source"
        pip("install", "--ignore-installed", "--no-deps", "--no-warn-script-location", "--prefix", str(place),
            "--editable", str(source))
        (line,) = place.glob("lib/python*/site-packages/__editable__*")
        self.assertEqual((line.suffix, line.read_text().strip()), (".pth", str(source)))


def pip(*words: str) -> None:
    """Run pip; its output is told when it fails."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
