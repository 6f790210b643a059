"""Every error of the project, on one screen.

An error carries a `code` and `params`, never a finished sentence: the sentence a person reads lives in
`demixer.domain.messages`, once per code, and is translated where it is shown.

What a consumer does with an error follows from its class:

    Refused, NotFound, Forbidden             rejected (and `schemas.errors.BadEvent`): no retry will help
    Transient                                retried with backoff, a bounded number of times
    anything else                            the process stops without committing, and is restarted
"""

from collections.abc import Mapping


class DemixerError(Exception):
    """Base of all our errors. `code` names the sentence in `demixer.domain.messages`; `params` fill it in."""

    code = "internal"
    http_status = 500

    def __init__(self, code: str | None = None, **params: object) -> None:
        self.code = code or type(self).code
        self.params: Mapping[str, object] = params
        super().__init__(self.code, params)

    def __str__(self) -> str:
        details = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"{self.code} ({details})" if details else self.code


class Refused(DemixerError):
    """What a person sent or asked for cannot be done: bad audio, a bad form, an unusable state."""

    code, http_status = "refused", 422


class TooLarge(Refused):
    """More bytes than `MAX_UPLOAD_MB`; raised while they arrive."""

    code, http_status = "too-large", 413


class NotFound(DemixerError):
    code, http_status = "not-found", 404


class Forbidden(DemixerError):
    code, http_status = "forbidden", 403


class NotSignedIn(DemixerError):
    code, http_status = "not-signed-in", 401


class TooMany(DemixerError):
    """Too many attempts in too short a time; `params["seconds"]` says how long to wait."""

    code, http_status = "too-many-attempts", 429


class Conflict(DemixerError):
    """Somebody else saved the same thing first. Load it again and decide anew (`demixer.services.optimistic`)."""

    code, http_status = "conflict", 409


class Transient(DemixerError):
    """Might work later: a busy engine, a full disk, a child process that ran out of time."""

    code, http_status = "try-again", 503


class StorageFull(Transient):
    code, http_status = "storage-full", 507


class ModelUnavailable(DemixerError):
    """The weights of a separation model are missing, damaged, or cannot be fetched."""

    code, http_status = "model-unavailable", 503


class SeparationFailed(DemixerError):
    """The engine could not finish: out of memory on the device, a crash of the worker."""

    code = "separation-failed"


class Cancelled(DemixerError):
    """Somebody asked for the work in hand to stop."""

    code, http_status = "cancelled", 409


class ConfigurationError(DemixerError):
    """A setting is wrong. `params["variable"]` names the environment variable, `hint` says what to do."""

    code = "configuration"

    def __str__(self) -> str:
        return f"{self.params.get('variable')}: {self.params.get('hint')}"
