from operations.doctor.kafka import READERS
from operations.keeper.billing import READS
from schemas.topics import EVENT_TOPICS
from stream_processors.groups import LEDGER_WRITER_READS, PROCESSORS_GROUP
from stream_processors.notifications.agents import AGENTS


def test_each_agent_reads_a_topic_of_events_in_a_group_of_its_own() -> None:
    assert {agent.topic for agent in AGENTS} <= set(EVENT_TOPICS)
    assert len({agent.group for agent in AGENTS}) == len(AGENTS)


def test_nobody_waits_for_the_groups_of_the_agents() -> None:
    waited_for = {PROCESSORS_GROUP, *LEDGER_WRITER_READS, *READERS, *READS}
    assert waited_for.isdisjoint(agent.group for agent in AGENTS)
