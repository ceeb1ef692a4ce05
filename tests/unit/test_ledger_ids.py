"""Ledger ids are fixed for ever: they derive from the subject, and from the revision."""

from stream_processors.billing.payables import correction_id, ledger_id, reversal_id


def test_each_revision_of_an_entry_has_an_id_of_its_own_and_always_the_same() -> None:
    ids = [ledger_id("session", "s1")]
    for revision in (1, 2):
        ids += [reversal_id("session", "s1", revision), correction_id("session", "s1", revision)]
    assert len(set(ids)) == 5
    assert reversal_id("session", "s1", 1) == ids[1]


def test_a_package_and_a_session_of_one_name_have_different_revisions() -> None:
    assert reversal_id("session", "x", 1) != reversal_id("package", "x", 1)
    assert correction_id("session", "x", 1) != correction_id("package", "x", 1)


def test_no_name_of_a_subject_imitates_the_revision_of_another() -> None:
    assert ledger_id("session", "s1/reversal/1") != reversal_id("session", "s1", 1)
