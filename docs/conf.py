"""How Sphinx makes the manual."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent / "extensions")]

project = "QuantumMail"
author = "the QuantumMail authors"
copyright = author  # noqa: A001  # Sphinx reads this name
extensions = ["from_the_code"]
exclude_patterns = ["_build", "extensions"]
html_theme = "alabaster"
html_theme_options = {"description": "A complete private mail server", "page_width": "1100px"}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_copy_source = False
nitpicky = True
