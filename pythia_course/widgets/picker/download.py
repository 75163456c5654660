"""A download as the picker shows it, and the place where it is stopped."""


class Download:
    """Moves a picker's progress bar, and says when a busy hub makes one wait."""

    def __init__(self, picker):
        self._picker, self._said = picker, picker.status.value

    def __call__(self, done, total):
        self._stop_if_asked()
        bar = self._picker.progress
        bar.value = 100 * done // max(total, 1)
        bar.description = f"{bar.value}%"
        bar.layout.display = None
        self._picker.status.value = self._said

    def waiting(self, seconds):
        self._stop_if_asked()
        self._picker.status.say(f"The hub is busy and asks to wait: going on in {seconds} s …")

    def _stop_if_asked(self):
        if self._picker._stopped.is_set():
            raise KeyboardInterrupt
