"""The commands that talk to a server, and the one that starts it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import islice
from secrets import token_urlsafe
from typing import Any

import click

from pdemill import console
from pdemill.arguments import worker_count
from pdemill.client import Client, Job
from pdemill.engine import engine
from pdemill.errors import JobError
from pdemill.spec.load import override, read_preset, read_spec
from pdemill.spec.mixture import is_mixture

ROLES = ("user", "admin", "metrics")
ACTIONS = {
    "pause": ("paused", True), "resume": ("paused", False), "drain": ("drained", True), "admit": ("drained", False),
}  # fmt: skip
STATUSES = ("accepted", "running", "successful", "failed", "dismissed")


def _worker_number(context: click.Context, parameter: click.Parameter, value: int) -> int:
    if value == 0 or value < -1:
        raise click.BadParameter(f"should be 1 or more, or -1 for all cores, not {value}")
    return worker_count(value)


def workers[F: Callable[..., Any]](explained: str) -> Callable[[F], F]:
    """The option --workers, with what it counts."""
    return click.option(
        "--workers", default=1, show_default=True, type=int, callback=_worker_number, metavar="N", help=explained
    )


def chosen(spec: str | None, preset: str | None) -> dict[str, Any]:
    """The spec in a file or a preset, whichever was given."""
    if (spec is None) == (preset is None):
        raise click.UsageError("give a SPEC file or --preset NAME, not both")
    return read_spec(spec) if spec is not None else read_preset(str(preset))


def server_options[F: Callable[..., Any]](command: F) -> F:
    """The options of every command that talks to a server."""
    command = click.option(
        "--api-key", envvar="PDEMILL_API_KEY", metavar="KEY", help="Where the server needs one (PDEMILL_API_KEY)."
    )(command)
    return click.option(
        "--server", envvar="PDEMILL_SERVER", default="http://127.0.0.1:8000", show_default=True, metavar="URL",
        help="The server (PDEMILL_SERVER).",
    )(command)  # fmt: skip


_data_dir = click.option(
    "--data-dir", envvar="PDEMILL_DATA_DIR", default="pdemill-data", show_default=True, metavar="DIR",
    help="Where jobs and stores are kept (PDEMILL_DATA_DIR).",
)  # fmt: skip
_state_dir = click.option(
    "--state-dir", envvar="PDEMILL_STATE_DIR", metavar="DIR",
    help="Where all is kept but the stores, if elsewhere (PDEMILL_STATE_DIR).",
)  # fmt: skip


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@workers("Shards solved at a time; -1: as many as there are cores.")
@_data_dir
@_state_dir
def serve(host: str, port: int, workers: int, data_dir: str, state_dir: str | None) -> None:
    """Start the service: broker, workers and API, watched over, until Ctrl-C."""
    engine.serve(data_dir, state_dir, host, port, workers, console.errors.print)


@click.group()
def ledger() -> None:
    """Look after the ledger of a server, its list of jobs."""


@ledger.command()
@_data_dir
@_state_dir
@click.option("--owner", metavar="NAME", help="Whose jobs those are that only their stores tell of.")
def rebuild(data_dir: str, state_dir: str | None, owner: str | None) -> None:
    """Make a damaged ledger anew from its backup and the stores; the server must be stopped."""
    engine.rebuild_ledger(data_dir, state_dir, owner, console.out.print)


@click.command()
@click.argument("spec", required=False)
@click.option("--preset", metavar="NAME", help="A preset instead of a SPEC file; see 'pdemill presets'.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a value, e.g. --set samples=10.")
@click.option("--name", default="", metavar="TEXT", help="What to call the job.")
@click.option("--lengthen", default="", metavar="ID", help="Go on with trajectories of a finished job of fewer times.")
@click.option("--grow", default="", metavar="ID", help="Take over the shards of a job with smaller splits, or fewer.")
@click.option("--wait", is_flag=True, help="Show progress until the job is finished.")
@server_options
def submit(
    spec: str | None,
    preset: str | None,
    settings: tuple[str, ...],
    name: str,
    lengthen: str,
    grow: str,
    wait: bool,
    server: str,
    api_key: str | None,
) -> None:
    """Submit a spec to a server."""
    told = chosen(spec, preset)
    with Client(server, api_key) as client:
        if is_mixture(told):
            if lengthen or grow:
                raise click.UsageError("--lengthen and --grow are of one store: submit a member of the mixture")
            _submit_mixture(client, override(told, settings), name, wait)
            return
        job = client.submit(told, settings, name, lengthen, grow)
        console.errors.print(f"job {job.id} ({job.status}), {console.estimated(job.state)}")
        if wait:
            try:
                with console.Bar() as bar:
                    job.wait(watcher=bar)
            except KeyboardInterrupt:
                raise JobError(f"not waiting any more; job {job.id} goes on (pdemill cancel {job.id})") from None
            console.print_results(job.results())
        else:
            console.out.print(job.id)


def _submit_mixture(client: Client, spec: dict[str, Any], name: str, wait: bool) -> None:
    """Submit a mixture; a line for each member tells its job."""
    found = client.submit_mixture(spec, name=name)
    for member, job in found.jobs.items():
        console.out.print(f"{member} {job.id}")
    if wait:
        found.wait()


@click.command()
@click.argument("job")
@server_options
def status(job: str, server: str, api_key: str | None) -> None:
    """Show how a job is doing. Exit status 1 if it failed or was dismissed."""
    with Client(server, api_key) as client:
        found = client.job(job)
        console.print_job(found.state)
        if found.status in ("failed", "dismissed"):
            sys.exit(1)


@click.command()
@click.argument("job")
@server_options
def cancel(job: str, server: str, api_key: str | None) -> None:
    """Cancel a job; its finished shards stay."""
    with Client(server, api_key) as client:
        found = client.job(job)
        if found.finished:
            raise JobError(f"job {job} is {found.status} already")
        console.print_job(found.cancel().state)


@click.command()
@click.argument("job")
@click.option(
    "--hours", default=24.0, show_default=True, type=click.FloatRange(0, 168, min_open=True), help="How long it lasts."
)
@server_options
def link(job: str, hours: float, server: str, api_key: str | None) -> None:
    """Make a link to the store of a job, which others can read without a key ('pdemill pull LINK')."""
    with Client(server, api_key) as client:
        console.out.print(client.job(job).link(max(1, round(3600 * hours))), soft_wrap=True)


@click.command(name="list")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs of this status.")
@click.option("--owner", metavar="NAME", help="The jobs of NAME, or of all with '*'; for admins.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="At most so many.")
@server_options
def list_jobs(status: str | None, owner: str | None, limit: int, server: str, api_key: str | None) -> None:
    """List your jobs, newest first."""
    with Client(server, api_key) as client:
        jobs: list[Job] = list(islice(client.jobs(status, owner), limit))
    console.print_jobs([job.state for job in jobs], owners=owner is not None)


@click.command()
@click.argument("action", required=False, type=click.Choice(list(ACTIONS)))
@server_options
def server(action: str | None, server: str, api_key: str | None) -> None:
    """Show whether a server is paused (hands out no work) or drained (takes no new jobs); with ACTION, change it."""
    with Client(server, api_key) as client:
        found = client.switches() if action is None else client.switch(*ACTIONS[action])
    console.out.print(", ".join(name for name, on in found.items() if on) or "at work")


def _end(context: click.Context, parameter: click.Parameter, value: str | None) -> date | None:
    """The day on which a key ends."""
    if value is None:
        return None
    if (days := value.removesuffix("d")).isdecimal() and len(days) <= 5:
        return datetime.now(UTC).date() + timedelta(days=int(days))
    try:
        return date.fromisoformat(value)
    except ValueError:
        said = f"should be a day such as 2027-01-31, or days from now such as 90d, not {value!r}"
        raise click.BadParameter(said) from None


@click.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="user", show_default=True, help="What the key may do.")
@click.option("--expires", callback=_end, metavar="DAY", help="When it ends, by UTC: 2027-01-31, or 90d from now.")
def key(name: str, role: str, expires: date | None) -> None:
    """Make an API key for NAME: the key goes to its user, the entry into the file that PDEMILL_API_KEYS names."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
        raise click.BadParameter("use up to 64 letters, digits, dots, - and _", param_hint="NAME")
    secret = token_urlsafe(32)
    console.errors.print(f"key (shown once): {secret}")
    more = f", role: {role}" if role != "user" else ""
    more += f", expires: {expires}" if expires is not None else ""
    console.out.print(f"- {{name: {name}, sha256: {sha256(secret.encode()).hexdigest()}{more}}}", soft_wrap=True)


COMMANDS = (serve, ledger, submit, status, cancel, link, list_jobs, server, key)
