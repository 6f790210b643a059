"""Signed URLs: whoever has one can get the file from the store for a while."""

from datetime import timedelta
from urllib.parse import quote, urlencode

import obstore

from demixer.adapters.common.object_keys import checked
from demixer.adapters.s3.errors import translated
from demixer.adapters.s3.location import Location, web_address

LIFE = timedelta(hours=1)


class S3Links:
    """`demixer.ports.Links` at `public_url`, where browsers reach the store that we reach at `location.endpoint`.

    The host name is part of what is signed: a proxy in between must pass it on unchanged.
    """

    def __init__(self, location: Location, public_url: str, life: timedelta = LIFE) -> None:
        self._location, self._life = location, life
        self._base = web_address(public_url, "the address", "FILES_PUBLIC_URL")

    def signed_url(self, key: str, *, media_type: str, disposition: str) -> str | None:
        asked = {"response-content-type": media_type, "response-content-disposition": disposition}
        address = self._location.address(self._base, quote(checked(key)))
        with translated(key):
            return self._signed(f"{address}?{urlencode(asked, quote_via=quote)}")

    def _signed(self, address: str) -> str:
        """obstore signs the address of an object, and has no parameter for a query. So the whole address is given as
        that of a bucket, and what obstore appends for the object falls behind the “#”, which no browser sends."""
        return obstore.sign(self._location.open(f"{address}#", own_host=True), "GET", "", self._life).partition("#")[0]
