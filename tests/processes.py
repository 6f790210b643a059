"""What a test has left running."""

import psutil

from tests import servers


def left_running() -> list[psutil.Process]:
    """The children of this process, but for servers, and the tracker that multiprocessing keeps while Python runs."""
    children = psutil.Process().children()
    return [child for child in children if child.pid not in servers.RUNNING and not _is_tracker(child)]


def _is_tracker(process: psutil.Process) -> bool:
    try:
        return "resource_tracker" in " ".join(process.cmdline())
    except psutil.Error:
        return False
