"""How a program ends: at once. To take apart, object by object, what has been imported takes Python half a second, and with Great
Expectations one: as long as a tenth, or half, of all that a night does."""

from __future__ import annotations

import atexit
import os
import sys
import threading


def at_once(code: int) -> None:
    """Ends the process as `sys.exit` would, after all that was registered for its end, but without taking it apart. Returns
    where a thread is still at work, or nobody takes what was printed: then it is to end as ever."""
    if any(not t.daemon for t in threading.enumerate() if t is not threading.current_thread()):
        return
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return
    os._exit(code)
