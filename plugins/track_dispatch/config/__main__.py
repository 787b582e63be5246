"""`python -m track_dispatch.config` writes the JSON schema of hospital files."""

from __future__ import annotations

import sys

from track_dispatch.config.hospital import write_schema
from track_dispatch.config.loading import include_dir

if __name__ == "__main__":
    sys.stdout.write(f"{write_schema(include_dir())}\n")
