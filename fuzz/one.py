"""`python -m fuzz.one TARGET OUT [libFuzzer's options]`: fuzzes one target in this process.

A mistake (an exception) is kept once, under where it was made, and the search goes on; what ends the process (a crash of a
library, an input that takes too long or too much) libFuzzer keeps, and the caller starts anew.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["expectations", "warehouse"]):
    from fuzz.targets import TARGETS


def main() -> None:
    name, out, *options = sys.argv[1:]
    target, found = TARGETS[name], Path(out)

    def tried(content: bytes) -> None:
        try:
            target.run(content)
        except MemoryError:
            raise
        except BaseException as e:
            if isinstance(e, (KeyboardInterrupt, SystemExit)):
                raise
            frames = traceback.extract_tb(e.__traceback__)
            ours = next(
                (f for f in reversed(frames) if "site-packages" not in f.filename and "/fuzz/" not in f.filename),
                frames[-1],
            )
            where = f"{type(e).__name__} {Path(ours.filename).name} {ours.name} {ours.line}"
            mark = hashlib.sha256(where.encode()).hexdigest()[:8]
            kept = found / f"mistake-{mark}"
            if not kept.exists() or len(content) < kept.stat().st_size:
                kept.write_bytes(content)
                kept.with_suffix(".txt").write_text(traceback.format_exc(), "utf-8")

    atheris.Setup([sys.argv[0], *options], tried)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
