"""Isolaatti Demixer: separates songs into stems and keeps them in a shared catalogue."""


def __getattr__(name: str) -> str:
    """`__version__` is looked up when it is asked for: finding it takes longer than a short child process may."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("isolaatti-demixer")
    except PackageNotFoundError:  # run from a source tree that was not installed
        return "unknown"
