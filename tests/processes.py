"""What a test has left running."""

import psutil


def left_running() -> list[psutil.Process]:
    """The children of this process, but for the tracker that multiprocessing keeps for as long as Python runs."""
    return [child for child in psutil.Process().children() if not _is_tracker(child)]


def _is_tracker(process: psutil.Process) -> bool:
    try:
        return "resource_tracker" in " ".join(process.cmdline())
    except psutil.Error:
        return False
