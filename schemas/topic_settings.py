"""Set a cluster's topics back to the catalogue: `python -m schemas.topic_settings`.

Never done by itself: a retention that somebody lengthened would be shortened without a word.
"""

import sys
from collections.abc import Mapping

import click
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from schemas.topics import TOPICS, connect, create_missing_topics, verify_topics

_TIMEOUT_SECONDS = 15.0


def set_back(admin: AdminClient) -> None:
    """Give every topic that is there the settings of the catalogue; the others stay."""
    there = admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
    alter(admin, {topic.name: topic.config for topic in TOPICS if topic.name in there})


def alter(admin: AdminClient, settings: Mapping[str, Mapping[str, str]]) -> None:
    """Give topics settings, by topic and name; those that are not named stay."""
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            topic,
            incremental_configs=[
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in values.items()
            ],
        )
        for topic, values in settings.items()
    ]
    answers = admin.incremental_alter_configs(resources, request_timeout=_TIMEOUT_SECONDS)
    for answer in answers.values():
        answer.result(2 * _TIMEOUT_SECONDS)


@click.command()
@click.option("--bootstrap-servers", required=True, help="Where Kafka clients start.")
def main(bootstrap_servers: str) -> None:
    """Create the topics that are missing, and set the others back to the catalogue.

    A number of partitions stays as it is: keys would land elsewhere. Exit code 1 if anything still
    differs, 3 if Kafka does not answer.
    """
    admin = connect(bootstrap_servers)
    try:
        for name in create_missing_topics(bootstrap_servers, admin=admin):
            click.echo(f"created {name}", err=True)
        set_back(admin)
        differences = verify_topics(bootstrap_servers, admin=admin)
    except (ConnectionError, KafkaException) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(3)
    for difference in differences:
        click.echo(difference)
    if differences:
        sys.exit(1)


if __name__ == "__main__":
    main()
