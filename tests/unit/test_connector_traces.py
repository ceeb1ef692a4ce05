from connectors.traces import causes

TRACE = """org.apache.kafka.connect.errors.ConnectException: An exception occurred. Stopped.
\tat io.debezium.pipeline.ErrorHandler.setProducerThrowable(ErrorHandler.java:67)
\tat java.base/java.lang.Thread.run(Unknown Source)
Caused by: io.debezium.DebeziumException: Creation of replication slot failed
\tat io.debezium.connector.postgresql.PostgresConnectorTask.start(PostgresConnectorTask.java:246)
\t... 12 more
Caused by: org.postgresql.util.PSQLException: FATAL: password authentication failed
  Detail: for user "outbox_connector"
\tat org.postgresql.core.v3.ConnectionFactoryImpl.doAuthentication(ConnectionFactoryImpl.java:1)
"""


def test_a_trace_is_condensed_to_its_causes_in_order() -> None:
    assert causes(TRACE) == (
        "ConnectException: An exception occurred. Stopped.",
        "DebeziumException: Creation of replication slot failed",
        'PSQLException: FATAL: password authentication failed Detail: for user "outbox_connector"',
    )


def test_a_cause_that_repeats_its_effect_is_left_out() -> None:
    trace = "a.b.Outer: c.d.Inner: no route\n\tat x.Y.z(Y.java:1)\nCaused by: c.d.Inner: no route"
    assert causes(trace) == ("Outer: c.d.Inner: no route",)


def test_an_exception_without_a_message_is_named() -> None:
    assert causes("java.lang.NullPointerException\n\tat x.Y.z(Y.java:1)") == (
        "NullPointerException",
    )


def test_what_is_no_java_trace_is_kept_as_it_is() -> None:
    assert causes("worker went away (no trace)") == ("worker went away (no trace)",)
    assert causes("") == ()


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    (cause,) = causes(f"a.B: begins here {'x' * 1000} ends here")
    assert len(cause) < 260
    assert cause.startswith("B: begins here")
    assert cause.endswith("ends here")
