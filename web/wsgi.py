"""For a WSGI server of one's own: `web.wsgi:app`, with settings from the environment. `demixer web` does not use it."""

import atexit

from demixer.runtime.settings import load
from demixer.wiring import open_services
from web.app import close, create_app

_services = open_services(load())
app = create_app(_services)
atexit.register(_services.close)
atexit.register(close, app)
