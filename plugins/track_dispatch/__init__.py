"""Ask hospital patients how they were treated: at most once, and no line lost silently."""
