import re
from collections import Counter

from infra.postgres.objects import object_files

_NAMED = re.compile(
    r"^CREATE (?:UNIQUE )?(INDEX|TABLE|VIEW|FUNCTION|PUBLICATION) (\w+)", re.MULTILINE
)


def test_no_two_objects_of_the_database_have_one_name() -> None:
    made = Counter(
        named for path in object_files() for named in _NAMED.findall(path.read_text("utf-8"))
    )
    assert ("TABLE", "domain_events") in made
    assert [named for named, times in made.items() if times > 1] == []
