"""A person answers: the contract, who may answer, what is on disk, and a whole run played in a browser."""

import json
import threading
import time

import numpy as np
import pandas as pd
import pytest
from chromium import errors, started
from served import Served

from bench import registry
from bench.annotate.answers import FILE, Asked
from bench.annotate.desk import Desk, Person
from bench.annotate.server import MOST_BYTES, app
from bench.annotation import Retracted
from bench.runs import schema
from bench.types import VOID, Answer, InputError, Question, Region

pytestmark = pytest.mark.slow

httpx = pytest.importorskip("httpx")
testclient = pytest.importorskip("starlette.testclient")

CLASSES = ("sky", "tree", "road")
PALETTE = np.array([[0, 0, 200], [0, 200, 0], [90, 90, 90]], np.uint8)
SHAPES = "shapes[train=12,val=6,size=64]"
RUN = ["--dataset", SHAPES, "--model", "none", "--strategy", "random", "--rounds", "3", "--budget", "10"]
ANNOTATE = ["annotate", *RUN]


def asked(number=0, kind="correction", opinion=1, chances=None):
    """A question about superpixel ``number``, the middle of an image of 4 × 6 pixels, of which tree (1) is shown."""
    labels = np.ones((4, 6), np.uint8)
    question = Question(kind, 0, number, 1, 2, 1, np.ones(4, np.uint8), number, 3)
    return Asked(question, "a", Region.of(np.array([8, 9, 14, 15])), (4, 6), labels, opinion, chances)


class Asking(threading.Thread):
    """The loop of a cell: asks the questions in turn, from the first again where an answer is taken back."""

    def __init__(self, desk, *questions):
        super().__init__(daemon=True)
        self.desk, self.questions, self.answers = desk, questions, []
        self.start()

    def run(self):
        while len(self.answers) < len(self.questions):
            self.answers = []
            try:
                for i, question in enumerate(self.questions):
                    self.desk.expect(len(self.questions) - i, iter(self.questions[i + 1 :]))
                    self.answers.append(self.desk.ask(question))
            except Retracted:
                continue
        self.desk.finish()


def opened(folder, fixed=(), **options):
    desk = Desk(1, **options)
    desk.open(folder, fixed, 1)
    return desk


def client_of(desk):
    image = lambda name: np.full((4, 6, 3), 9, np.uint8)  # noqa: E731
    web = app(desk, CLASSES, PALETTE, image, "secret", ("testserver",))
    client = testclient.TestClient(web)
    client.params = {"token": "secret"}
    return client


@pytest.fixture
def desk(tmp_path):
    return opened(tmp_path)


@pytest.fixture
def client(desk):
    return client_of(desk)


def test_the_contract(desk, client):
    assert client.get("/api/question").json() == {"wait": 1, "why": "the model is trained, or questions are chosen"}
    loop = Asking(desk, asked(0), asked(1, "dominant"))
    found = client.get("/api/question").json()
    assert (found["box"], found["pixel"], found["shown"], found["kind"]) == ([2, 1, 4, 3], [1, 2], 1, "correction")
    assert (found["image"], found["round"], found["number"]) == ("a", 1, 0)
    assert found["classes"][2] == {"id": 2, "name": "road", "probability": None}
    for address in found["pictures"].values():
        assert client.get(address).headers["content-type"] == "image/png"
    given = {"id": found["id"], "action": "correct", "label": 2, "seconds": 1.5, "annotator": "Ada"}
    assert client.post("/api/answer", json=given).json()["answers"] == 1
    second = client.get("/api/question").json()
    assert second["number"] == 1 and second["kind"] == "dominant"
    assert client.post("/api/answer", json=given | {"id": second["id"], "action": "classify"}).status_code == 200
    loop.join(5)
    assert loop.answers == [Answer((2,), ("correct",)), Answer((2,), ("classify",))]
    assert client.get("/api/question").json() == {"done": True}
    assert client.get("/api/status").json()["median_seconds"] == 1.5


def test_strangers_and_nonsense_are_refused(desk, client):
    Asking(desk, asked())
    given = {"id": client.get("/api/question").json()["id"], "action": "confirm"}
    assert client.post("/api/answer", json=given, params={"token": "guess"}).status_code == 403
    assert client.get("/", params={"token": ""}).status_code == 403
    assert client.post("/api/answer", json=given, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get("/api/question", headers={"host": "evil.example"}).status_code == 403
    assert client.post("/api/answer", content=b"x" * 10_000_000).status_code == 413
    assert client.post("/api/answer", content=b"x" * MOST_BYTES).status_code == 400
    assert client.get("/api/picture/..%2f..%2fetc%2fpasswd/image").status_code == 404
    assert client.post("/api/answer", json=given | {"id": "another"}).status_code == 409
    for wrong in ({"action": "delete"}, {"action": "classify", "label": 1}, {"action": "correct", "label": 3}):
        assert client.post("/api/answer", json=given | wrong).status_code == 400, wrong
    for wrong in ({"action": "correct", "label": True}, {"seconds": -1}, {"seconds": "1"}, {"annotator": 3}):
        assert client.post("/api/answer", json=given | wrong).status_code == 400, wrong
    assert client.post("/api/undo", json={}).status_code == 409
    assert not desk.answers.lines and not desk.answers.path.exists()
    assert "default-src 'none'" in client.get("/").headers["content-security-policy"]
    assert client.get("/page.js", params={"token": ""}).status_code == 200
    assert client.post("/api/answer", json=given, headers={"origin": "http://testserver"}).status_code == 200


def test_answers_are_on_disk_and_undo_takes_back(desk, client):
    loop = Asking(desk, asked(0), asked(1))
    first = client.get("/api/question").json()["id"]
    client.post("/api/answer", json={"id": first, "action": "void"})
    client.get("/api/question")
    assert client.post("/api/undo", json={}).json()["answers"] == 0
    assert client.get("/api/question").json()["id"] == first
    client.post("/api/answer", json={"id": first, "action": "confirm", "seconds": 2})
    lines = [json.loads(line) for line in desk.answers.path.read_text().splitlines()]
    assert [line.get("action") for line in lines] == ["void", None, "confirm"] and lines[1] == {"undo": first}
    second = client.get("/api/question").json()["id"]
    with desk.answers.path.open("ab") as file:
        file.write(b'{"id": "half')  # a server that is killed while it writes
    again = opened(desk.answers.path.parent)
    other = Asking(again, asked(0), asked(1))
    after = client_of(again)
    assert after.get("/api/question").json()["id"] == second
    after.post("/api/answer", json={"id": second, "action": "give_up"})
    other.join(5)
    assert other.answers == [Answer((), ("confirm",)), Answer((), ("give_up",))]
    assert list(opened(desk.answers.path.parent).answers.lines) == [first, second] and not loop.answers[1:]


def test_damaged_answers_are_refused(desk):
    with pytest.raises(InputError, match="lacks 1 answers"):
        opened(desk.answers.path.parent, fixed=["other"])
    desk.answers.path.write_text("nonsense\n")
    with pytest.raises(InputError, match="line 1: not an answer"):
        opened(desk.answers.path.parent)
    desk.answers.path.write_text('{"undo": "never given"}\n')
    with pytest.raises(InputError, match="line 1: not an answer"):
        opened(desk.answers.path.parent)


def told(client, who=None, **more):
    """The number of the question for a person, or nothing."""
    return client.get("/api/question", params={"annotator": who, **more} if who else more).json().get("number")


def say(client, who, action="confirm", **more):
    found = client.get("/api/question", params={"annotator": who}).json()
    given = {"id": found["id"], "action": action, "annotator": who, **more}
    assert client.post("/api/answer", json=given).status_code == 200
    return found["number"]


def test_people_are_asked_different_questions_and_the_loop_hears_them_in_order(desk, client):
    loop = Asking(desk, *map(asked, range(4)))
    assert (told(client, "Ada"), told(client, "Bob"), told(client, "Ada")) == (0, 1, 0)
    assert [say(client, "Bob", "void"), say(client, "Bob", "give_up")] == [1, 2] and not loop.answers
    assert client.post("/api/undo", json={"annotator": "Ada"}).status_code == 409
    assert client.post("/api/undo", json={"annotator": "Bob"}).json()["answers"] == 1  # the loop has not taken it yet
    assert [say(client, "Bob"), say(client, "Ada"), told(client, "Bob"), say(client, "Bob")] == [2, 0, 3, 3]
    loop.join(5)
    assert loop.answers == [Answer((), (action,)) for action in ("confirm", "void", "confirm", "confirm")]


def test_second_opinions_go_to_another_person_where_there_is_one(desk, client):
    loop = Asking(desk, asked(0), asked(0, opinion=2), asked(1), asked(1, opinion=2))
    assert told(client, "Bob") == 0  # he looks, and goes away
    desk.offers.seen["Bob"] -= 1000
    desk.offers._held.clear()
    assert [say(client, "Ada"), say(client, "Ada"), say(client, "Ada")] == [0, 0, 1]  # alone
    assert told(client, "Bob") == 1
    assert told(client, "Ada") is None
    assert client.get("/api/question", params={"annotator": "Ada"}).json()["why"].endswith("with other people")
    say(client, "Bob")
    loop.join(5)
    assert len(loop.answers) == 4


def test_what_is_skipped_comes_last_and_what_comes_next_can_be_seen(desk, client):
    loop = Asking(desk, *map(asked, range(3)))
    first = client.get("/api/question").json()
    assert told(client, after=first["id"]) == 1 and told(client) == 0
    assert client.post("/api/skip", json={"id": first["id"]}).status_code == 200
    assert client.post("/api/skip", json={"id": ["none"]}).status_code == 409
    assert [say(client, None), say(client, None), say(client, None)] == [1, 2, 0]
    loop.join(5)
    assert len(loop.answers) == 3


def test_a_share_is_asked_twice_and_the_loop_hears_once(tmp_path):
    desk = opened(tmp_path, repeat_share=1.0)
    client = client_of(desk)
    loop = Asking(desk, *map(asked, range(4)))
    assert [say(client, "Ada"), told(client, "Ada"), say(client, "Bob", "void"), say(client, "Bob")] == [0, 1, 0, 2]
    assert [say(client, "Ada"), say(client, "Bob")] == [1, 1]
    assert {say(client, "Ada"), say(client, "Ada")} == {2, 3}
    loop.join(5)
    assert [answer.actions for answer in loop.answers] == [("confirm",)] * 4
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [(line["superpixel"], line["annotator"]) for line in lines if line["opinion"] == 0] == [
        *[(0, "Bob"), (1, "Bob"), (2, "Ada")]
    ]


def test_classes_come_by_their_probability_and_a_training_says_how_long_it_takes(desk, client):
    desk.training.n_steps = 4
    desk.step("fit", 1)
    waiting = client.get("/api/question").json()
    assert waiting["share"] == 0.25 and waiting["left"] > 0
    Asking(desk, asked(chances=np.array([0.2, 0.1, 0.7])))
    found = client.get("/api/question").json()
    assert [(one["id"], one["probability"]) for one in found["classes"]] == [(2, 0.7), (0, 0.2), (1, 0.1)]


def test_no_other_command_knows_a_person(alc):
    assert "person" not in registry.catalogue("oracles").classes
    assert not Person(Desk(1)).reads_truth
    done = alc("annotate", "--strategy", "clairvoyant_miou", "--dataset", "kvasir")
    assert done.code == 2 and "--data-root" in done.err


def seen(question, truth):
    row, column = question["pixel"]
    return int(truth(question["image"])[row, column])


def press(driver, keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).send_keys(keys).perform()


def shown(driver, wanted):
    """Wait until the page shows the question ``wanted``, or, with None, that all is done."""
    for _ in range(2400):  # two minutes, for a loaded machine
        found = driver.execute_script(
            "return [document.body.dataset.id ?? null, document.body.dataset.done ?? null, state.busy];"
        )
        if (found[1] == "yes") if wanted is None else (found[0] == wanted and not found[2]):
            return
        time.sleep(0.05)
    raise AssertionError(f"{wanted} is not shown; {found}; {errors(driver)}")


def play(driver, served, truth, n, slips=()):
    """Answer ``n`` questions with keys, as the truth says; at ``slips`` first another way, which is then taken back."""
    for i in range(n):
        question = served.question()
        shown(driver, question["id"])
        if i in slips:
            press(driver, "t")
            while (after := served.question()["id"]) == question["id"]:  # the answer is on its way
                time.sleep(0.02)
            shown(driver, after)
            press(driver, "u")
            while served.question()["id"] != question["id"]:
                time.sleep(0.02)
            shown(driver, question["id"])
        true = seen(question, truth)
        if true == question["shown"]:
            press(driver, "y")
        elif true == VOID:
            press(driver, "v")
        else:
            press(driver, "n")
            press(driver, f"{true}\ue007")  # Enter
        if i < n - 1:  # after the last one of all the server ends
            while served.question()["id"] == question["id"]:
                time.sleep(0.02)


def test_a_person_in_a_browser_answers_as_a_perfect_annotator(alc, tmp_path):
    data = registry.load("datasets", SHAPES)
    truth = lambda name: data.truth("train", name)  # noqa: E731
    driver = started(tmp_path / "profile", offline=False)
    try:
        served = Served([*ANNOTATE, "--out", str(tmp_path / "hand")], tmp_path / "cache")
        driver.set_window_size(400, 900)
        driver.get(served.address)
        play(driver, served, truth, 13, slips=(2, 12))
        while served.client.get("/api/status").json()["answers"] < 13:
            time.sleep(0.02)
        page = "document.documentElement"
        assert driver.execute_script(f"return {page}.scrollWidth <= {page}.clientWidth")
        served.kill()
        served = Served([*ANNOTATE, "--out", str(tmp_path / "hand")], tmp_path / "cache")
        assert served.client.get("/api/status").json()["answers"] == 13
        driver.get(served.address)
        play(driver, served, truth, 17)
        shown(driver, None)
        out, err = served.process.communicate(timeout=120)
        assert served.process.returncode == 0, err
        assert "alc-bench export" in out
        assert not [entry for entry in errors(driver) if "Failed to load" not in entry["message"]]
    finally:
        driver.quit()
        served.process.kill()
    assert alc("run", *RUN, "--seeds", 1, "--out", tmp_path / "run", report_too=False).code == 0
    tables = [schema.read(tmp_path / name / "rounds.csv") for name in ("hand", "run")]
    kept = [column for column in tables[0] if column not in ("oracle", *schema.names(schema.ROUNDS, "time"))]
    pd.testing.assert_frame_equal(tables[0][kept], tables[1][kept])
    for name in ("hand", "run"):
        to = tmp_path / f"labels-{name}"
        done = alc("export", tmp_path / name, "--strategy", "random", "--seed", 0, "--to", to)
        assert done.code == 0, done.err
    files = sorted((tmp_path / "labels-run/annotations/train").iterdir())
    assert len(files) == 12
    for path in files:
        assert path.read_bytes() == (tmp_path / "labels-hand/annotations/train" / path.name).read_bytes(), path.name
