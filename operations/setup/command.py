"""`outbox setup database|topics|acls`."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from infra.postgres.migrate import apply_migrations
from infra.postgres.prepare import prepare_database
from operations.command_line import Group
from operations.failures import PROBLEM
from operations.output import output_option, print_table_or_json, say
from operations.settings import load_settings
from operations.setup.acls import GRANTS, ROLES, kafka_acls_command, principals
from operations.setup.database import database_of, role_passwords
from operations.setup.granting import give
from schemas.topic_creation import connect, create_missing_topics, set_back, verify_topics
from schemas.topics import TOPICS, scaled


@click.group(
    cls=Group,
    examples=("outbox setup database", "outbox setup topics", "outbox setup acls --commands"),
)
def setup() -> None:
    """Make what a system needs on servers that others run; then `outbox connectors apply`.

    Each may be called again at any time, and changes nothing that is there. For the local stack
    `outbox up` does all of it.
    """


@setup.command(
    "database", examples=("outbox setup database", "outbox setup database --migrations-only")
)
@click.option(
    "--migrations-only",
    is_flag=True,
    help="Bring the tables up to date, as their owner; no superuser is needed.",
)
def database_verb(*, migrations_only: bool) -> None:
    """Make roles, database, tables and, before the first event, the replication slot.

    As the superuser of OUTBOX_ADMIN_DATABASE_URL; the database is the one of OUTBOX_DATABASE_URL.
    Each role is given the password in OUTBOX_OWNER_PASSWORD, OUTBOX_APPLICATION_PASSWORD,
    OUTBOX_CONNECTOR_PASSWORD, OUTBOX_LEDGER_WRITER_PASSWORD and OUTBOX_AUDITOR_PASSWORD, also if it
    is there already.
    """
    settings = load_settings()
    url = settings.need("database_url")
    if migrations_only:
        applied = apply_migrations(url)
    else:
        admin_url = settings.need("admin_database_url")
        applied = prepare_database(admin_url, role_passwords(), database_of(url))
    for name in applied:
        click.echo(name)
    say(f"The database is up to date: {len(applied)} migrations were applied.")


@setup.command("topics", examples=("outbox setup topics", "outbox setup topics --set-back"))
@click.option(
    "--set-back",
    "setting_back",
    is_flag=True,
    help="Give the topics that are there the settings of the catalogue again.",
)
@output_option
@click.pass_context
def topics_verb(ctx: click.Context, output: str, *, setting_back: bool) -> None:
    """Make the topics that are missing, and say where the others differ from the catalogue.

    OUTBOX_TOPIC_PARTITIONS, OUTBOX_TOPIC_REPLICATION_FACTOR and OUTBOX_TOPIC_MIN_INSYNC_REPLICAS
    say how large they are; of those that are there neither partitions nor copies are changed: keys
    would land elsewhere. Exit code 1 if anything differs.
    """
    settings = load_settings()
    brokers = settings.brokers()
    admin = connect(brokers)
    wanted = scaled(TOPICS, settings.scale)
    created = create_missing_topics(brokers, wanted, admin=admin)
    if setting_back:
        set_back(admin, wanted)
    differences = verify_topics(brokers, wanted, admin=admin)
    say(f"{len(created)} topics were created; {len(wanted) - len(created)} were there.")
    print_table_or_json([{"difference": text} for text in differences], output, ("difference",))
    if differences:
        ctx.exit(PROBLEM)


def _chosen(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    chosen = dict(value.partition("=")[::2] for value in values)
    for role, principal in chosen.items():
        if role not in ROLES or not principal:
            raise click.BadParameter(f"{role!r}: write ROLE=PRINCIPAL, of {', '.join(ROLES)}")
    return chosen


@setup.command(
    "acls",
    examples=(
        "outbox setup acls",
        "outbox setup acls --commands",
        "outbox setup acls --apply --principal worker=User:CN=worker.example.org",
    ),
)
@click.option(
    "--principal",
    "chosen",
    multiple=True,
    metavar="ROLE=PRINCIPAL",
    callback=_chosen,
    help="As whom Kafka knows a role; default: User:outbox-ROLE.",
)
@click.option("--commands", is_flag=True, help="Print them as lines for kafka-acls.sh.")
@click.option("--apply", "applying", is_flag=True, help="Give these rights now.")
@output_option
def acls_verb(chosen: dict[str, str], output: str, *, commands: bool, applying: bool) -> None:
    """List the rights on the cluster that each role needs, and no more; or give them.

    The roles: `connect` is Kafka Connect; `worker`, `ledger-writer` and `notifications` are the
    processes of that name; `observer` is for the connector-keeper and the scheduler; `console` for
    the console; `operator` for whoever runs this command line.
    """
    principal_of = principals(chosen)
    if commands:
        for grant in GRANTS:
            click.echo(kafka_acls_command(grant, principal_of[grant.role]))
    else:
        rows = [{"principal": principal_of[grant.role], **asdict(grant)} for grant in GRANTS]
        columns = ("role", "principal", "resource", "name", "pattern", "operations")
        print_table_or_json(rows, output, columns)
    if applying:
        give(load_settings().brokers(), GRANTS, principal_of)
        say(
            f"Given: {sum(len(grant.operations) for grant in GRANTS)} rights of {len(ROLES)} roles."
        )
