"""`python -m track_dispatch <verb>`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from track_dispatch.cli import main
    except KeyboardInterrupt:  # while it is imported; `main` tells of any later one
        sys.exit(130)
    except ImportError as error:
        sys.exit(
            f"error: {error}: {sys.executable} is not the Python that the installation has (`make"
            " setup` makes .venv/bin/python, and the image has its own): use that one"
        )
    main()
