"""What the Python side of a widget tells its page: the engine, weights that ship, or one sentence why not."""

from pythia_course import live, suite
from pythia_course.widgets.common import code

EXPECTED = (ValueError, TypeError, OSError, MemoryError, FloatingPointError)  # they carry a sentence for the learner


class Answers:
    """For a widget, before its other bases, and after `self.on_msg(self._asked)`: {"want": "x"} goes to `_tell_x`.

    `_tell_x(content)` gives (a dictionary, buffers).
    """

    def _asked(self, _widget, content, _buffers):
        """Answer a question of the page: with what it wants, or with a sentence that says why not."""
        try:
            answer, buffers = getattr(self, f"_tell_{content['want']}")(content)
        except EXPECTED as error:
            answer, buffers = {"error": str(error) or type(error).__name__}, []
        except Exception as error:  # nobody sees what a handler raises
            answer, buffers = {"error": f"{type(error).__name__}: {error}"}, []
        self.send({"id": content.get("id"), **answer}, buffers)

    def _tell_worker(self, _content):
        tokenizer = live.model_files(suite.SHIPPED[0])["tokenizer"].read_text(encoding="utf-8")
        return {"worker": code.script(live.FOLDER / "worker.js"), "tokenizer": tokenizer}, []

    def _tell_weights(self, content):
        files = live.model_files(content["model"], content["step"])
        return {"config": files["config"].read_text(encoding="utf-8")}, [files["weights"].read_bytes()]
