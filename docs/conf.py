"""The site that Sphinx makes of these pages: ``python -m sphinx --nitpicky --fail-on-warning docs site``.

Pages are Markdown and can be read as they are, on a code host say: what only the site has (tables of contents, the
docstrings in ``api/``) is in a few pages. Links to files that are no pages become downloads.
"""

import tinyseg

project = "tinyseg"
version = release = tinyseg.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
smartquotes = False  # H' is a height, and no quotation ends there

html_theme = "furo"
html_title = f"tinyseg {version}"
html_copy_source = False

# Anchors of headings are a code host's: pages link to them as page.md#heading.
myst_heading_anchors = 3

# Signatures are as short as they are called; types stand in the text under them.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
