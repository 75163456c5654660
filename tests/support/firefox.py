"""Firefox as Debian has it, driven by WebDriver BiDi: Playwright drives builds of its own only."""

import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager

from websocket import create_connection

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
SECONDS = 120  # of patience with a busy machine


class Tab:
    """One tab: `open(address)`, `evaluate(JavaScript)`."""

    def __init__(self, socket):
        self.socket, self.ids = socket, 0
        self.ask("session.new", capabilities={})
        self.context = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method, **parameters):
        """Sends a command and gives its result."""
        self.ids += 1
        self.socket.send(json.dumps({"id": self.ids, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.ids:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, address):
        self.ask("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def evaluate(self, expression):
        """The value of an expression, awaited if it is a promise: a string, number or boolean."""
        target = {"context": self.context}
        done = self.ask("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert done["type"] == "success", done
        return done["result"].get("value")


@contextmanager
def firefox(profile):
    """A Tab of a Firefox that nobody sees, with an empty profile in this folder."""
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    environment = {"HOME": str(profile), "PATH": os.environ["PATH"]}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        said = (re.search(r"WebDriver BiDi listening on (\S+)", line) for line in process.stderr)
        address = next(found[1] for found in said if found)
        socket = create_connection(f"{address}/session", timeout=SECONDS, suppress_origin=True)
        yield Tab(socket)
        socket.close()
    finally:
        process.terminate()
        process.wait(SECONDS)
