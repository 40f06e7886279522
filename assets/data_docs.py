"""Data Docs as a step of the judging assets: built where results are new, and never a reason to lose a release."""

import dagster as dg

from warehouse import validations
from warehouse.store import Store


def documented(store: Store, log: dg.DagsterLogManager) -> str | None:
    """Builds the pages that are due; None, or why they could not be built.

    The pages say what is already judged. So whatever fails here fails the check that reports it, aloud, and neither the
    judgement nor the release; what is missing is still due the next time.
    """
    if not validations.pending(store):
        return None
    try:
        from warehouse import data_docs

        with store.room(), store.writing("Data Docs", log.info):
            log.info(f"Data Docs: {data_docs.build(store)} pages")
    except Exception as e:  # any cause: it is logged with its trace, and the check fails with it
        log.exception("Data Docs could not be built")
        return f"{type(e).__name__}: {e}"
    return None
