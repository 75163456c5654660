"""Kernels for nbval that need not import the libraries anew: forked from a process that has done so, a process each.

What a notebook shares with the others is the code of other people's libraries, freshly imported; the course's own is
imported by each kernel itself, with its own environment, folder and search path.  `pytest notebooks` without the tests
knows nothing of this and starts each kernel from nothing.
"""

import gc
import json
import os
import signal
import subprocess
import sys
from time import monotonic, sleep

BEFOREHAND = (
    "ipykernel.kernelapp", "ipywidgets", "anywidget", "matplotlib.pyplot", "torch",
    "transformers.models.gpt_neox.modeling_gpt_neox", "transformers.models.gpt2.modeling_gpt2",
)  # fmt: skip
INLINE = "module://matplotlib_inline.backend_inline"  # where a kernel draws unless told otherwise, as ipykernel says


class Nursery:
    """Starts kernels; `start` takes the place of jupyter_client's `launch_kernel`."""

    _server = None
    seconds = 0.0  # processor time of the kernels that have ended

    def start(self, cmd, cwd=None, env=None, **ignored):
        """The process of a kernel with this command line; what it prints to its terminal goes nowhere."""
        _, module, name, *arguments = cmd
        if (module, name) != ("-m", "ipykernel_launcher"):
            raise ValueError(f"only Python kernels are born here, but {cmd} came.")
        where = {"cwd": str(cwd or os.getcwd()), "env": dict(env or os.environ)}
        return Kernel(self, self.ask({"arguments": arguments, **where}))

    def open(self):
        """Begin to import, so that the first kernel need not wait for all of it."""
        if self._server is None:
            own = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
            own.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the course asks for, before torch makes its first array
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._server = subprocess.Popen([sys.executable, __file__], env=own, **pipes)

    def ask(self, what):
        self.open()
        print(json.dumps(what), file=self._server.stdin, flush=True)
        return json.loads(self._server.stdout.readline())

    def close(self):
        if self._server is not None:
            self._server.stdin.close()
            self._server.wait()


class Kernel:
    """As much of a subprocess.Popen as jupyter_client asks for."""

    stdin = stdout = stderr = None

    def __init__(self, nursery, pid):
        self._nursery, self.pid, self.returncode = nursery, pid, None

    def poll(self):
        if self.returncode is None:
            self.returncode, seconds = self._nursery.ask({"ended": self.pid})
            self._nursery.seconds += seconds
        return self.returncode

    def wait(self, timeout=None):
        end = monotonic() + (timeout or float("inf"))
        while self.poll() is None:
            if monotonic() > end:
                raise subprocess.TimeoutExpired("kernel", timeout)
            sleep(0.02)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def serve():
    """A request and an answer a line, until there are no more."""
    del sys.path[0]  # the folder of this file, which a kernel does not look in
    for name in BEFOREHAND:
        __import__(name)
    gc.collect()
    gc.freeze()  # so that no kernel's collections touch, and copy, what all of them share
    answers = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    for line in sys.stdin:
        what = json.loads(line)
        answer = ended(what["ended"]) if "ended" in what else fork(what)
        print(json.dumps(answer), file=answers, flush=True)


def ended(pid):
    """(how a kernel ended, as subprocess counts it, or None while it runs; its processor seconds)"""
    done, status, used = os.wait4(pid, os.WNOHANG)
    return (os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime) if done else (None, 0)


def fork(what):
    """The process id of a new kernel, which leads a group of its own by the time that anyone asks."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.close(writer)
            be_a_kernel(**what)
            os._exit(0)
        finally:  # whatever happens there, it never comes back here
            os._exit(1)
    os.close(writer)
    os.read(reader, 1)  # comes to an end when the child has closed its own
    os.close(reader)
    return pid


def be_a_kernel(arguments, cwd, env):
    """What `python -m ipykernel_launcher` does, in a process that has imported things; ends with the kernel."""
    import matplotlib
    import numpy as np
    from ipykernel import kernelapp
    from ipywidgets import register_comm_target

    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    os.environ.clear()
    os.environ.update(env, JPY_PARENT_PID=str(os.getppid()))  # the kernel ends when that process does
    os.chdir(cwd)
    matplotlib.rcParams["backend"] = env.get("MPLBACKEND", INLINE)
    np.random.seed()  # as a fresh process would have one of its own
    sys.argv[1:] = arguments
    kernel = kernelapp.IPKernelApp.instance()
    kernel.initialize()
    register_comm_target()  # when it was imported, there was no kernel whose widgets a page could ask for
    kernel.start()


if __name__ == "__main__":
    serve()
