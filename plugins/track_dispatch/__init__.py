"""Ask hospital patients how they were treated: at most once, and no line lost silently."""

__version__ = "0.1.0"
