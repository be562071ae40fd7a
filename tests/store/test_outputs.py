"""Files for people."""

import pytest

from streamclust.store.outputs import Outputs


@pytest.fixture
def said():
    return []


@pytest.fixture
def outputs(tmp_path, said):
    (tmp_path / ".streamclust").mkdir()
    return Outputs(tmp_path, said.append)


def write(outputs, text, name="labels.csv"):
    with outputs.writing(name) as path:
        path.write_text(text)


def test_its_own_file_is_replaced(outputs, said):
    write(outputs, "one")
    write(outputs, "two")
    assert (outputs.folder / "labels.csv").read_text() == "two"
    assert not said
    assert [p.name for p in outputs.folder.glob("*.csv")] == ["labels.csv"]


def test_a_file_that_a_person_changed_is_kept(outputs, said):
    write(outputs, "one")
    (outputs.folder / "labels.csv").write_text("with my notes")
    write(outputs, "two")
    (outputs.folder / "labels.csv").write_text("more notes")
    write(outputs, "three")
    assert (outputs.folder / "labels.csv").read_text() == "three"
    assert (outputs.folder / "labels.kept-1.csv").read_text() == "with my notes"
    assert (outputs.folder / "labels.kept-2.csv").read_text() == "more notes"
    assert "kept as labels.kept-1.csv" in said[0]


def test_what_fails_leaves_the_old_file(outputs):
    write(outputs, "one")
    with pytest.raises(TypeError):
        write(outputs, 7)
    assert (outputs.folder / "labels.csv").read_text() == "one"
    assert outputs.is_current("labels.csv")
    assert not list(outputs.folder.glob(".*.part"))


def test_a_kill_between_file_and_record_is_no_edit(outputs, said, monkeypatch):
    write(outputs, "one")
    monkeypatch.setattr("streamclust.store.outputs.os.replace", _replace_then_die())
    with pytest.raises(KeyboardInterrupt):
        write(outputs, "two")
    monkeypatch.undo()
    assert (outputs.folder / "labels.csv").read_text() == "two"
    write(outputs, "three")
    assert not said
    assert not list(outputs.folder.glob("*.kept-*"))


def _replace_then_die():
    def replace(source, target):
        source.rename(target)
        if target.name == "labels.csv":
            raise KeyboardInterrupt

    return replace


def test_a_damaged_record_is_no_obstacle(outputs):
    write(outputs, "one")
    (outputs.folder / ".streamclust" / "written.json").write_text("")
    write(outputs, "two")
    assert (outputs.folder / "labels.kept-1.csv").read_text() == "one"


def test_marks_tell_what_a_file_was_made_from(outputs):
    with outputs.writing("a.png", mark="m") as path:
        path.write_text("picture")
    assert outputs.is_current("a.png", "m")
    assert not outputs.is_current("a.png", "other")
    outputs.remove("a.png")
    assert not (outputs.folder / "a.png").exists()


def test_a_file_that_was_never_written_here_is_not_removed(outputs, said):
    (outputs.folder / "labels.csv").write_text("mine")
    outputs.remove("labels.csv")
    assert (outputs.folder / "labels.csv").read_text() == "mine"
    (outputs.folder / "labels.csv").unlink()
    write(outputs, "one")
    outputs.remove("labels.csv")
    (outputs.folder / "labels.csv").write_text("mine again")
    outputs.remove("labels.csv")
    assert (outputs.folder / "labels.csv").read_text() == "mine again"
    assert not said
