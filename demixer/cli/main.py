"""The command line. Every command reads the same settings as the service, and imports what it needs when it runs."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from demixer.domain.errors import ConfigurationError, DemixerError
from demixer.domain.messages import sentence

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130  # exit codes

_parent = click.option("--parent", type=int, hidden=True, help="End with this process.")


@click.group()
@click.version_option(package_name="isolaatti-demixer", prog_name="demixer", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show where an unexpected error came from.")
def cli(debug: bool) -> None:
    """Send a song, get its stems. Settings come from the environment: see docs/configuration.md."""


@cli.command()
@click.argument("song", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("stems"), show_default=True)
@click.option("--model", help="Instead of MODEL, such as htdemucs_ft.")
@click.option("--device", help="Instead of DEVICE: auto, cpu, cuda or mps.")
def separate(song: Path, out: Path, model: str | None, device: str | None) -> None:
    """Separate one file on this machine, without any server."""
    from demixer.cli import separate

    separate.separate(song, out, model, device)


@cli.command()
def run() -> None:
    """Start everything, and keep it running: the web server and all consumers."""
    from demixer.cli import service

    service.run()


@cli.command()
@_parent
def web(parent: int | None) -> None:
    """Start the web server alone."""
    from demixer.cli import service

    service.web(parent)


@cli.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_parent
def consume(names: Sequence[str], parent: int | None) -> None:
    """Start consumers in this process: fingerprint, match, separate, index, maintenance."""
    from demixer.cli import service

    sys.exit(service.consume(names, parent))


@cli.command()
def check() -> None:
    """Open every engine and the model, and say what is found."""
    from demixer.cli import maintenance

    sys.exit(maintenance.check())


@cli.command()
@click.option("--fingerprints", is_flag=True, help="The fingerprint index, too.")
def reindex(fingerprints: bool) -> None:
    """Make the search index anew from the catalogue, while the service runs."""
    from demixer.cli import maintenance

    maintenance.reindex(fingerprints)


@cli.command()
@click.option("--from", "source", metavar="INSTALLATION", help="What is carried. Left out: what the settings name.")
@click.option("--to", "target", metavar="INSTALLATION", help="Where to. Left out: what the settings name.")
@click.option("--verify-only", is_flag=True, help="Carry nothing; compare what both hold.")
@click.option("--quick", is_flag=True, help="Compare files by their size only, without reading them.")
@click.option("--again", is_flag=True, help="Into a target that was finished before: what it got since is lost.")
def migrate(source: str | None, target: str | None, verify_only: bool, quick: bool, again: bool) -> None:
    """Carry a whole installation to other engines, and back.

    INSTALLATION is file:///path/to/DATA_DIR for one that is all in that folder, or env:///path/to/file for one whose
    settings stand in that file, one NAME=value a line. Stop both services first. Stopped half-way, the same command
    goes on. The source is only read; everything is counted and compared in the end.
    """
    from demixer.cli import migrate

    sys.exit(migrate.migrate(source, target, verify_only=verify_only, quick=quick, again=again))


@cli.command()
@click.option("--merge", is_flag=True, help="Merge them. It can be undone, song by song: demixer unmerge.")
def duplicates(merge: bool) -> None:
    """Find songs that are one: the same recording in the same mix.

    Prints a pair a line: the song to merge and the one to keep, as `demixer merge` takes them, and their names.
    The one to keep has better stems, or else fuller names, or else was here first.
    """
    from demixer.cli import duplicates

    duplicates.find(merge)


@cli.command()
@click.argument("song_id")
@click.argument("into_id")
@click.option("--anyway", is_flag=True, help="Even if they do not sound the same.")
def merge(song_id: str, into_id: str, anyway: bool) -> None:
    """Let INTO_ID stand for SONG_ID, too. All links go on working, and it can be undone."""
    from demixer.cli import duplicates

    duplicates.merge(song_id, into_id, anyway)


@cli.command()
@click.argument("song_id")
def unmerge(song_id: str) -> None:
    """Undo the merging of SONG_ID: it stands for itself again."""
    from demixer.cli import duplicates

    duplicates.unmerge(song_id)


@cli.command("separate-again")
@click.argument("song_ids", nargs=-1, metavar="[SONG_ID]...")
@click.option("--all", "every", is_flag=True, help="Every song whose stems a better model could make.")
def separate_again(song_ids: Sequence[str], every: bool) -> None:
    """Let the present model separate songs that a lesser one separated."""
    from demixer.cli import maintenance

    sys.exit(maintenance.separate_again(song_ids, every))


@cli.group()
def account() -> None:
    """People's accounts."""


@account.command("create")
@click.argument("email")
def create_account(email: str) -> None:
    """Create an account. Asks for the password, or reads it from standard input."""
    from demixer.cli import accounts

    accounts.create_account(email)


@cli.group()
def token() -> None:
    """Tokens for the API."""


@token.command("create")
@click.argument("email")
def create_token(email: str) -> None:
    """Print a new token, alone."""
    from demixer.cli import accounts

    accounts.create_token(email)


@cli.group("dead-letters")
def dead_letters() -> None:
    """Messages that could not be handled."""


@dead_letters.command("list")
def list_letters() -> None:
    """Those that were not replayed yet."""
    from demixer.cli import dead_letters as letters

    letters.list_all()


@dead_letters.command("show")
@click.argument("letter_id")
def show_letter(letter_id: str) -> None:
    """All of one: why, from where, and the message itself."""
    from demixer.cli import dead_letters as letters

    letters.show(letter_id)


@dead_letters.command("replay")
@click.argument("letter_ids", nargs=-1, metavar="[LETTER_ID]...")
@click.option("--all", "every", is_flag=True, help="All that are listed.")
def replay_letters(letter_ids: Sequence[str], every: bool) -> None:
    """Try them once more."""
    from demixer.cli import dead_letters as letters

    letters.replay(letter_ids, every)


@cli.group()
def topics() -> None:
    """The topics of the event log."""


@topics.command("create")
def create_topics() -> None:
    """Make the topics, where the engine wants them made, and print them."""
    from demixer.cli import maintenance

    maintenance.create_topics()


def run_command(arguments: Sequence[str]) -> int:
    """The exit code. An error is one sentence on standard error."""
    try:
        code = cli.main(list(arguments), prog_name="demixer", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else FAILED
    except click.exceptions.Abort:
        return _said("Stopped.", INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except DemixerError as error:
        code = WRONG_USE if isinstance(error, ConfigurationError) else FAILED
        return _said(sentence(error.code, error.params), code)
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _said(f"This did not work: {type(error).__name__}: {error} (demixer --debug shows where)", FAILED)


def _said(text: str, code: int) -> int:
    click.echo(text, err=True)
    return code


def main() -> None:
    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
