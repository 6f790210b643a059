"""For a WSGI server of one's own: `web.wsgi:app`, with settings from the environment. `demixer web` needs it not."""

import atexit

from demixer.runtime.settings import load
from demixer.wiring import open_house
from web.app import close, create_app

_house = open_house(load())
app = create_app(_house)
atexit.register(_house.close)
atexit.register(close, app)
