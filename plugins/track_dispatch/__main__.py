"""`python -m track_dispatch <verb>`."""

from __future__ import annotations

from track_dispatch.cli import main

if __name__ == "__main__":
    main()
