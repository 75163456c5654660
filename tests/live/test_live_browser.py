"""The engine in a real browser: the same numbers, in the page and in a worker, and typing never waits."""

import pytest
from support.live import ROOT, Reference, files_of, served

import pythia_course

NAME, TEXT = "tiny-pythia", "Then Mia lost the red ball."
SOME = ("M", "don't 木's <|endoftext|>\n\n 12", "Then Mia and Tom went to the park. Then Tom gave the ball to", "")
CHANGES = [{"ablate": {"heads": [[1, 0]]}}, {"patch": {"residual": [2, 1]}, "clean": "Then Tom lost the red book."}]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """(folder, job): what torch computes for some prompts."""
    folder = tmp_path_factory.mktemp("live")
    lm = pythia_course.load(NAME)
    lm.model.double()
    made = Reference(folder, lm, 6200, files_of(NAME, 6200))
    for prompt in SOME:
        made.add(lm, prompt)
    made.add(lm, TEXT, changes=CHANGES, predicted=3)
    return folder, made.written()


@pytest.fixture(scope="module")
def page(browser, reference):
    with served(reference[0]) as address:
        page = browser.new_page()
        said = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{address}{ROOT}/tests/live/page.html")
        page.wait_for_function("window.ready")
        page.evaluate("async (asked) => { window.engine = await start(...asked); }", [NAME, files_of(NAME, 6200)])
        yield page
        assert said == []
        page.close()


def test_a_browser_computes_what_torch_does(page, reference):
    (result,) = page.evaluate("(models) => compareAll({ models }, read)", [reference[1]])["models"]
    assert result["wrong"] == [] and result["cases"] == len(SOME) + 1
    assert max(result["worst"].values()) < 1e-4


def test_a_worker_answers_what_the_page_computes(page):
    same = """async ([text, changes, files]) => {
      const decode = async (path) => new TextDecoder().decode(await read(path));
      const [config, tokenizer] = [await decode(files.config), await decode(files.tokenizer)];
      const lm = load({ name: "here", config, tokenizer, weights: await read(files.weights) });
      const request = { model: "tiny-pythia", prompt: text, keep: ["attention", "z"], changes, lens: 3 };
      const there = await engine.trace(request);
      const here = lm.trace(text, { keep: ["attention", "z", "residual"], changes });
      const same = (a, b) => a.every((value, i) => value === b[i]);
      const equal = (a, b) => String(a.shape) === String(b.shape) && same(a.data, b.data);
      const lens = [0, 1, 2, 3, 4].map((layer) => lm.likeliest(here.residual, 3, layer));
      return [same(here.tokens, there.trace.tokens), equal(here.attention, there.trace.attention),
        equal(here.z, there.trace.z), JSON.stringify(there.lens) === JSON.stringify(lens)];
    }"""
    changes = [{"ablate": {"heads": [[0, 1]], "by": "mean", "over": ["Tom had a book.", "Mia ran."]}}]
    assert page.evaluate(same, [TEXT, changes, files_of(NAME, 6200)]) == [True] * 4


def test_of_many_requests_at_once_the_newest_is_answered(page):
    typed = """async (text) => {
      const model = "tiny-pythia", keep = ["attention"];
      const ask = (prompt, channel = "") => engine.trace({ channel, model, prompt, keep });
      const asked = [...text].map((_, i) => ask(text.slice(0, i + 1))), beside = ask("Mia", "other");
      const answers = await Promise.all(asked), read = (answer) => answer.trace.tokens.join("");
      return [answers.filter((answer) => answer).length, read(answers.at(-1)), read(await beside)];
    }"""
    answered, last, beside = page.evaluate(typed, TEXT)
    assert answered <= 2 and last == TEXT.replace(" ", "␣") and beside == "Mia"


def test_a_long_pass_makes_way_for_a_newer_request(page):
    waits = """async () => {
      const long = engine.trace({ model: "tiny-pythia", prompt: "é".repeat(256), keep: ["attention"] });
      await new Promise((resume) => setTimeout(resume, 5));
      const short = engine.trace({ model: "tiny-pythia", prompt: "Mia", keep: ["attention"] });
      return [await long === null, (await short).trace.tokens.length];
    }"""
    assert page.evaluate(waits) == [True, 1]


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"model": NAME, "prompt": ""}, "The prompt is empty"),
        ({"model": "gpt-5", "prompt": "Mia"}, "No model called gpt-5 is loaded here."),
        ({"model": NAME, "prompt": "Mia", "keep": ["thoughts"]}, "A trace has no 'thoughts'"),
        ({"model": NAME, "prompt": "Mia", "changes": [{"ablate": {"mlps": [9]}}]}, "There is no layer 9"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_worker_goes_on(page, request_, says):
    error = page.evaluate("(request) => engine.trace(request).then(() => null, (error) => error.message)", request_)
    assert says in error
    asks = "async () => (await engine.trace({ model: 'tiny-pythia', prompt: 'Mia' })).trace.tokens"
    assert page.evaluate(asks) == ["Mia"]
