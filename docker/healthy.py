"""The health check of a container: exit code 0 if `/readyz` of its process answers 200, else 1. Prints the answer."""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT = 4.0  # seconds; less than the timeout of HEALTHCHECK in the Dockerfile
PORT_VARIABLES = ("METRICS_PORT", "PORT")  # the first that is set; only the web server has PORT
DEFAULT_PORT = 8000  # the default of PORT


def main() -> int:
    port = next((port for name in PORT_VARIABLES if (port := int(os.environ.get(name) or 0))), DEFAULT_PORT)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=TIMEOUT) as answer:
            sys.stdout.write(answer.read().decode())
        return 0
    except urllib.error.HTTPError as error:
        sys.stdout.write(error.read().decode())
    except OSError as error:
        sys.stdout.write(str(error))
    return 1


if __name__ == "__main__":
    sys.exit(main())
