"""Whether the process in this container can do its work: exit code 0, or 1 with what it says."""

import os
import sys
import urllib.error
import urllib.request

PATIENCE = 4.0  # seconds; the container's health check waits a little longer
PORTS = ("METRICS_PORT", "PORT")  # a consumer answers on the first, the web server on the second
WEB = 8000  # the default of PORT


def main() -> int:
    port = next((port for name in PORTS if (port := int(os.environ.get(name) or 0))), WEB)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE) as answer:
            sys.stdout.write(answer.read().decode())
        return 0
    except urllib.error.HTTPError as error:
        sys.stdout.write(error.read().decode())
    except OSError as error:
        sys.stdout.write(str(error))
    return 1


if __name__ == "__main__":
    sys.exit(main())
