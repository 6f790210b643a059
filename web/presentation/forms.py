"""The forms that people fill in: their fields, what is checked of each, and the messages beside them.

The CSRF token is no field of theirs: `web.http.security` checks it before the view.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from flask import request
from flask_wtf.file import FileField
from werkzeug.datastructures import CombinedMultiDict
from wtforms import Field, PasswordField, StringField, ValidationError
from wtforms import Form as BaseForm

from demixer.audio.cover import clean_cover
from demixer.domain import Song, Tags
from demixer.domain.errors import DemixerError, Refused
from demixer.services.songs import TEXT_LENGTH
from web.presentation.labels import translated
from web.presentation.text import without_control_characters

PERSON_NAME_LENGTH = 100  # characters
PASSWORD_LENGTH = 1_000  # characters that are looked at; hashing more takes its time
COVER_BYTES = 5 * 1024 * 1024


def clean(value: object) -> str:
    """No control characters, no space around. "" for a field that was not sent, or sent as a file."""
    return without_control_characters(value).strip() if isinstance(value, str) else ""


def at_most(length: int) -> Callable[[BaseForm, Field], None]:
    """A validator: at most so many characters."""

    def check(form: BaseForm, field: Field) -> None:
        if len(field.data) > length:
            raise ValidationError(translated("text-long", {"length": length}))

    return check


def four_digits(form: BaseForm, field: Field) -> None:
    """A validator of a year; "" is none."""
    if field.data and not (field.data.isdecimal() and len(field.data) == 4):
        raise ValidationError(translated("bad-year", {}))


class Form(BaseForm):  # type: ignore[misc]  # WTForms publishes no types
    """`error_fields`: beside which field the error of a use case is shown, by its code; "" stands for all others."""

    error_fields: ClassVar[Mapping[str, str]] = {}

    def add_error(self, error: DemixerError) -> None:
        field = self[self.error_fields.get(error.code) or self.error_fields[""]]
        field.errors = [*field.errors, translated(error.code, error.params)]


class SignUpForm(Form):
    error_fields: ClassVar = {"password-short": "password", "": "email"}

    email = StringField(filters=[clean])
    name = StringField(filters=[clean], validators=[at_most(PERSON_NAME_LENGTH)])
    password = PasswordField(filters=[lambda value: (value or "")[:PASSWORD_LENGTH]])


class SignInForm(Form):
    error_fields: ClassVar = {"": "password"}

    email = StringField(filters=[clean])
    password = PasswordField(filters=[lambda value: (value or "")[:PASSWORD_LENGTH]])


class TagsForm(Form):
    """The optional tags beside a file that is sent."""

    artist = StringField(filters=[clean], validators=[at_most(TEXT_LENGTH)])
    album = StringField(filters=[clean], validators=[at_most(TEXT_LENGTH)])
    title = StringField(filters=[clean], validators=[at_most(TEXT_LENGTH)])

    def tags(self) -> Tags:
        return Tags(artist=self.artist.data, album=self.album.data, title=self.title.data)


class SongForm(TagsForm):
    """`cover_jpeg` is the cleaned cover once the form was validated, None where no other one was sent."""

    error_fields: ClassVar = {"bad-year": "year", "": "title"}

    year = StringField(filters=[clean], validators=[four_digits])
    cover = FileField()
    cover_jpeg: bytes | None = None

    @classmethod
    def of(cls, song: Song) -> "SongForm":
        tags = song.tags
        return cls(data={"artist": tags.artist, "album": tags.album, "title": tags.title, "year": str(tags.year or "")})

    @classmethod
    def sent(cls) -> "SongForm":
        return cls(CombinedMultiDict((request.form, request.files)))

    def tags(self) -> Tags:
        year = int(self.year.data) if self.year.data else None
        return Tags(artist=self.artist.data, album=self.album.data, title=self.title.data, year=year)

    def validate_cover(self, field: Field) -> None:
        data = field.data.read(COVER_BYTES + 1) if field.data else b""
        self.cover_jpeg = clean_cover(data) if 0 < len(data) <= COVER_BYTES else None
        if data and self.cover_jpeg is None:
            raise ValidationError(translated("bad-cover", {}))


def sent_tags() -> Tags:
    """The tags beside a file. Raises `Refused("text-long")`: such a form has no page of its own to come back on."""
    form = TagsForm(request.form)
    if not form.validate():
        raise Refused("text-long", length=TEXT_LENGTH)
    return form.tags()
