"""Links between the documents lead somewhere, and no document is beyond reach."""

import re

import pytest
from blocks import DOCUMENTS, ROOT, prose

LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def links(document):
    return LINK.findall(prose(document))


def anchors(document):
    """As GitHub makes them of headings."""
    found = set()
    for heading in re.findall(r"(?m)^#+ (.*)$", prose(document)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number, unique = 0, name
        while unique in found:
            number += 1
            unique = f"{name}-{number}"
        found.add(unique)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_every_link_leads_somewhere(document):
    for link in links(document):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{document.name}: `{link}` leads nowhere"
        assert ROOT in [target, *target.parents], f"{document.name}: `{link}` leads out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{document.name}: `{link}`: {target.name} has no such heading"


def test_every_document_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached:
            continue
        reached.add(document)
        targets = [(document.parent / link.split("#")[0]).resolve() for link in links(document) if "://" not in link]
        waiting += [target for target in targets if target.suffix == ".md" and target.is_file()]
    assert set(DOCUMENTS) <= reached


def test_the_index_has_every_document():
    index = {(ROOT / "docs" / link.split("#")[0]).resolve() for link in links(ROOT / "docs" / "README.md")}
    assert {document for document in DOCUMENTS if document.parent.name == "docs" and document.name != "README.md"} <= index
