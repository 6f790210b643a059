"""What a person reads for each error code: what happened, and what to do. One sentence each way, in English here;
translations are in `web/translations`. `%(name)s` is filled in from the error's params.
"""

from collections.abc import Mapping
from typing import Any


def N_(text: str) -> str:  # noqa: N802 - the name that pybabel extracts by
    """Mark a text for translation without translating it."""
    return text


MESSAGES: Mapping[str, str] = {
    "internal": N_("Something went wrong on our side. It has been noted; please try again in a moment."),
    "try-again": N_("The service is busy. Please try again in a moment."),
    "conflict": N_("This was changed somewhere else in the meantime. Load the page again and repeat your change."),
    "not-found": N_("There is nothing at this address. It may have been removed, or the address has a typo."),
    "forbidden": N_("This is not yours to change."),
    "not-signed-in": N_("Please sign in first."),
    "refused": N_("This cannot be done."),
    "bad-request": N_("The request did not arrive whole, or could not be understood. Please send it again."),
    "method-not-allowed": N_("This address does not take that kind of request."),
    "cancelled": N_("This was cancelled."),
    "storage-full": N_(
        "The disk of the server is full, so this could not be done. "
        "Please tell who runs the server, and try again later."
    ),
    # uploads
    "no-file": N_("No file arrived. Choose an audio file and send it again."),
    "one-file": N_("Send one file with each request. Nothing of this one was kept."),
    "too-many-files": N_(
        "These are too many files at once: at most %(limit)s. Nothing was kept; send them in smaller groups."
    ),
    "empty-file": N_("The file is empty. Check it on your device and send it again."),
    "too-large": N_("The file is larger than %(limit_mb)s MB. Send it in a smaller format, such as MP3 or FLAC."),
    "too-long": N_(
        "The song is longer than this server takes (%(max_minutes)s min). Cut it into parts and send them one by one."
    ),
    "too-short": N_("Less than %(min_seconds)s seconds of sound could be read. Send a longer recording."),
    "not-audio": N_(
        "This is not an audio file we can read. Send MP3, FLAC, WAV, AIFF, Ogg, Opus, M4A, WMA, WebM, MP4 or MKV."
    ),
    "damaged-audio": N_("The file is damaged: its sound cannot be read. Export or download it again."),
    "no-sound": N_("This video has no sound. Send a file with an audio track."),
    "silent": N_(
        "The recording is silent from beginning to end. Check that it plays on your device, and send another file."
    ),
    "took-too-long": N_("Reading this file took too long, so we stopped. Convert it to MP3 or FLAC and send it again."),
    "cannot-cancel": N_("This upload has already ended, so there is nothing to cancel."),
    "cannot-retry": N_("Only an upload that failed can be tried again."),
    "file-gone": N_("The file is no longer here. Please send it again."),
    # fingerprints that a browser made
    "bad-print": N_(
        "This is not a fingerprint: send what Chromaprint gives for the whole song, "
        "as whole numbers from 0 to 4294967295, and its duration in seconds."
    ),
    "print-duration": N_("The duration does not fit the fingerprint. Both must be those of the whole song."),
    "print-too-long": N_(
        "This fingerprint is longer than that of the longest song this server takes (%(max_minutes)s min)."
    ),
    # separation
    "model-unavailable": N_(
        "The separation model %(model)s is not available on this server: %(reason)s. "
        "Who runs it can see why with “demixer check”."
    ),
    "separation-failed": N_("The separation stopped with an error. You can try it again."),
    "out-of-memory": N_(
        "The song does not fit into the memory of %(device)s. "
        "Try again later, or ask who runs this server to use another device."
    ),
    "worker-died": N_("The separation stopped unexpectedly, most likely for lack of memory. You can try it again."),
    "not-one": N_("These songs are not the same recording in the same mix. To merge them all the same, say --anyway."),
    "same-song": N_("These are one song already."),
    "not-ready": N_("Only songs that have stems can be merged."),
    "not-merged": N_("This song was not merged into another one."),
    "song-state": N_("That cannot be done with this song now: it is %(state)s."),
    "taken-down": N_("This recording was removed from this server and cannot be added again."),
    "no-better-model": N_("There is no better model on this server than the one that made these stems."),
    # accounts
    "email-taken": N_("There is already an account with this e-mail. Sign in instead."),
    "email-invalid": N_("This does not look like an e-mail address."),
    "password-short": N_("Use at least %(length)s characters for the password."),
    "wrong-credentials": N_("E-mail or password is not right."),
    "no-such-account": N_("There is no account with this e-mail."),
    "too-many-attempts": N_("That was tried too often. Wait %(seconds)s seconds and try again."),
    "bad-token": N_("This token is not known here. Make a new one on the account page."),
    "csrf": N_("This form was open for too long or came from elsewhere. Load the page again and repeat it."),
    # catalogue
    "no-such-song": N_("There is no such song. It may have been removed."),
    "no-such-stem": N_("This song has no such stem."),
    "no-such-upload": N_("There is no such upload."),
    "bad-year": N_("The year must be a number between 1000 and 2999."),
    "bad-cover": N_("This picture cannot be read. Send a JPEG, PNG or WebP of at most 5 MB."),
    "text-long": N_("This text is too long: at most %(length)s characters."),
    "no-such-letter": N_("There is no dead letter of this name, or it was sent again already."),
    "bad-event": N_("A message could not be understood."),
    "configuration": N_("%(variable)s: %(hint)s"),
}


def sentence(code: str, params: Mapping[str, Any]) -> str:
    """The English sentence for `code`. An unknown code reads as `internal`."""
    return fill(MESSAGES.get(code, MESSAGES["internal"]), params)


def fill(template: str, params: Mapping[str, Any]) -> str:
    """Put `params` into `template`; a missing one shows as a dash rather than failing."""
    return template % _Dashes(params)


class _Dashes(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "–"
