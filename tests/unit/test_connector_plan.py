from connectors.plan import HIDDEN, RUNNING, STATE, Action, ActionKind, Actual, Change, plan

CONFIG = {"connector.class": "Postgres", "poll.interval.ms": "5"}


def running(config: dict[str, str]) -> Actual:
    return Actual(config, RUNNING)


def test_a_connector_that_connect_does_not_have_is_created_with_all_its_keys() -> None:
    assert plan({"outbox": CONFIG}, {}) == (
        Action(
            ActionKind.CREATE,
            "outbox",
            (
                Change("connector.class", None, "Postgres"),
                Change("poll.interval.ms", None, "5"),
            ),
        ),
    )


def test_a_connector_that_runs_as_defined_needs_nothing() -> None:
    assert plan({"outbox": CONFIG}, {"outbox": running(CONFIG)}) == (
        Action(ActionKind.NOTHING, "outbox", ()),
    )


def test_the_name_that_connect_adds_to_a_configuration_is_no_difference() -> None:
    actual = running({**CONFIG, "name": "outbox"})
    assert plan({"outbox": CONFIG}, {"outbox": actual})[0].kind is ActionKind.NOTHING


def test_an_update_lists_the_changed_the_added_and_the_removed_keys_in_order() -> None:
    actual = running({"connector.class": "Postgres", "poll.interval.ms": "500", "zombie": "yes"})
    desired = {**CONFIG, "acks": "all"}
    assert plan({"outbox": desired}, {"outbox": actual}) == (
        Action(
            ActionKind.UPDATE,
            "outbox",
            (
                Change("acks", None, "all"),
                Change("poll.interval.ms", "500", "5"),
                Change("zombie", "yes", None),
            ),
        ),
    )


def test_a_connector_that_is_paused_differs_in_its_state() -> None:
    assert plan({"outbox": CONFIG}, {"outbox": Actual(CONFIG, "PAUSED")}) == (
        Action(ActionKind.UPDATE, "outbox", (Change(STATE, "PAUSED", RUNNING),)),
    )


def test_state_and_configuration_can_differ_at_once() -> None:
    actual = Actual({**CONFIG, "poll.interval.ms": "1"}, "STOPPED")
    assert [change.key for change in plan({"outbox": CONFIG}, {"outbox": actual})[0].changes] == [
        STATE,
        "poll.interval.ms",
    ]


def test_a_connector_of_somebody_else_is_left_alone() -> None:
    actions = plan({"outbox": CONFIG}, {"outbox": running(CONFIG), "theirs": running({"x": "1"})})
    assert [action.connector for action in actions] == ["outbox"]


def test_connectors_are_planned_in_order_of_name() -> None:
    actions = plan({"zebra": CONFIG, "ant": CONFIG}, {"ant": running(CONFIG)})
    assert [(action.connector, action.kind) for action in actions] == [
        ("ant", ActionKind.NOTHING),
        ("zebra", ActionKind.CREATE),
    ]


def test_a_secret_is_never_shown_but_its_change_is() -> None:
    for key in (
        "database.password",
        "ssl.key.passphrase",
        "oauth.client.secret",
        "api.token",
        "producer.override.sasl.jaas.config",
        "database.PASSWORD",
    ):
        (action,) = plan({"outbox": {key: "new-hidden"}}, {"outbox": running({key: "old-hidden"})})
        assert action.changes == (Change(key, HIDDEN, HIDDEN),)


def test_a_reference_to_a_secret_is_shown_and_the_secret_it_replaces_is_not() -> None:
    reference = "${file:/secrets/postgres.properties:database.password}"
    desired = {"outbox": {"database.password": reference}}
    actual = {"outbox": running({"database.password": "plain"})}
    (action,) = plan(desired, actual)
    assert action.changes == (Change("database.password", HIDDEN, reference),)


def test_a_secret_with_a_reference_inside_is_still_hidden() -> None:
    (action,) = plan({"outbox": {"database.password": "plain${file:/a:b}"}}, {})
    assert action.changes == (Change("database.password", None, HIDDEN),)
