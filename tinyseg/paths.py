"""What may name a file."""

import os

PathLike = str | os.PathLike[str]
